"""Answers as a whole; pyMeterBus is asked what it makes of the same frames."""

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.errors import RemoteProtocolError
from protocols.mbus.codes import RSP_UD, Function
from protocols.mbus.frame import LongFrame, encode_frame
from protocols.mbus.header import Header
from protocols.mbus.telegram import ApplicationFault, Telegram, encode_telegram, parse_telegram
from protocols.mbus.values import Missing
from protocols.mbus.variable import Form, Record, encode_record, encode_records
from protocols.mbus.vif import value_block
from tests.protocols.mbus.conftest import long_frame, published, telegram
from tests.protocols.mbus.test_variable import encoded, records

HEADER = Header("12345678", "PAD", 1, 7, 0x55, 0)
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
NOT_COMPARED = {
    # Type I has the day in its fourth byte; pyMeterBus looks in the third.
    ("lgb_g350", "date_time"),
    # The maker's own, of which nobody knows whether it has a sign.
    ("sen_pollustat", "manufacturer"),
    # pyMeterBus makes dBm of the level by a formula of OMS; it is told as it came here.
    ("weptech", "reception_level"),
}


def as_pymeterbus(record: Record) -> float | str:
    if isinstance(record.value, int | float):
        return float(Decimal(record.value).scaleb(record.exponent) * SECONDS.get(record.unit, 1))
    return str(record.value)


def compare(meterbus: Any, raw: bytes, name: str = "") -> int:
    """How many values were the same. Fails for one that is not; where there is no value, pyMeterBus gives something."""
    ours = telegram(raw).records
    # Not meterbus.load: that takes a frame with L = 44 for a wireless one.
    theirs = [
        record for record in meterbus.TelegramLong.parse(list(raw)).records if record.dib.parts[0] not in (0x0F, 0x1F)
    ]
    assert len(ours) == len(theirs)
    same = 0
    for our, their in zip(ours, theirs, strict=True):
        told = their.interpreted
        whose = (told["storage_number"], told.get("tariff") or 0, told.get("device") or 0)
        assert whose == (our.storage, our.tariff, our.subunit)
        assert their.function == our.function
        if isinstance(our.value, Missing) or (name, our.quantity) in NOT_COMPARED:
            continue
        value = as_pymeterbus(our)
        same += 1
        if isinstance(value, str):
            assert value == told["value"]
        else:
            assert math.isclose(value, float(told["value"]), rel_tol=1e-6, abs_tol=1e-12)
    return same


@pytest.mark.peer("M-Bus", "pyMeterBus", "reads published answers of meters as we do")
@pytest.mark.vectors("M-Bus", "the tests of pyMeterBus and libmbus, answers of meters")
def test_pymeterbus_reads_published_answers_alike(meterbus: Any, published_name: str) -> None:
    assert compare(meterbus, published(published_name), published_name) > 0


@pytest.mark.peer("M-Bus", "pyMeterBus", "reads what our encoder makes")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records(), min_size=1, max_size=6))
def test_pymeterbus_reads_what_we_encode(meterbus: Any, sent: list[tuple[Record, Form]]) -> None:
    # It takes Decimal(float * float), which is no number above 10**28, and knows no block behind FB for some units.
    plain = [each for each in sent if value_block(*each[0][:2], each[0].exponent)[0] < 0x80]
    data = encode_records([encoded(*each) for each in plain])
    if plain and len(data) < 240:
        assert compare(meterbus, encode_frame(encode_telegram(5, HEADER, data))) == len(plain)


def test_pymeterbus_shows_the_same_secondary_addresses(meterbus: Any, published_name: str) -> None:
    raw = published(published_name)
    if raw[6] == 0x72:  # with the highest byte first it shows the bytes as they came
        assert telegram(raw).header.secondary == meterbus.TelegramLong.parse(list(raw)).secondary_address


def test_kamstrup_601() -> None:
    answer = telegram(published("kamstrup_multical_601"))
    assert answer.header.secondary == "068558172D2C0804"
    assert answer.header.manufacturer == "KAM"
    assert answer.header.medium == 4
    values = {(record.quantity, record.storage, record.function): record for record in answer.records[:-1]}
    now = Function.INSTANTANEOUS
    assert values["energy", 0, now] == Record("energy", "Wh", 0, 3, subunit=3)  # the last of several energies
    assert answer.records[1] == Record("energy", "Wh", 37351, 3)
    assert answer.records[2] == Record("volume", "m3", 56108, -2)
    assert values["flow_temperature", 0, now] == Record("flow_temperature", "Cel", 10169, -2)
    assert answer.maker is not None
    assert len(answer.maker) == 57


@pytest.mark.vectors("M-Bus", "the usergroup's documentation, examples of both structures")
def test_the_usergroups_long_frame() -> None:
    answer = telegram(published("frame2"))
    assert answer.header == HEADER._replace(number="12345678")
    assert [record.value for record in answer.records] == [12565, 113, 21837]


def test_more_records_follow() -> None:
    assert telegram(published("svm_f22")).more
    assert not telegram(published("kamstrup_multical_601")).more


def test_words_behind_the_vife() -> None:
    assert telegram(published("text_behind_vife")).records == (Record("text", "ABC", 12565, modifiers=b"\x20"),)


def test_an_application_error_is_told_with_its_reason() -> None:
    fault = parse_telegram(long_frame(published("application_busy")))
    assert fault == ApplicationFault(8)
    assert isinstance(fault, ApplicationFault)
    assert fault.reason == "busy with other requests"
    assert parse_telegram(LongFrame(RSP_UD, 1, 0x70)) == ApplicationFault(0)


@pytest.mark.parametrize("mode", [2, 3, 4, 5, 7, 13])
def test_encrypted_records_are_refused_plainly(mode: int) -> None:
    header = HEADER._replace(configuration=mode << 8 | 0x20)
    with pytest.raises(RemoteProtocolError, match=rf"encrypted \(mode {mode}\)"):
        parse_telegram(encode_telegram(1, header, bytes(16)))


@pytest.mark.parametrize("configuration", [0xFFFF, 0xB627, 0x0500, 0x0000])
def test_an_old_signature_is_not_taken_for_encryption(configuration: int) -> None:
    header = HEADER._replace(configuration=configuration)
    answer = parse_telegram(encode_telegram(1, header, b""))
    assert isinstance(answer, Telegram)
    assert answer.header == header


@pytest.mark.parametrize(
    "frame",
    [
        LongFrame(0x53, 1, 0x72, bytes(12)),
        LongFrame(RSP_UD, 1, 0x72, bytes(11)),
        LongFrame(RSP_UD, 1, 0x78, bytes(20)),
        LongFrame(RSP_UD, 1, 0x71, bytes(1)),
    ],
)
def test_what_is_no_answer_with_data_is_refused(frame: LongFrame) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_telegram(frame)


@given(st.builds(LongFrame, st.just(RSP_UD), st.just(1), st.integers(0x70, 0x78), st.binary(max_size=252)))
def test_any_answer_is_read_or_refused(frame: LongFrame) -> None:
    try:
        parse_telegram(frame)
    except RemoteProtocolError:
        return


def test_an_answer_survives_the_wire() -> None:
    record = Record("volume", "m3", 99999999, -3)
    data = encode_records([encode_record(record, b"\x13", Form.BCD8)], more=True)
    answer = telegram(encode_frame(encode_telegram(9, HEADER, data)))
    assert answer == Telegram(HEADER, (record,), True, b"")
