"""What CJ/T 188 meters answer."""

from collections.abc import Mapping
from typing import Any

from protocols.cjt188.frame import ANY_TYPE, WILDCARD, Frame, FrameDecoder, encode_frame, is_address
from protocols.cjt188.messages import METERING, Control, Data, Refusal, parse_request, reply_frame
from protocols.errors import RemoteProtocolError
from protocols.sum_frames import SumDecoder
from sim_devices.cjt188.device import RecordDevice
from sim_devices.conversation import LineProtocol
from sim_devices.meters import MeterSlaves
from sim_devices.models.base import Unit


class Slaves(MeterSlaves[Frame, RecordDevice]):
    KIND = RecordDevice
    WILDCARD = WILDCARD

    def decoder(self) -> SumDecoder[Frame]:
        return FrameDecoder()

    def encode(self, frame: Frame) -> bytes:
        return encode_frame(frame)

    def reply(
        self, frame: Frame, unit: str, device: RecordDevice, refusal: int | None
    ) -> tuple[Frame, Mapping[str, Any] | None]:
        if frame.type not in (device.TYPE, ANY_TYPE):
            raise RemoteProtocolError(f"type {frame.type:02X} was asked, this meter is {device.TYPE:02X}")
        request = parse_request(frame)
        frame = frame._replace(type=device.TYPE, address=unit)
        if refusal is not None:
            return reply_frame(frame, Refusal(request.serial, bytes((refusal, 0)))), None
        if request.control is Control.READ_ADDRESS:
            return reply_frame(frame, Data(request.di, request.serial, b"")), None
        if request.di != METERING:
            return reply_frame(frame, Refusal(request.serial, bytes(2))), None
        data = device.record()
        said = {"di": f"{request.di:04X}", "data": data.hex().upper()}
        return reply_frame(frame, Data(request.di, request.serial, data)), said


def _unit(given: Unit) -> Unit:
    if not isinstance(given, str) or not is_address(given) or given == WILDCARD:
        raise ValueError(f"is to be 14 digits as text, not {given!r}")
    return given


PROTOCOL = LineProtocol(("serial-over-tcp", "pty"), _unit, Slaves)
