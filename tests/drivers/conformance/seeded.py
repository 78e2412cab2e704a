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
