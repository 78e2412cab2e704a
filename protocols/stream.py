"""What every decoder of a byte stream says when it is asked for a frame too early."""

from enum import Enum
from typing import Final, Literal, TypeAlias


class _Need(Enum):
    NEED_DATA = "the frame at the head of the stream is not complete"


NEED_DATA: Final = _Need.NEED_DATA
NeedData: TypeAlias = Literal[_Need.NEED_DATA]
