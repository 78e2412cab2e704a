"""Looking for devices that nobody configured: what to ask, and what an answer means. Pure: requests out, bytes in.

`search` is a generator: it yields Questions and is sent all bytes that came, so that whoever has the line decides when
each is asked.
"""

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from agent.bus import planner
from agent.diagnosis.frames import SERIAL, WAKES, Burst, Part, Reader, family_of
from drivers.base import Readings

FAMILIES = tuple(SERIAL)  # that may share a serial line
TRANSACTION = 0x5343  # of our questions on Modbus TCP: the line's own count from 0
MODBUS_UNITS = range(1, 248)  # Modbus over serial line 1.02, 2.2
LIKELY_UNITS = (*range(1, 11), 247)  # asked first where the speed is not known either
MBUS_UNITS = range(251)
CJT188_TEMPLATES = {0x1: "water_meter", 0x2: "heat_meter", 0x3: "gas_meter"}  # by the type's higher half
MBUS_TEMPLATES = {
    **dict.fromkeys((0x02,), "mbus_electricity_meter"),
    **dict.fromkeys((0x03,), "mbus_gas_meter"),
    **dict.fromkeys((0x04, 0x0A, 0x0B, 0x0C, 0x0D), "mbus_heat_meter"),
    **dict.fromkeys((0x06, 0x07, 0x15, 0x16, 0x17), "mbus_water_meter"),
}
PHASE_B = 0x02010200  # DL/T 645: its voltage, which only meters of three phases have
MOST_PROPOSED = 3
ABSENT = "refused: gateway"  # codes 0A and 0B: a gateway says so of a unit that is not there


class Question(NamedTuple):
    """`longest` is how many bytes an answer may have."""

    family: str
    unit: str
    request: bytes
    longest: int = 64


class Found(NamedTuple):
    """`templates` are those that fit, the best first; `words` what it said."""

    family: str
    unit: str
    words: str
    templates: tuple[str, ...] = ()
    settings: str = ""


Asking: TypeAlias = Generator[Question, bytes, None]


@dataclass
class Search:
    """`known` are the units that are configured; nobody asks them. `doubts` are answers that hold no frame."""

    driver: str
    families: Sequence[str]
    known: Collection[str] = ()
    quick: bool = False  # only the addresses that are likely
    settings: str = ""  # of the line, where it is not asked at its own
    found: list[Found] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    asked: int = 0

    @property
    def total(self) -> int:
        """How many questions, but for those that a device that was found is asked beside."""
        return sum(len(list(ADDRESSES[family](self.quick))) for family in self.families)

    def run(self) -> Asking:
        for family in self.families:
            for unit in ADDRESSES[family](self.quick):
                self.asked += 1
                if unit in self.known:
                    continue
                yield from self._ask(family, unit)

    def _ask(self, family: str, unit: str) -> Asking:
        question = ASK[family](self.driver, unit)
        reply = yield question
        parts = read(question, reply)
        good = [part for part in parts if part.good and part.words != WAKES]
        if not good:
            if reply.strip(b"\x00\xff"):
                self.doubts.append(f"{family} {unit}: {reply[:16].hex(' ')}: bytes, but no frame; do several answer?")
            return
        if ABSENT in good[0].words:
            return
        name = good[0].unit or unit
        if name in self.known or any((one.family, one.unit) == (family, name) for one in self.found):
            return
        templates: list[str] = []
        yield from IDENTIFY[family](self.driver, name, good[0], templates)
        self.found.append(Found(family, name, good[0].words, tuple(templates), self.settings))


def read(question: Question, reply: bytes) -> list[Part]:
    reader = Reader(question.family)
    reader.read(Burst(0, 0, True, question.request))
    return reader.read(Burst(1, 1, False, reply)) if reply else []


def is_answer(question: Question, data: bytes) -> bool:
    """Whether a whole frame stands in what came so far."""
    return any(part.good and part.words != WAKES for part in read(question, data))


def _modbus(driver: str, unit: str, pdu: bytes, longest: int) -> Question:
    from protocols.modbus.frame import Frame
    from protocols.modbus.rtu import encode_rtu
    from protocols.modbus.tcp import encode_tcp

    if driver == "modbus-tcp":
        return Question("modbus-tcp", unit, encode_tcp(Frame(int(unit), pdu, TRANSACTION)), longest)
    return Question("modbus-rtu", unit, encode_rtu(Frame(int(unit), pdu)), longest)


def _ask_modbus(driver: str, unit: str) -> Question:
    from protocols.modbus.codes import Function
    from protocols.modbus.pdu import ReadRegisters

    # A refusal is an answer: whatever a device has, it must answer this.
    return _modbus(driver, unit, ReadRegisters(Function.READ_HOLDING_REGISTERS, 0, 1).encode(), 7)


def _ask_dlt645(_: str, unit: str) -> Question:
    from protocols.dlt645.frame import encode_frame
    from protocols.dlt645.messages import ReadAddress

    return Question("dlt645", unit, encode_frame(ReadAddress().frame(unit)), 24)


def _ask_cjt188(_: str, unit: str) -> Question:
    from protocols.cjt188.frame import ANY_TYPE, encode_frame
    from protocols.cjt188.messages import METERING, Read

    return Question("cjt188", unit, encode_frame(Read(METERING, 0).frame(ANY_TYPE, unit)), 120)


def _ask_mbus(_: str, unit: str) -> Question:
    from protocols.mbus.frame import encode_frame
    from protocols.mbus.requests import initialise

    return Question("mbus", unit, encode_frame(initialise(int(unit))), 1)


def _modbus_units(quick: bool) -> Iterator[str]:
    return map(str, LIKELY_UNITS if quick else MODBUS_UNITS)


