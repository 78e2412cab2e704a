from agent.diagnosis import page
from protocols.modbus.codes import Function
from protocols.modbus.frame import Frame
from protocols.modbus.pdu import ReadRegisters
from protocols.modbus.rtu import encode_rtu
from protocols.trace import About, Entry, Fault, Gap, Piece, Recording

ASK = ReadRegisters(Function.READ_INPUT_REGISTERS, 10, 1).encode()
ABOUT = About("pole", "modbus-rtu", "/dev/ttyS0", 9600, "E", 1, units={"1": "D1", "2": "D2"})


def asked(unit: int, at: int) -> list[Piece]:
    answer = encode_rtu(Frame(unit, bytes([4, 2, 0, unit])))
    return [Piece(at, True, encode_rtu(Frame(unit, ASK))), Piece(at + 5000, False, answer)]


ENTRIES: tuple[Entry, ...] = (
    *asked(1, 0),
    Fault(200_000, "D1", "timeout", "no answer"),
    Gap(300_000, 7),
    *asked(2, 1_000_000),
)


def test_a_page_shows_question_answer_fault_and_what_is_missing_in_their_order() -> None:
    shown = list(page.render(Recording(ABOUT, ENTRIES)))
    assert shown[0] == "=== pole  modbus-rtu /dev/ttyS0 9600 baud E1"
    assert [line[14:] for line in shown[1:]] == [
        ">  1: read input registers 10  [01 04 00 0a 00 01 11 c8]",
        "<  1: = 0001  [01 04 02 00 01 78 f0]",
        "!  D1: timeout: no answer",
        ".. 7 pieces were not kept",
        ">  2: read input registers 10  [02 04 00 0a 00 01 11 fb]",
        "<  2: = 0002  [02 04 02 00 02 7c f1]",
    ]


def test_of_one_device_only_its_own_is_shown() -> None:
    shown = "\n".join(page.render(Recording(ABOUT, ENTRIES), "D2"))
    assert "2: = 0002" in shown
    assert "1: = 0001" not in shown
    assert "D1" not in shown


def test_an_empty_recording_says_so() -> None:
    assert list(page.render(Recording(ABOUT, ())))[1:] == ["nothing was recorded"]
