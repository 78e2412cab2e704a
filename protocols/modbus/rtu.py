"""Modbus RTU (Modbus over serial line 1.02, section 2.5.1), on a serial line or inside a TCP stream.

RTU marks its frames by silence, which neither a USB adapter nor a terminal server keeps. So the decoders measure
frames by their function code, prove them by CRC and, where that fails, slide on byte by byte. Silence is a hint
that the caller may give with `line_idle`.
"""

from collections import deque
from collections.abc import Callable, Container
from enum import Enum

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.modbus.codes import EXCEPTION_BIT
from protocols.modbus.crc import crc16
from protocols.modbus.frame import NEED_DATA, Frame, NeedData
from protocols.modbus.pdu import MAX_PDU

MAX_ADU = 256
MIN_ADU = 4  # unit, function, CRC
IDLE_CHARS = 3.5  # 2.5.1.1
IDLE_ABOVE_19200_S = 0.00175  # 2.5.1.1: fixed for faster lines


def encode_rtu(frame: Frame) -> bytes:
    # Units 248..255 are reserved by 2.2, yet there are devices that use them; the owner of the line decides.
    if not (1 <= len(frame.pdu) <= MAX_PDU and 0 <= frame.unit <= 0xFF):
        raise LocalProtocolError(f"unit {frame.unit} with a PDU of {len(frame.pdu)} bytes is no RTU frame")
    body = bytes((frame.unit,)) + frame.pdu
    return body + crc16(body).to_bytes(2, "little")


def char_time(baud: int, parity: str, stop_bits: float) -> float:
    """Seconds a character takes on the line: start bit, 8 data bits, parity, stop bits."""
    return (9 + (parity != "N") + stop_bits) / baud


def idle_time(baud: int) -> float:
    """Seconds of silence that part two frames (2.5.1.1), with the 11 bits a character that the clause counts."""
    return IDLE_ABOVE_19200_S if baud > 19200 else IDLE_CHARS * 11 / baud


class _Length(Enum):
    OPEN = "the bytes that tell the length are not here yet"
    UNKNOWN = "a function whose length is not known"
    IMPOSSIBLE = "no frame begins so"


Measure = Callable[[bytearray], int | _Length]


def _fixed(length: int) -> Measure:
    return lambda _: length


def _counted(at: int, lowest: int, highest: int, step: int = 1) -> Measure:
    """A frame whose byte count stands at index `at`, before the data it counts and the CRC."""
    allowed = frozenset(range(lowest, highest + 1, step))

    def measure(adu: bytearray) -> int | _Length:
        if len(adu) <= at:
            return _Length.OPEN
        return at + 1 + adu[at] + 2 if adu[at] in allowed else _Length.IMPOSSIBLE

    return measure


def _fifo(adu: bytearray) -> int | _Length:
    """18 read FIFO queue: a 16-bit byte count, of a count and at most 31 registers (6.18)."""
    if len(adu) < 4:
        return _Length.OPEN
    count = adu[2] << 8 | adu[3]
    return 4 + count + 2 if 2 <= count <= 64 and count % 2 == 0 else _Length.IMPOSSIBLE


# Whole ADUs by function code. Functions that we do not serve are here too: a neighbour on the line may, and a server
# must know where a request ends to refuse it. 2B has no length of its own and counts as unknown.
_REQUEST_LENGTHS: dict[int, Measure] = {
    **{function: _fixed(8) for function in (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x08)},
    **{function: _fixed(4) for function in (0x07, 0x0B, 0x0C, 0x11)},
    0x0F: _counted(6, 1, 246),
    0x10: _counted(6, 2, 246, 2),
    0x14: _counted(2, 7, 245),
    0x15: _counted(2, 9, 251),
    0x16: _fixed(10),
    0x17: _counted(10, 2, 242, 2),
    0x18: _fixed(6),
}
_RESPONSE_LENGTHS: dict[int, Measure] = {
    **{function: _counted(2, 1, 250) for function in (0x01, 0x02)},
    **{function: _counted(2, 2, 250, 2) for function in (0x03, 0x04, 0x17)},
    **{function: _fixed(8) for function in (0x05, 0x06, 0x08, 0x0B, 0x0F, 0x10)},
    0x07: _fixed(5),
    0x0C: _counted(2, 6, 251),
    0x11: _counted(2, 1, 251),
    0x14: _counted(2, 2, 251),
    0x15: _counted(2, 2, 251),
    0x16: _fixed(10),
    0x18: _fifo,
}
_EXCEPTION_LENGTH = 5


