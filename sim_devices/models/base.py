"""What all simulated devices are: register tables over values that a step in simulated time renews."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sim_devices.physics.compartment import Compartment
from sim_devices.physics.mains import Mains
from sim_devices.physics.weather import Sky
from sim_devices.registers import Field, Layout, Table, Value

SPIKE_ODDS = 1.0 / 300.0  # of a reading, for channels whose electronics are cheap: for despiking filters to remove


@dataclass(frozen=True)
class Options:
    """Where a device stands among the others, and its size. What a model does not need it does not look at.

    `circuit` names the supply that its load is on ("feeder-1/pole-03"); a meter there sees it, and so does one at
    "feeder-1". `section` names a tunnel's compartment. `wear` (0..1) makes failures likelier.
    """

    circuit: str = ""
    phase: int = 0
    section: str = ""
    rated_w: float = 0.0
    base_w: float = 0.0
    wear: float = 0.1


@dataclass(frozen=True)
class Moment:
    """What is around at a step: Unix time in seconds, the length of the step (0 for the first), the sky."""

    seconds: float
    dt: float
    sky: Sky


class Device:
    """One slave. Subclasses say LAYOUT and RANK, renew `values` in `step`, and name in KEPT what outlives a restart.

    Lower ranks step first: loads, then the air they move, then the meters that add them up.
    """

    MODEL: ClassVar[str]
    LAYOUT: ClassVar[Layout]
    RANK: ClassVar[int] = 0
    KEPT: ClassVar[tuple[str, ...]] = ()

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        self.code = code
        self.options = options
        self.rng = rng
        self.values: dict[str, Value] = {}
        self.load_w = 0.0

    def join(self, mains: Mains, compartment: Compartment | None, loads: Sequence["Device"]) -> None:
        """Told once, before the first step: the supply, the compartment if it has a section, and, for a meter, the
        devices on its circuit."""
        self.mains = mains
        self.compartment = compartment
        self.loads = tuple(loads)

    @property
    def here(self) -> Compartment:
        assert self.compartment is not None, f"{self.code}: a {self.MODEL} needs a section"  # noqa: S101
        return self.compartment

    def step(self, now: Moment) -> None:
        raise NotImplementedError

    def read(self, table: Table, address: int, count: int) -> list[int]:
        """Raises NoSuchAddress."""
        self.touched(self.LAYOUT.touched(table, address, count))
        return self.LAYOUT.read(table, address, count, self.values)

    def touched(self, fields: list[Field]) -> None:
        """A request is about to read these."""

    def write(self, table: Table, address: int, raws: Sequence[int]) -> None:
        """Takes effect at once in what is read back, and from the next step in the world. Raises NoSuchAddress or
        NotTaken, with nothing written."""
        for name, value in self.LAYOUT.written(table, address, raws):
            setattr(self, name, value)
            self.values[name] = value

    def snapshot(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.KEPT}

    def restore(self, kept: dict[str, Any]) -> None:
        for name in self.KEPT:
            if name in kept:
                setattr(self, name, kept[name])

    def noisy(self, value: float, deviation: float, spike: float = 0.0) -> float:
        """`value` as a sensor shows it: with noise, and once in a while off by `spike`, up or down."""
        shown = value + deviation * self.rng.standard_normal()
        if spike and self.rng.random() < SPIKE_ODDS:
            shown += spike if self.rng.random() < 0.7 else -spike
        return float(shown)

    def happens(self, every_s: float, dt: float) -> bool:
        """Whether something that comes about once in `every_s` seconds comes in a step of `dt`."""
        return bool(self.rng.random() < dt / every_s)
