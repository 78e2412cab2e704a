"""Faults on demand: what a device does wrong, how often, until when; and what that makes of its answer. Pure."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np

from protocols.modbus.codes import ExceptionCode
from sim_devices import line_noise


class Kind(StrEnum):
    SILENT = "silent"
    SLOW = "slow"
    LATE = "late"
    NOISY = "noisy"
    WRONG_CRC = "wrong-crc"
    WRONG_UNIT = "wrong-unit"
    DUPLICATE = "duplicate"
    EXCEPTION = "exception"
    DISCONNECT = "disconnect"
    RINGING = "ringing"
    BIT_ERROR = "bit-error"
    COLLISION = "collision"
    HALF_SPEED = "half-speed"
    INVERTED = "inverted"


MEANING = {
    Kind.SILENT: "does not answer",
    Kind.SLOW: "answers after --delay (0.25 s), in time for a patient client",
    Kind.LATE: "answers after --delay (1.5 s), when the client has given up",
    Kind.NOISY: "sends garbage before and behind its answer",
    Kind.WRONG_CRC: "spoils the checksum; on Modbus TCP, which has none, the transaction number",
    Kind.WRONG_UNIT: "answers in the name of the next unit",
    Kind.DUPLICATE: "sends its answer twice",
    Kind.EXCEPTION: "refuses, on Modbus with the exception --code (4, server device failure)",
    Kind.DISCONNECT: "closes the connection; on a pty, the adapter is pulled out for --delay (0.5 s)",
    Kind.RINGING: "its line is not terminated: 00 and FF come behind the answer",
    Kind.BIT_ERROR: "one bit of the answer is turned over on the way",
    Kind.COLLISION: "another device of its address answers at the same time: what comes is neither's",
    Kind.HALF_SPEED: "answers at half the line's speed",
    Kind.INVERTED: "A and B are swapped: nothing is understood, and 00 comes",
}
_RINGS = (b"\x00", b"\xff", b"\x00\xff", b"\xfc\x00")
DELAYS = {Kind.SLOW: 0.25, Kind.LATE: 1.5, Kind.DISCONNECT: 0.5}


@dataclass(frozen=True)
class Fault:
    """`until` is monotonic time, None for good; `delay_s` None means the kind's own."""

    kind: Kind
    probability: float = 1.0
    until: float | None = None
    delay_s: float | None = None
    code: int = ExceptionCode.SERVER_DEVICE_FAILURE

    def __post_init__(self) -> None:
        if not 0.0 < self.probability <= 1.0:
            raise ValueError(f"a probability lies in 0..1 and is not 0; {self.probability:g} does not")
        if self.delay_s is not None and not 0.0 <= self.delay_s <= 3600.0:
            raise ValueError(f"a delay lies in 0..3600 s; {self.delay_s:g} does not")
        if not 1 <= self.code <= 255:
            raise ValueError(f"an exception code lies in 1..255; {self.code} does not")

    @property
    def delay(self) -> float:
        return DELAYS.get(self.kind, 0.0) if self.delay_s is None else self.delay_s


class Faults:
    """The faults in force, by device. A device may have several: at each request the first that strikes acts."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0xFA17])
        self._by_device: dict[str, list[Fault]] = {}

    def add(self, device: str, fault: Fault) -> None:
        """A second fault of one kind takes the first one's place."""
        others = [known for known in self._by_device.get(device, []) if known.kind != fault.kind]
        self._by_device[device] = [*others, fault]

    def clear(self, device: str | None = None) -> int:
        """Ends the faults of one device, or all; returns how many there were."""
        ended = [self._by_device.pop(device, [])] if device is not None else list(self._by_device.values())
        if device is None:
            self._by_device.clear()
        return sum(len(faults) for faults in ended)

    def of(self, device: str, now: float) -> list[Fault]:
        live = [fault for fault in self._by_device.get(device, []) if fault.until is None or now < fault.until]
        if device in self._by_device:
            self._by_device[device] = live
        return live

    def strike(self, device: str, now: float) -> Fault | None:
        for fault in self.of(device, now):
            if fault.probability >= 1.0 or self._rng.random() < fault.probability:
                return fault
        return None

    def choose(self, count: int) -> int:
        """A number from 0, below `count`."""
        return int(self._rng.integers(0, count))

    def garbage(self) -> bytes:
        return self._rng.integers(0, 256, int(self._rng.integers(1, 13)), dtype=np.uint8).tobytes()


class Answer(Protocol):
    """What a device has to say, as it goes over the line, and as a fault may make it go."""

    def whole(self) -> bytes: ...

    def spoiled(self) -> bytes:
        """With a checksum that the receiver must refuse."""
        ...

    def misaddressed(self) -> bytes:
        """In the name of another device."""
        ...


class Send(NamedTuple):
    """`data` goes out `after` seconds from now. `hang_up` instead takes the line away, for that long."""

    after: float
    data: bytes
    hang_up: bool = False


def heard(fault: Fault | None) -> bool:
    """Whether anything of an answer leaves the device."""
    return fault is None or fault.kind not in (Kind.SILENT, Kind.DISCONNECT, Kind.INVERTED)


def distort(fault: Fault | None, answer: Answer, faults: Faults) -> list[Send]:
    """What goes over the line instead of `answer`."""
    match fault:
        case None:
            return [Send(0.0, answer.whole())]
        case Fault(kind=Kind.SILENT):
            return []
        case Fault(kind=Kind.SLOW | Kind.LATE):
            return [Send(fault.delay, answer.whole())]
        case Fault(kind=Kind.NOISY):
            return [Send(0.0, faults.garbage() + answer.whole() + faults.garbage())]
        case Fault(kind=Kind.WRONG_CRC):
            return [Send(0.0, answer.spoiled())]
        case Fault(kind=Kind.WRONG_UNIT):
            return [Send(0.0, answer.misaddressed())]
        case Fault(kind=Kind.DUPLICATE):
            return [Send(0.0, answer.whole()), Send(0.0, answer.whole())]
        case Fault(kind=Kind.RINGING):
            return [Send(0.0, answer.whole() + _RINGS[faults.choose(len(_RINGS))])]
        case Fault(kind=Kind.BIT_ERROR):
            whole = answer.whole()
            return [Send(0.0, line_noise.turn_bit(whole, faults.choose(8 * len(whole))))]
        case Fault(kind=Kind.COLLISION):
            return [Send(0.0, line_noise.collide(answer.whole(), answer.misaddressed()))]
        case Fault(kind=Kind.HALF_SPEED):
            return [Send(0.0, line_noise.at_half_speed(answer.whole()))]
        case Fault(kind=Kind.INVERTED):
            return [Send(0.0, bytes(1 + faults.choose(3)))]
        case Fault(kind=Kind.DISCONNECT):
            return [Send(fault.delay, b"", hang_up=True)]
        case _:  # a refusal is an answer like any other: the device made it instead of its usual one
            return [Send(0.0, answer.whole())]


def lasting(fault: Fault, for_s: float | None, now: float) -> Fault:
    return fault if for_s is None else replace(fault, until=now + for_s)
