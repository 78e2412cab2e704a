import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.modbus.frame import Frame
from sim_devices.faults import DELAYS, MEANING, Fault, Faults, Kind, distort, lasting
from sim_devices.modbus.session import ModbusAnswer, Rtu, Tcp

ANSWER = Frame(3, bytes.fromhex("04020102"), 7)


def test_a_fault_that_lasts_a_while_ends_by_itself_and_one_without_end_does_not() -> None:
    faults = Faults(1)
    faults.add("a", lasting(Fault(Kind.SILENT), 10.0, 100.0))
    faults.add("a", lasting(Fault(Kind.SLOW), None, 100.0))
    assert [fault.kind for fault in faults.of("a", 109.9)] == [Kind.SILENT, Kind.SLOW]
    assert [fault.kind for fault in faults.of("a", 110.0)] == [Kind.SLOW]


def test_a_second_fault_of_a_kind_replaces_the_first() -> None:
    faults = Faults(1)
    faults.add("a", Fault(Kind.LATE, delay_s=1.0))
    faults.add("a", Fault(Kind.LATE, delay_s=2.0))
    assert [fault.delay for fault in faults.of("a", 0.0)] == [2.0]


def test_clearing_one_device_leaves_the_others() -> None:
    faults = Faults(1)
    for code in ("a", "a", "b"):
        faults.add(code, Fault(Kind.SILENT))
    assert faults.clear("a") == 1
    assert faults.strike("a", 0.0) is None
    assert faults.strike("b", 0.0) is not None
    assert faults.clear() == 1
    assert faults.clear("nobody") == 0


def test_a_fault_strikes_as_often_as_its_probability_says_and_the_same_for_a_seed() -> None:
    def strikes(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add("a", Fault(Kind.SILENT, probability=0.2))
        return [faults.strike("a", 0.0) is not None for _ in range(2000)]

    assert 300 < sum(strikes(1)) < 500
    assert strikes(1) == strikes(1)
    assert strikes(1) != strikes(2)


@pytest.mark.parametrize(
    "wrong", [{"probability": 0.0}, {"probability": 1.5}, {"delay_s": -1.0}, {"code": 0}, {"code": 256}]
)
def test_what_no_fault_can_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"lies? in"):
        Fault(Kind.LATE, **wrong)  # type: ignore[arg-type]


def test_every_kind_is_explained_and_those_that_wait_have_a_time() -> None:
    assert set(MEANING) == set(Kind)
    assert set(DELAYS) == {Kind.SLOW, Kind.LATE, Kind.DISCONNECT}


@given(st.sampled_from([Rtu(), Tcp()]), st.sampled_from([kind for kind in Kind if kind != Kind.EXCEPTION]))
def test_what_goes_over_the_line_is_what_the_kind_says(framing: Rtu | Tcp, kind: Kind) -> None:
    whole = framing.encode(ANSWER)
    sends = distort(Fault(kind), ModbusAnswer(ANSWER, framing), Faults(1))
    match kind:
        case Kind.SILENT:
            assert sends == []
        case Kind.SLOW | Kind.LATE:
            assert [(send.after, send.data) for send in sends] == [(DELAYS[kind], whole)]
        case Kind.DUPLICATE:
            assert [send.data for send in sends] == [whole, whole]
        case Kind.NOISY:
            assert whole in sends[0].data
            assert not sends[0].data.startswith(whole)
            assert not sends[0].data.endswith(whole)
        case Kind.WRONG_CRC:
            assert len(sends[0].data) == len(whole)
            assert sends[0].data != whole
        case Kind.WRONG_UNIT:
            assert sends[0].data == framing.encode(ANSWER._replace(unit=4))
        case Kind.RINGING:
            assert sends[0].data.startswith(whole)
            assert set(sends[0].data[len(whole) :]) <= {0x00, 0xFC, 0xFF}
            assert len(sends[0].data) > len(whole)
        case Kind.BIT_ERROR:
            assert sum((a ^ b).bit_count() for a, b in zip(sends[0].data, whole, strict=True)) == 1
        case Kind.COLLISION | Kind.HALF_SPEED:
            assert sends[0].data != whole
            assert whole not in sends[0].data
        case Kind.INVERTED:
            assert set(sends[0].data) == {0}
        case _:
            assert sends[0].hang_up


def test_a_healthy_device_answers_plainly() -> None:
    assert [send.data for send in distort(None, ModbusAnswer(ANSWER, Tcp()), Faults(1))] == [Tcp().encode(ANSWER)]
