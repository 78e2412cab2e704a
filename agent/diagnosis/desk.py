"""The gateway's desk for technicians: a flight recorder on each line, and what the control socket answers of them."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from agent.clock import Now
from agent.control import Declined, Handler, Request
from agent.diagnosis.frames import SERIAL, Burst, Reader, family_of
from agent.diagnosis.mask import mask
from agent.diagnosis.polite import Guest
from agent.diagnosis.recorder import Recorder
from agent.settings import BusConfig, Config
from drivers.base import LineDown
from drivers.transport.tap import Tap
from protocols.trace import About, Recording, to_objects

LINE = ""  # in place of a device's code
PATIENCE_S = 25.0
MOST_TIMEOUT_S, MOST_ANSWER = 5.0, 512
READS = re.compile(r"^(type [0-9A-F]{2}, )?(read|initialise|request data)")  # of agent.diagnosis.frames


class Desk:
    """Made before the lines, since it listens in on them."""

    def __init__(self, config: Config) -> None:
        self._buses = {bus.name: bus for bus in config.buses}
        self._recorders: dict[str, Recorder] = {}
        self._taps: dict[str, Tap] = {}
        self._guests: dict[str, Guest] = {}

    def exchange(self, config: Config) -> None:
        """From now on these buses; what was recorded of those that are still there stays."""
        self._buses = {bus.name: bus for bus in config.buses}
        self._recorders = {name: one for name, one in self._recorders.items() if name in self._buses}
        self._taps = {name: one for name, one in self._taps.items() if name in self._buses}
        self._guests = {name: one for name, one in self._guests.items() if name in self._buses}

    def tap(self, bus: str) -> Tap:
        recorder = self._recorders[bus] = Recorder()
        tap = self._taps[bus] = Tap(recorder.sent, recorder.heard)
        self._guests[bus] = Guest(tap)
        return tap

    def complaints(self, bus: str, devices: Sequence[Any]) -> Callable[[int | None, str, str], None]:
        """For agent.bus.owner.Bus."""
        recorder = self._recorders[bus]
        codes = [device.code for device in devices]

        def complain(device: int | None, cause: str, detail: str) -> None:
            recorder.fault(LINE if device is None else codes[device], cause, detail)

        return complain

    def answers(self, now: Callable[[], Now], buses: Callable[[], Iterable[Any]]) -> Mapping[str, Handler]:
        """`buses` are those that run: agent.bus.owner.Bus, and others, which nobody can ask anything."""
        return {"trace": partial(self._trace, now), "ask": partial(self._ask, buses)}

    async def _ask(self, buses: Callable[[], Iterable[Any]], request: Request) -> object:
        """One question of agent.diagnosis.search on `bus`, when there is time for it: all that came, in hex."""
        (name,) = self._wanted({"bus": request.get("bus") or ""})
        bus, guest = next(bus for bus in buses() if bus.name == name), self._guests[name]
        try:
            question = bytes.fromhex(request["request"])
            longest, timeout_s = int(request["longest"]), float(request["wait_s"])
        except (KeyError, ValueError, TypeError):
            raise Declined("a question has a request, in hex, longest and wait_s") from None
        if not 0 < timeout_s <= MOST_TIMEOUT_S or not 0 < longest <= MOST_ANSWER:
            raise Declined(f"an answer has at most {MOST_TIMEOUT_S} s and {MOST_ANSWER} bytes")
        if not only_reads(question, self._buses[name].driver):
            raise Declined("only reads are asked here; what changes a device is a command of the fleet")
        if not self._taps[name].can_ask:
            raise Declined(f"bus {name}: its driver lets nobody ask past it")
        if not bus.is_open:
            raise Declined(f"bus {name} is not open: {bus.fault or 'not yet'}")
        if guest.waits:
            raise Declined(f"bus {name}: somebody else is asking")
        told = guest.wish(question, longest, timeout_s)
        bus.invite(guest)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return (await told).hex()
        except TimeoutError:
            raise Declined(f"bus {name}: its polls leave no time for a question of {timeout_s:g} s") from None
        except LineDown as error:
            raise Declined(f"bus {name}: {error}") from None

    async def _trace(self, now: Callable[[], Now], request: Request) -> object:
        """What the recorders of `bus`, or of all, hold from `since` (a number by bus) on."""
        since = request.get("since") or {}
        recorded, following = [], {}
        for name in self._wanted(request):
            recorder = self._recorders[name]
            boot_utc_ms = now().utc_of(0)
            entries = mask(recorder.entries(int(since.get(name, 0))), self._buses[name].driver)
            recorded += list(to_objects(Recording(about(self._buses[name], boot_utc_ms), tuple(entries))))
            following[name] = recorder.next
        return {"trace": recorded, "next": following}

    def _wanted(self, request: Request) -> list[str]:
        """The recorded buses that are asked for: all, one by name, or that of a device. Raises Declined."""
        name, device = request.get("bus"), request.get("device")
        if device:
            name = next((bus.name for bus in self._buses.values() for one in bus.devices if device == one.code), None)
            if name is None:
                raise Declined(f"this gateway has no device {device!r}")
        if name is None:
            return list(self._recorders)
        if name not in self._buses:
            raise Declined(f"this gateway has no bus {name!r}; it has {', '.join(self._buses)}")
        if name not in self._recorders:
            raise Declined(f"bus {name}: devices that report of themselves are not recorded")
        return [name]


def only_reads(request: bytes, driver: str) -> bool:
    """Whether all of it are whole frames that only ask."""
    families = [driver, *SERIAL] if family_of(driver) in SERIAL else [driver]
    for family in families:
        parts = Reader(family, alone=True).read(Burst(0, 0, True, request))
        if any(part.unit for part in parts) and all(
            part.good and (not part.unit or READS.search(part.words)) for part in parts
        ):
            return True
    return False


def about(bus: BusConfig, boot_utc_ms: int) -> About:
    """With the settings of a serial line where it has any."""
    serial = {"baud": bus.baud, "parity": bus.parity, "stop_bits": bus.stop_bits} if is_serial(bus) else {}
    units = {str(device.unit): device.code for device in bus.devices}
    return About(bus.name, bus.driver, bus.address, boot_utc_ms=boot_utc_ms, units=units, **serial)  # type: ignore[arg-type]


def is_serial(bus: BusConfig) -> bool:
    return bus.address.startswith("/") or "/" in bus.address
