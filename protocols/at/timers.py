"""The timers of power saving as AT+CPSMS writes them: three bits of unit, five of count (3GPP TS 24.008).

T3412 extended (how often the module reports to its network) is GPRS timer 3, 10.5.7.4a; T3324 (how long it stays
reachable behind each report) is GPRS timer 2, 10.5.7.3. They give the same bits different units.
"""

from collections.abc import Mapping

from protocols.errors import LocalProtocolError, RemoteProtocolError

HOUR, MINUTE = 3600, 60
_DEACTIVATED = 0b111
# Unit bits to seconds.
T3412_UNITS: Mapping[int, int] = {
    0b000: 10 * MINUTE,
    0b001: HOUR,
    0b010: 10 * HOUR,
    0b011: 2,
    0b100: 30,
    0b101: MINUTE,
    0b110: 320 * HOUR,
}
T3324_UNITS: Mapping[int, int] = {0b000: 2, 0b001: MINUTE, 0b010: 6 * MINUTE}
_OTHER_T3324 = MINUTE  # 10.5.7.3: other units are interpreted as multiples of a minute


def encode_t3412(seconds: int) -> str:
    """The shortest timer that is no shorter. Raises LocalProtocolError beyond 31 x 320 h."""
    return _encode(seconds, T3412_UNITS, "T3412")


def encode_t3324(seconds: int) -> str:
    """The shortest timer that is no shorter. Raises LocalProtocolError beyond 31 x 6 min."""
    return _encode(seconds, T3324_UNITS, "T3324")


def decode_t3412(bits: str) -> int | None:
    """Seconds; None where the timer is deactivated. Raises RemoteProtocolError."""
    unit, count = _split(bits, "T3412")
    return None if unit == _DEACTIVATED else count * T3412_UNITS[unit]


def decode_t3324(bits: str) -> int | None:
    """Seconds; None where the timer is deactivated. Raises RemoteProtocolError."""
    unit, count = _split(bits, "T3324")
    return None if unit == _DEACTIVATED else count * T3324_UNITS.get(unit, _OTHER_T3324)


def _encode(seconds: int, units: Mapping[int, int], name: str) -> str:
    fitting = [(-(-seconds // size) * size, size, unit) for unit, size in units.items() if seconds <= 31 * size]
    if seconds < 0 or not fitting:
        raise LocalProtocolError(f"{name} lies in 0..{31 * max(units.values())} s; {seconds} s does not")
    length, size, unit = min(fitting)
    return f"{unit:03b}{length // size:05b}"


def _split(bits: str, name: str) -> tuple[int, int]:
    if len(bits) != 8 or set(bits) - {"0", "1"}:
        raise RemoteProtocolError(f"{name} is eight binary digits, not {bits[:40]!r}")
    return int(bits[:3], 2), int(bits[3:], 2)