def _wildcard(digits: int) -> Callable[[bool], Iterator[str]]:
    return lambda _: iter(("AA" * (digits // 2),))


def _mbus_units(quick: bool) -> Iterator[str]:
    return map(str, (0, 1, 2, 254) if quick else MBUS_UNITS)


ADDRESSES: dict[str, Callable[[bool], Iterator[str]]] = {
    "modbus-rtu": _modbus_units,
    "modbus-tcp": _modbus_units,
    "dlt645": _wildcard(12),
    "cjt188": _wildcard(14),
    "mbus": _mbus_units,
}
ASK: dict[str, Callable[[str, str], Question]] = {
    "modbus-rtu": _ask_modbus,
    "modbus-tcp": _ask_modbus,
    "dlt645": _ask_dlt645,
    "cjt188": _ask_cjt188,
    "mbus": _ask_mbus,
}


def _identify_modbus(driver: str, unit: str, _: Part, templates: list[str]) -> Asking:
    """The templates of which the device gives every span, with values that are plausible; the largest first."""
    from drivers.modbus.template import load_model, template_names

    fitting: list[tuple[int, str]] = []
    answers: dict[Any, bytes | None] = {}
    for name in template_names():
        model = load_model(name)
        values = 0
        for request in planner.plan(model.points, model.limits):
            span = request.span
            if span not in answers:
                question = _read_span(driver, unit, span)
                answers[span] = _data(question, (yield question))
            data = answers[span]
            readings = None if data is None else model.decode(span, data)
            if readings is None or not _plausible(model, readings):
                break
            values += len(readings) - readings.values.count(None)
        else:
            fitting.append((values, name))
    templates += [name for _, name in sorted(fitting, reverse=True)[:MOST_PROPOSED]]


def _read_span(driver: str, unit: str, span: Any) -> Question:
    from drivers.modbus.registers import READ_FUNCTIONS, Table
    from protocols.modbus.pdu import ReadBits, ReadRegisters

    table = Table(span.space)
    kind = ReadBits if table.is_bits else ReadRegisters
    return _modbus(driver, unit, kind(READ_FUNCTIONS[table], span.address, span.length).encode(), 9 + 2 * span.length)


def _data(question: Question, reply: bytes) -> bytes | None:
    """The data of the answer to a read; None for a refusal, and for none."""
    own = [part for part in read(question, reply) if part.good and part.words.startswith("= ")]
    if not own:
        return None
    head, tail = (9, 0) if question.family == "modbus-tcp" else (3, 2)
    data = own[0].data
    return data[head : len(data) - tail]


def _plausible(model: Any, readings: Readings) -> bool:
    for reading in readings:
        channel = model.channels[reading.channel]
        if reading.value is None or channel.limits is None:
            continue
        low, high = channel.limits
        value = reading.value * 10.0**channel.scale
        if not float(low) <= value <= float(high):
            return False
    return True


def _identify_dlt645(_: str, unit: str, __: Part, templates: list[str]) -> Asking:
    from protocols.dlt645.frame import encode_frame
    from protocols.dlt645.messages import ReadData

    question = Question("dlt645", unit, encode_frame(ReadData(PHASE_B).frame(unit)))
    parts = read(question, (yield question))
    three = any(part.good and part.unit and " = " in part.words for part in parts)
    templates.append("dlt645_meter_3p" if three else "dlt645_meter_1p")


def _identify_cjt188(_: str, __: str, part: Part, templates: list[str]) -> Asking:
    from protocols.sum_frames import START

    kind = part.data[part.data.index(START) + 1]
    if template := CJT188_TEMPLATES.get(kind >> 4):
        templates.append(template)
    yield from ()


def _identify_mbus(_: str, unit: str, __: Part, templates: list[str]) -> Asking:
    from protocols.mbus.frame import encode_frame
    from protocols.mbus.requests import request_data

    question = Question("mbus", unit, encode_frame(request_data(int(unit), True)), 261)
    for part in read(question, (yield question)):
        _, found, rest = part.words.partition("medium ")
        if found and (template := MBUS_TEMPLATES.get(int(rest[:2], 16))):
            templates.append(template)


IDENTIFY: dict[str, Callable[[str, str, Part, list[str]], Asking]] = {
    "modbus-rtu": _identify_modbus,
    "modbus-tcp": _identify_modbus,
    "dlt645": _identify_dlt645,
    "cjt188": _identify_cjt188,
    "mbus": _identify_mbus,
}


def families_on(driver: str) -> tuple[str, ...]:
    """Those that may be met on the line of a bus, its own first; none where no question is known."""
    own = family_of(driver)
    if own not in ADDRESSES:
        return ()
    return (own, *(family for family in FAMILIES if family != own)) if own in FAMILIES else (own,)


def snippet(found: Found, driver: str) -> str:
    """What to add to the bus, in TOML. The code is to be the fleet's."""
    numeric = found.unit.isdigit() and found.family in ("modbus-rtu", "modbus-tcp", "mbus")
    lines = ["[[bus.device]]", 'code = ""  # from the fleet\'s console: Codes', f'name = "{found.family} {found.unit}"']
    if found.templates:
        others = f"  # or {', '.join(found.templates[1:])}" if len(found.templates) > 1 else ""
        lines.append(f'model = "{found.templates[0]}"{others}')
    else:
        lines.append('model = ""  # no template fits; docs/tutorials/template-from-a-register-list.md makes one')
    lines.append(f"unit = {found.unit}" if numeric else f'unit = "{found.unit}"')
    if found.family != family_of(driver):
        tail = "-over-tcp" if driver.endswith("-over-tcp") else ""
        lines.append(f'driver = "{found.family}{tail}"')
    return "\n".join(lines)
