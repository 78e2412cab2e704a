"""When something happened, as DL/T 645-2007 writes it (appendix A)."""

from datetime import datetime

from protocols.bcd import decode_bcd, is_absent
from protocols.errors import RemoteProtocolError

CENTURY = 2000


def decode_time(data: bytes) -> datetime | None:
    """YYMMDDhhmm or YYMMDDhhmmss, on the wire the other way round; in the meter's local time. None where all is FF, or
    all is 0: an event that never was. Raises RemoteProtocolError for what is no date.
    """
    if len(data) not in (5, 6):
        raise RemoteProtocolError(f"{data.hex(' ') or 'nothing'} is not a time of 5 or 6 bytes")
    if is_absent(data) or not any(data):
        return None
    parts = [decode_bcd(bytes((byte,))) for byte in reversed(data)]
    year, month, day, hour, minute, second = (*parts, 0)[:6]
    try:
        return datetime(CENTURY + year, month, day, hour, minute, second)  # noqa: DTZ001 - a meter says no zone
    except ValueError as error:
        raise RemoteProtocolError(f"{data.hex(' ')} is no time: {error}") from None