class _RtuDecoder:
    """A byte stream cut into bursts by `line_idle`; frames are looked for inside a burst, never across two.

    At the head of a burst, and behind a good frame, any frame with a good CRC is taken. Behind noise a chance match
    has odds of 2**-16 for every byte, so there a frame must also be one that `_believes` expects.

    `next_frame` raises RemoteProtocolError once for a burst that ended (by silence) and held no frame at all. At most
    one frame's length of undecided bytes is kept. `skipped` counts the bytes given up since the beginning.
    """

    _lengths: dict[int, Measure]

    def __init__(self) -> None:
        self.skipped = 0
        self._begin()

    def _begin(self) -> None:
        self._bursts: deque[bytearray] = deque((bytearray(),))
        self._aligned = True
        self._frames = 0
        self._fault = ""

    def receive_data(self, data: bytes) -> None:
        self._bursts[-1] += data

    def line_idle(self) -> None:
        """The line has been silent: what was received so far will not be continued."""
        if self._bursts[-1] or self._fault:
            self._bursts.append(bytearray())

    def next_frame(self) -> Frame | NeedData:
        while True:
            burst = self._bursts[0]
            ended = len(self._bursts) > 1
            length = self._measure(burst, ended)
            if length is _Length.OPEN:
                if not ended:
                    return NEED_DATA
                self._end_burst(burst)
                continue
            if isinstance(length, int) and self._proven(burst, length):
                adu = bytes(burst[:length])
                del burst[:length]
                self._aligned = True
                self._frames += 1
                self._fault = ""
                return Frame(adu[0], adu[1:-2])
            self._slide(burst)

    def _measure(self, burst: bytearray, ended: bool) -> int | _Length:
        """The length of the frame at the head; one that silence cut short is IMPOSSIBLE."""
        if len(burst) < MIN_ADU:
            return _Length.OPEN
        length = self._length(burst)
        if length is _Length.UNKNOWN:
            # Only silence can end it, and then it is the whole burst.
            if not self._aligned or len(burst) > MAX_ADU:
                return _Length.IMPOSSIBLE
            return len(burst) if ended else _Length.OPEN
        if length is _Length.OPEN or (isinstance(length, int) and len(burst) < length):
            if not ended:
                return _Length.OPEN
            self._blame(f"unit {burst[0]}: {len(burst)} bytes of a frame, then silence ({burst[:8].hex(' ')})")
            return _Length.IMPOSSIBLE
        return length

    def _length(self, burst: bytearray) -> int | _Length:
        function = burst[1]
        measure = self._lengths.get(function)
        if measure is not None:
            return measure(burst)
        return _Length.UNKNOWN if 0 < function < EXCEPTION_BIT else _Length.IMPOSSIBLE

    def _proven(self, burst: bytearray, length: int) -> bool:
        got = int.from_bytes(burst[length - 2 : length], "little")
        computed = crc16(burst[: length - 2])
        if got != computed:
            self._blame(f"unit {burst[0]}: CRC {got:#06x}, computed {computed:#06x}")
            return False
        return self._aligned or self._believes(burst)

    def _believes(self, adu: bytearray) -> bool:
        raise NotImplementedError

    def _blame(self, fault: str) -> None:
        """The first fault of a burst is its cause; those found while sliding are its echo."""
        self._fault = self._fault or fault

    def _slide(self, burst: bytearray) -> None:
        self._blame(f"noise: {burst[:MIN_ADU].hex(' ')}")
        del burst[0]
        self.skipped += 1
        self._aligned = False

    def _end_burst(self, burst: bytearray) -> None:
        """Leaves a burst that silence ended and in whose rest (under MIN_ADU bytes) no frame can be."""
        if burst:
            self._blame(f"noise: {burst.hex(' ')}")
        self.skipped += len(burst)
        fault, frames = self._fault, self._frames
        self._bursts.popleft()
        self._aligned, self._frames, self._fault = True, 0, ""
        if fault and not frames:
            raise RemoteProtocolError(fault)


class RtuRequestDecoder(_RtuDecoder):
    """A server's ears. On a shared line it also hears the others' responses, which it takes for noise.

    `units`, when given, are those it answers for: only their requests are believed behind noise.
    """

    _lengths = _REQUEST_LENGTHS

    def __init__(self, units: Container[int] | None = None) -> None:
        super().__init__()
        self._units = units

    def _believes(self, adu: bytearray) -> bool:
        return self._units is None or adu[0] in self._units


class RtuResponseDecoder(_RtuDecoder):
    """A client's ears. `expect` tells what is asked now: only an answer to that is believed behind noise.

    It also drops whatever came before: that cannot be the answer to a request which is still to be sent.
    """

    _lengths = _RESPONSE_LENGTHS

    def __init__(self) -> None:
        super().__init__()
        self._expected: tuple[int, int] | None = None

    def expect(self, unit: int, function: int) -> None:
        self._expected = (unit, function)
        self.forget()

    def forget(self) -> None:
        """Drops all that came before; what is expected stays so."""
        self.skipped += sum(map(len, self._bursts))
        self._begin()

    def _length(self, burst: bytearray) -> int | _Length:
        if burst[1] & EXCEPTION_BIT:
            return _EXCEPTION_LENGTH
        length = super()._length(burst)
        # A client asks for nothing whose answer it cannot measure, so there is nothing to wait for.
        return _Length.IMPOSSIBLE if length is _Length.UNKNOWN else length

    def _believes(self, adu: bytearray) -> bool:
        return self._expected is None or self._expected == (adu[0], adu[1] & ~EXCEPTION_BIT)
