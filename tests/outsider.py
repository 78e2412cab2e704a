"""A distribution of somebody else with a driver that does what a file says, be it what no driver should."""

import textwrap
from pathlib import Path

DRIVER = '''
"""Reads nothing from nowhere; the option `mode` names a file that says how it behaves from now on."""

import asyncio
import ctypes
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from acme import model
from drivers.base import Nonsense, Readings, Refused, Reading, Unreachable
from drivers.transport.family import whole_unit

VERSION = 1


class Line:
    def __init__(self, config):
        self.mode = Path(config.options["mode"])
        self.hoard = []

    async def open(self):
        if self.mode.read_text() == "shut":
            raise Unreachable("nobody opens")

    async def close(self):
        pass

    async def read(self, unit, span, timeout):
        match self.mode.read_text():
            case "loop":
                while True:
                    pass
            case "memory":
                self.hoard.append(bytearray(1 << 30))
            case "leak":
                while True:
                    self.hoard.append(bytearray(b"x" * (1 << 20)))
            case "shared":
                import mmap

                self.hoard.append(mmap.mmap(-1, 200 << 20))
                for _ in range(200):
                    self.hoard[-1].write(b"x" * (1 << 20))
                await asyncio.sleep(3600)
            case "segfault":
                ctypes.string_at(0)
            case "exit":
                os._exit(3)
            case "bug":
                return 1 / 0
            case "slow":
                await asyncio.sleep(3600)
            case "busy":
                threading.Thread(target=spin, daemon=True).start()
                self.mode.write_text("well")
            case "flood":
                for _ in range(100_000):
                    print("all work and no play")
            case "say":
                print("hello", unit, file=sys.stderr)
                self.mode.write_text("well")
            case "silent":
                raise Unreachable("no\\0answer\\n")
            case "refuse":
                raise Refused("no such thing", 2)
            case "garbled":
                raise Nonsense("a wrong sum")
        return unit.to_bytes(2, "big") + bytes([VERSION])

    async def write(self, unit, model, channel, value, timeout):
        if self.mode.read_text() == "segfault":
            ctypes.string_at(0)
        return Reading(channel, int(value * 10), 0)


def spin():
    while True:
        pass


@dataclass(frozen=True)
class Family:
    serial = None

    def unit(self, given):
        return whole_unit(given, 1, 99)

    def options(self, given, base):
        if set(given) != {"mode"}:
            raise ValueError("mode is missing: a file that says how the driver behaves")
        return {"mode": str(base / given["mode"])}

    def load_model(self, source):
        return model.load(source)

    def create_line(self, config):
        return Line(config)


FAMILY = Family()
'''
MODEL = """
from dataclasses import dataclass
from decimal import Decimal

from drivers.base import Channel, Limits, ModelError, Point, Reading, Readings
from protocols.edge.birth import Kind
from protocols.edge.columns import F64LE, I32LE
from protocols.quality import Quality


class Model:
    name = "gauge"
    title = {"en": "Gauge", "zh": "表"}
    limits = Limits({"all": 1}, 0)
    channels = (
        Channel("level", {"en": "Level"}, "distance", "m", Kind.GAUGE, I32LE, 1, (Decimal(0), Decimal(99)), True),
        Channel("version", {"en": "Version"}, "", "", Kind.STATE, I32LE, states={1: {"en": "first"}}),
        Channel("ratio", {"en": "Ratio"}, "", "", Kind.GAUGE, F64LE),
    )
    points = tuple(Point("all", 0, 1, channel) for channel in range(3))

    def decode(self, span, raw):
        return Readings.of(
            [
                Reading(0, 10 * int.from_bytes(raw[:2], "big"), 0),
                Reading(1, raw[2], 0),
                Reading(2, None, Quality.BAD_SENSOR_FAILURE),
            ]
        )


def load(source):
    if source != "gauge":
        raise ModelError(f"there is no model {source!r}; there is gauge")
    return Model()
"""


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def install(
    site: Path, driver: str = DRIVER, *, name: str = "acme", distribution: str = "acme-hutong", package: str = "acme"
) -> Path:
    """Puts a distribution into folder `site` as pip would, and returns its package; `site` belongs on sys.path."""
    folder = site / package
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "driver.py").write_text(driver)
    (folder / "model.py").write_text(MODEL)
    about = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(
        textwrap.dedent(f"""\
        [hutong.drivers]
        {name} = {package}.driver:FAMILY
        """)
    )
    return folder
