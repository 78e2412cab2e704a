"""Which devices that report of themselves have fallen silent. Pure: `now` is CLOCK_BOOTTIME in ms."""

from collections.abc import Sequence

from agent.bus.health import Change, DeviceState

SILENT_PERIODS = 3  # one report may be lost, and the next one late


class Silence:
    """A device counts as reachable until it has been silent for SILENT_PERIODS of its periods."""

    def __init__(self, periods_ms: Sequence[int], now: int) -> None:
        self.devices = tuple(DeviceState(now) for _ in periods_ms)
        self._allowed_ms = [period * SILENT_PERIODS for period in periods_ms]
        self._heard = [now] * len(periods_ms)

    def heard(self, device: int, now: int) -> Change | None:
        """The device reported. A Change if it was away."""
        state = self.devices[device]
        silent_since, self._heard[device] = self._heard[device], now
        state.last_answer = now
        if state.reachable:
            return None
        change = Change(device, True, silent_since, state.detail)
        state.reachable, state.since, state.detail = True, now, ""
        return change

    def fallen(self, now: int) -> list[Change]:
        """Those whose silence has become too long since this was last asked."""
        found = []
        for device, state in enumerate(self.devices):
            if state.reachable and now >= self._due(device):
                state.reachable, state.since = False, now
                state.detail = f"no report for {(now - self._heard[device]) / 1000:g} s"
                found.append(Change(device, False, self._heard[device], state.detail))
        return found

    def next_at(self) -> int | None:
        """When the next device will have been silent for too long; None if none is reachable."""
        return min((self._due(device) for device, state in enumerate(self.devices) if state.reachable), default=None)

    def listening_again(self, now: int) -> None:
        """Nobody could be heard until now: that silence was ours."""
        self._heard = [
            now if state.reachable else heard for state, heard in zip(self.devices, self._heard, strict=True)
        ]

    def _due(self, device: int) -> int:
        return self._heard[device] + self._allowed_ms[device]
