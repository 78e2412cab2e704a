"""What DL/T 645 meters answer."""

from collections.abc import Mapping
from typing import Any

from protocols.dlt645.frame import WILDCARD, Frame, FrameDecoder, encode_frame, is_address
from protocols.dlt645.messages import Address, Data, Failure, ReadAddress, ReadNext, Refusal, parse_request, reply_frame
from protocols.sum_frames import SumDecoder
from sim_devices.conversation import LineProtocol
from sim_devices.dlt645.device import MOST_IN_FRAME, DataDevice, NoSuchData
from sim_devices.meters import MeterSlaves
from sim_devices.models.base import Unit


class Slaves(MeterSlaves[Frame, DataDevice]):
    KIND = DataDevice
    WILDCARD = WILDCARD

    def decoder(self) -> SumDecoder[Frame]:
        return FrameDecoder()

    def encode(self, frame: Frame) -> bytes:
        return encode_frame(frame)

    def reply(
        self, frame: Frame, unit: str, device: DataDevice, refusal: int | None
    ) -> tuple[Frame, Mapping[str, Any] | None]:
        request = parse_request(frame)
        frame = frame._replace(address=unit)
        if refusal is not None:
            return reply_frame(frame, Refusal(refusal)), None
        if isinstance(request, ReadAddress):
            return reply_frame(frame, Address(unit)), None
        try:
            data = device.read(request.di)
        except NoSuchData:
            return reply_frame(frame, Refusal(Failure.NO_SUCH_DATA)), None
        sequence = request.sequence if isinstance(request, ReadNext) else None
        begin = MOST_IN_FRAME * (sequence or 0)
        part = data[begin : begin + MOST_IN_FRAME]
        if not part:
            return reply_frame(frame, Refusal(Failure.NO_SUCH_DATA)), None
        more = begin + MOST_IN_FRAME < len(data)
        said = {"di": f"{request.di:08X}", "data": part.hex().upper()}
        return reply_frame(frame, Data(request.di, part, more), sequence), said


def _unit(given: Unit) -> Unit:
    if not isinstance(given, str) or not is_address(given) or not given.isdigit():
        raise ValueError(f"is to be 12 digits as text, not {given!r}")
    return given


PROTOCOL = LineProtocol(("serial-over-tcp", "pty"), _unit, Slaves)
