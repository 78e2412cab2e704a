"""What all simulated devices are: values that a step in simulated time renews, in a world they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from sim_devices.physics.compartment import Compartment
from sim_devices.physics.mains import Mains
from sim_devices.physics.weather import Sky

Value: TypeAlias = float | int | bool | None
Unit: TypeAlias = int | str

SPIKE_ODDS = 1.0 / 300.0  # of a reading, for channels whose electronics are cheap: for despiking filters to remove


@dataclass(frozen=True)
class Options:
    """Where a device stands among the others, and its size. What a model does not need it does not look at.

    `circuit` names the supply that its load is on ("feeder-1/pole-03"); a meter there sees it, and so does one at
    "feeder-1". `section` names a tunnel's compartment. `wear` (0..1) makes failures likelier.
    `counter` is what a meter that rolls over shows at first, in its last digit.
    """

    circuit: str = ""
    phase: int = 0
    section: str = ""
    rated_w: float = 0.0
    base_w: float = 0.0
    wear: float = 0.1
    counter: int | None = None

    def begin(self, otherwise: int) -> int:
        """What a meter's main counter shows at first, in its last digit."""
        return otherwise if self.counter is None else self.counter


@dataclass(frozen=True)
class Moment:
    """What is around at a step: Unix time in seconds, the length of the step (0 for the first), the sky."""

    seconds: float
    dt: float
    sky: Sky


class Device:
    """Subclasses say which PROTOCOL of sim_devices.lines they speak, and their RANK; they renew `values` in `step`, and
    name in KEPT what outlives a restart.

    Lower ranks step first: loads, then the air they move, then the meters that add them up.
    """

    MODEL: ClassVar[str]
    PROTOCOL: ClassVar[str]
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
