"""The tables [[bus.device.interlock]] of a configuration."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from agent.interlocks import Interlock
from agent.toml import Table, nearest
from protocols import citycode
from protocols.edge.requirement import Requirement

if TYPE_CHECKING:
    from drivers.base import Described

MOST = 1e18


class InterlockReader:
    """`code` reads a city code of the kinds it is given."""

    def __init__(self, code: Callable[[Table, str, tuple[citycode.Kind, ...]], str]) -> None:
        self._code = code
        self._required: list[tuple[Table, Requirement]] = []

    def read(self, device: Table, code: str, model: "Described | None") -> tuple[Interlock, ...]:
        return tuple(self._interlock(table, code, model) for table in device.tables("interlock"))

    def check(self, models: "Mapping[str, Described | None]") -> None:
        """Once all devices are known, by code; without a model where none was looked for. An interlock that can never
        be looked at would refuse every write."""
        for table, need in self._required:
            if not need.device or not need.channel:
                continue
            if need.device not in models:
                table.complain("device", f"this gateway has no device {need.device}{nearest(need.device, models)}")
            elif (model := models[need.device]) is not None:
                names = [channel.name for channel in model.channels]
                if need.channel not in names:
                    hint = nearest(need.channel, names)
                    table.complain("channel", f"model {model.name!r} has no channel {need.channel!r}{hint}")

    def _interlock(self, table: Table, code: str, model: "Described | None") -> Interlock:
        name = table.text("channel")
        if model is not None and name:
            writable = [channel.name for channel in model.channels if channel.writable]
            if name not in writable:
                table.complain("channel", f"model {model.name!r} writes no channel {name!r}{nearest(name, writable)}")
        lock = Interlock(
            channel=name,
            value=_exact(table.number("value", low=-MOST, high=MOST)) if table.has("value") else None,
            requires=tuple(self._requirement(need, code) for need in table.tables("requires")),
            pause_ms=round(1000 * table.number("pause_s", 0.0, low=0, high=86_400)),
        )
        if not lock.requires and not lock.pause_ms:
            table.complain(None, "an interlock that holds nothing: give it `requires`, or a `pause_s`")
        table.done()
        return lock

    def _requirement(self, table: Table, code: str) -> Requirement:
        need = Requirement(
            device=self._code(table, "device", (citycode.Kind.DEVICE,)) if table.has("device") else code,
            channel=table.text("channel"),
            low=_exact(table.number("low", low=-MOST, high=MOST)),
            high=_exact(table.number("high", low=-MOST, high=MOST)),
        )
        if need.low > need.high:
            table.complain("low", f"{need.low} is above high, which is {need.high}")
        table.done()
        self._required.append((table, need))
        return need


def _exact(number: float) -> Decimal:
    """The number that was typed: 0.1, not the binary fraction next to it."""
    return Decimal(repr(number))
