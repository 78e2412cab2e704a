"""A simulated line on a real pty or socket, a bus of the gateway that polls it, and its recorder."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from agent import report
from agent.bus.device import Device
from agent.bus.owner import Bus
from agent.clock import Now, boottime_ms
from agent.diagnosis.desk import Desk
from agent.diagnosis.evidence import LineEvidence, gather
from agent.settings import BusConfig, Config, DeviceConfig
from agent.site import make_line
from drivers import catalog
from drivers.base import Readings
from protocols import citycode, trace
from protocols.edge.messages import Clock, ClockState
from sim_devices import config as sim_config
from sim_devices.simulation import Simulation

CODES = [citycode.mint("D", f"110114900100{unit:04d}").text for unit in range(1, 5)]


class Nowhere:
    """A sink."""

    def add(self, device: int, tick: int, readings: Readings) -> None: ...

    def missed(self, device: int, tick: int, quality: int) -> None: ...


def now() -> Now:
    at = boottime_ms()
    return Now(at, 1_800_000_000_000 + at, Clock(ClockState.UNSET))


class Rig:
    """Polls `units` of `address` every `period_ms`."""

    def __init__(
        self, driver: str, address: str, units: list[Any], model: str, timeout_s: float, period_ms: int = 60
    ) -> None:
        family = catalog.BUILTIN[driver]
        devices = [
            Device(place, CODES[place], f"Device {unit}", family.unit(unit), period_ms, family.load_model(model))
            for place, unit in enumerate(units)
        ]
        configured = tuple(
            DeviceConfig(**{**_blank(DeviceConfig), "code": one.code, "name": one.name, "unit": one.unit,
                            "driver": driver, "model": model, "period_ms": period_ms})
            for one in devices
        )  # fmt: skip
        self.settings = BusConfig("line", driver, address, 9600, "N", 1, timeout_s, configured)
        config = Config(**{**_blank(Config), "buses": (self.settings,)})
        self.desk = Desk(config)
        line = make_line(self.settings, catalog.BUILTIN, self.desk.tap("line"))
        self.bus = Bus(
            *("line", line, devices, timeout_s, Nowhere(), lambda _: None),
            on_complaint=self.desk.complaints("line", devices),
        )
        self.answers = self.desk.answers(now, lambda: [self.bus])

    async def recordings(self, **details: Any) -> list[trace.Recording]:
        answer: Any = await self.answers["trace"](details)
        return trace.from_objects(answer["trace"])

    async def evidence(self) -> LineEvidence:
        told = {"buses": [report.of_bus(self.bus, self.settings, now())]}
        (line,) = gather(told, await self.recordings(), {"line": self.settings.timeout_s})
        return line


def _blank(kind: Any) -> dict[str, Any]:
    """Something for each field: these tests need few."""
    return dict.fromkeys((field.name for field in fields(kind)), ())


@asynccontextmanager
async def polled(rig: Rig) -> AsyncIterator[Rig]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(rig.bus.run())
        try:
            yield rig
        finally:
            task.cancel()


BENCH = """\
seed = 3
[[bus]]
name = "line"
kind = "{kind}"
{where}
"""
DEVICE = """
[[bus.device]]
code = "{code}"
name = "Device {unit}"
model = "{model}"
unit = {unit}
"""


@asynccontextmanager
async def simulated(
    folder: Path, kind: str = "pty", units: int = 3, model: str = "meter_1p"
) -> AsyncIterator[Simulation]:
    """`kind` is that of a bus of sim_devices."""
    where = f'link = "{folder}/ttyLINE"\nbaud = 0' if kind == "pty" else 'listen = "127.0.0.1:0"'
    text = BENCH.format(kind=kind, where=where)
    for unit in range(1, units + 1):
        text += DEVICE.format(code=CODES[unit - 1], unit=unit, model=model)
    path = folder / "bench.toml"
    path.write_text(text, "utf-8")
    async with Simulation(sim_config.load(path)) as simulation:
        yield simulation
