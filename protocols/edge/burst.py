"""What a burst carries: samples around a moment, as they were read (docs/protocols/edge.md, section 6).

One group of columns as in a batch, but its axis counts microseconds: a waveform may be faster than a millisecond.
"""

from dataclasses import dataclass
from enum import IntEnum

from protocols.edge.cbor import Fields, is_whole
from protocols.edge.columns import Group, decode_group, encode_groups
from protocols.edge.limits import HASH_BYTES, MAX_TIME_MS
from protocols.errors import LocalProtocolError, RemoteProtocolError

ID_BYTES = 16
MAX_TEXT = 64
MAX_TIME_US = 1000 * MAX_TIME_MS
MAX_AXIS_US = 2**31 - 1  # an axis is i32: 35 min
MAX_PERIOD_US = 86_400_000_000
MAX_COLUMNS = 16
MAX_PARTS = 1024


class Ending(IntEnum):
    """Why the last sample is the last."""

    WHOLE = 0  # all that was asked for was waited for
    CONFIGURATION = 1  # the gateway took another configuration meanwhile
    STOPPED = 2  # the gateway was stopped


@dataclass(frozen=True, eq=False)
class Waveform:
    """`group` has the samples of one device on an axis of microseconds after `t0`, which is UTC in microseconds.

    `birth` is the hash of the description that the aliases belong to. All bursts of one firing share `capture`; where
    one device's samples are too many for one message, they are `parts`, with the same t0, and this is number `part`,
    from 1. `rule` fired `fired` us after t0. `period` is the device's, in us: a sample that was not read, and has no
    quality that says why, shows as a hole in the axis.
    """

    birth: bytes
    t0: int
    group: Group
    capture: bytes
    rule: str
    fired: int
    period: int
    part: int = 1
    parts: int = 1
    ending: Ending = Ending.WHOLE


def encode_waveform(waveform: Waveform) -> dict[int, object]:
    """Fields 7 to 15 of a burst. Raises LocalProtocolError for what the contract does not allow."""
    if not 0 < len(waveform.group.columns) <= MAX_COLUMNS:
        raise LocalProtocolError(f"a burst has 1 to {MAX_COLUMNS} columns, not {len(waveform.group.columns)}")
    return {
        7: waveform.birth,
        8: waveform.t0,
        9: encode_groups((waveform.group,))[0],
        10: waveform.capture,
        11: waveform.rule,
        12: waveform.fired,
        13: waveform.period,
        14: [waveform.part, waveform.parts],
        15: int(waveform.ending),
    }


def decode_waveform(fields: Fields) -> Waveform:
    group = decode_group(fields.raw(9))
    if len(group.columns) > MAX_COLUMNS:
        raise RemoteProtocolError(f"a burst of {len(group.columns)} columns; it has at most {MAX_COLUMNS}")
    match fields.raw(14):
        case [part, parts] if is_whole(parts, 1, MAX_PARTS) and is_whole(part, 1, parts):
            pass
        case _:
            raise RemoteProtocolError(f"a burst's part is [number, how many], at most {MAX_PARTS}")
    return Waveform(
        birth=fields.octets(7, HASH_BYTES),
        t0=fields.integer(8, 0, MAX_TIME_US),
        group=group,
        capture=fields.octets(10, ID_BYTES),
        rule=fields.text(11, MAX_TEXT),
        fired=fields.integer(12, -MAX_AXIS_US, MAX_AXIS_US),
        period=fields.integer(13, 1, MAX_PERIOD_US),
        part=part,
        parts=parts,
        ending=Ending(fields.integer(15, 0, max(Ending))),
    )
