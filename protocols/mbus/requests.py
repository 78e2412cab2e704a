"""What a master sends (EN 13757-2, 5.7)."""

from protocols.mbus.codes import FCB, REQ_UD2, SECONDARY, SELECT, SND_NKE, SND_UD
from protocols.mbus.frame import LongFrame, ShortFrame
from protocols.mbus.header import Secondary


def initialise(address: int) -> ShortFrame:
    """SND_NKE, answered by E5: the meter forgets its FCB and begins with its first telegram again.

    To 253 it also ends any selection, and then nobody may answer.
    """
    return ShortFrame(SND_NKE, address)


def select(secondary: Secondary) -> LongFrame:
    """SND_UD to 253 with CI 52, answered by E5 of the meters that match; all others are deselected.

    The frame count bit begins anew with it, as after SND_NKE.
    """
    return LongFrame(SND_UD, SECONDARY, SELECT, secondary.encode())


def request_data(address: int, frame_count: bool) -> ShortFrame:
    """REQ_UD2. With the same `frame_count` as before a meter repeats its last telegram, with the other it sends the
    next; the first after an initialisation has it set."""
    return ShortFrame(REQ_UD2 | (FCB if frame_count else 0), address)
