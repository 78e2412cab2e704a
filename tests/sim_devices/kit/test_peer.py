from drivers.conformance import Act
from protocols.modbus.crc import crc16
from sim_devices.faults import Kind
from sim_devices.kit.peer import HONEST, Simulated, standing_still
from sim_devices.modbus.session import PROTOCOL
from sim_devices.models.catalog import BUILTIN


def sealed(body: str) -> bytes:
    frame = bytes.fromhex(body)
    return frame + crc16(frame).to_bytes(2, "little")


FAN = standing_still(BUILTIN["fan"], {"running": True, "fault": False, "speed": 1440, "vibration": 2.5,
                                      "motor_temperature": 61.5, "speed_setpoint": 50, "start": True})  # fmt: skip
PEER = Simulated(PROTOCOL, "rtu-over-tcp", {9: FAN})
SPEED = sealed("09 04 00 00 00 01")


def test_a_device_that_stands_still_answers_the_same_however_often_it_is_asked() -> None:
    hear = PEER.begin(HONEST)
    assert [hear(SPEED), hear(SPEED)] == [sealed("09 04 02 05 a0")] * 2


def test_it_answers_when_the_request_is_whole() -> None:
    hear = PEER.begin(HONEST)
    assert [hear(bytes((byte,))) for byte in SPEED[:-1]] == [b""] * (len(SPEED) - 1)
    assert hear(SPEED[-1:]) == sealed("09 04 02 05 a0")


def test_it_answers_in_anothers_name_and_refuses_when_it_is_told_to() -> None:
    assert PEER.begin(Act.ELSEWHERE)(SPEED) == sealed("0a 04 02 05 a0")
    assert PEER.begin(Act.REFUSING)(SPEED) == sealed("09 84 04")


def test_the_words_for_what_a_device_does_are_the_same_on_both_sides() -> None:
    assert {str(act) for act in Act} == {HONEST, Kind.WRONG_UNIT, Kind.EXCEPTION}
