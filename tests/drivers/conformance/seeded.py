"""Bugs to be caught, as changes to the driver that `hutong-sim new driver` makes. docs/conformance.md lists them."""

from typing import NamedTuple


class Bug(NamedTuple):
    """`changes` are made in `file` of the scaffold's package, old text to new; `check` must fail then."""

    name: str
    check: str
    file: str
    changes: dict[str, str]


BUGS = (
    Bug("takes a late reply", "late-replies", "codec.py", {
        """\
    if answer.number != request.number:
        return None
""": "",
    }),
    Bug("ignores the checksum", "corrupted-answers", "codec.py", {
        'if crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little"):': "if len(frame) == self._size:",
    }),
    Bug("ignores the unit", "wrong-unit", "codec.py", {
        """\
    if answer.unit != request.unit:
        raise RemoteProtocolError(f"unit {answer.unit} answered")
""": "",
    }),
    Bug("keeps a counter in f32", "counters", "model.py", {
        "from pathlib import Path": "import numpy\nfrom pathlib import Path",
        'int.from_bytes(raw, "big", signed=True)': 'int(numpy.float32(int.from_bytes(raw, "big", signed=True)))',
    }),
    Bug("swaps the words", "values", "model.py", {
        'int.from_bytes(raw, "big", signed=True)': 'int.from_bytes(raw[2:] + raw[:2], "big", signed=True)',
    }),
    Bug("takes the sentinel for a value", "sentinels", "model.py", {
        "import Limits,": "import Limits, Reading,",
        "entry.told.reading(index, number)": "Reading(index, number, 0)",
    }),
    Bug("waits for ever for the rest of a frame", "truncated-answers", "driver.py", {
        "lambda frame: judge(request, frame), timeout": "lambda frame: judge(request, frame), 3600.0",
    }),
    Bug("raises a bare ValueError", "wrong-unit", "codec.py", {
        'raise RemoteProtocolError(f"unit {answer.unit} answered")': 'raise ValueError("unit")',
    }),
    Bug("loses the line when a read is cancelled", "cancelled-read", "driver.py", {
        """\
        answer = await self._exchange.ask(
            self._of(unit), request.encode(), ANSWER_SIZE, lambda frame: judge(request, frame), timeout
        )
""": """\
        try:
            answer = await self._exchange.ask(
                self._of(unit), request.encode(), ANSWER_SIZE, lambda frame: judge(request, frame), timeout
            )
        except BaseException:
            await self.close()
            raise
""",
    }),
    Bug("answers from a stale buffer after a reconnect", "reconnect", "codec.py", {
        "self._buffer = bytearray()": 'self._buffer = getattr(self, "_buffer", bytearray())',
        "del self._buffer[:1]": "del self._buffer[: self._size]",
    }),
)  # fmt: skip

# One for each check that none of the ten is for.
MORE = (
    Bug("asks that a unit be above 0 before it asks whether it is a number", "description", "driver.py", {
        "return whole_unit(given, 1, 250)": "return given if given > 0 else whole_unit(given, 1, 250)",
    }),
    Bug("decodes whatever length it is given", "decode-any-bytes", "model.py", {
        "if len(raw) != SIZE:": "if not raw:",
    }),
    Bug("keeps only the last piece of an answer", "split-answers", "codec.py", {
        "self._buffer += data": "self._buffer = bytearray(data)",
    }),
    Bug("looks for a frame behind noise, and not whether it is one", "noise", "codec.py", {
        'if crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little"):': "if frame:",
    }),
    Bug("takes any eleven bytes for an answer", "random-bytes", "codec.py", {
        'if crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little"):': "if frame:",
    }),
    Bug("takes a refusal for a value", "refusals", "driver.py", {"if answer.status:": "if answer.status > 250:"}),
    Bug("keeps the second of two equal answers for the next request", "duplicate-replies", "codec.py", {
        """\
        while (start := self._buffer.find(START)) >= 0:
""": """\
        if getattr(self, "_gave", False):
            self._gave = False
            return NEED_DATA
        while (start := self._buffer.find(START)) >= 0:
""",
        "return self._parse(frame)": "self._gave = True\n                return self._parse(frame)",
        "self._buffer = bytearray()": 'self._buffer = getattr(self, "_buffer", bytearray())',
        "if answer.number != request.number:": "if answer.number > request.number:",
        "if answer.item != request.item:": "if answer.item > 250:",
    }),
    Bug("has a timeout of its own", "slow-peer", "driver.py", {
        "lambda frame: judge(request, frame), timeout": "lambda frame: judge(request, frame), min(timeout, 0.2)",
    }),
    Bug("tries again for as long as there is nonsense", "babbling-line", "driver.py", {
        """\
        answer = await self._exchange.ask(
            self._of(unit), request.encode(), ANSWER_SIZE, lambda frame: judge(request, frame), timeout
        )
""": """\
        while True:
            try:
                answer = await self._exchange.ask(
                    self._of(unit), request.encode(), ANSWER_SIZE, lambda frame: judge(request, frame), timeout
                )
                break
            except Nonsense:
                continue
""",
        "Model, NotSent,": "Model, Nonsense, NotSent,",
    }),
    Bug("does not say on which line", "half-open", "driver.py", {
        'return f"{self.where} unit {unit}"': 'return f"unit {unit}"',
    }),
    Bug("cannot be asked before it is open", "not-open", "driver.py", {
        "        self._number = (self._number": "        if not getattr(self, '_opened', False):\n"
        "            raise RuntimeError('open me first')\n        self._number = (self._number",
        "        await self._exchange.open()": "        await self._exchange.open()\n        self._opened = True",
    }),
    Bug("says that it has written what it cannot write", "read-only", "driver.py", {
        'raise NotSent(f"{self._of(unit)}: {model.channels[channel].name} cannot be written; nothing was sent")':
        "return Reading(channel, int(value), 0)",
    }),
)  # fmt: skip
