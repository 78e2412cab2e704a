import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.lines.nmea import Sentence, checksum, read_sentence, write_sentence

# Sentences that stand, with their sums, in many receivers' public manuals.
KNOWN = [
    (b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47", "GP"),
    (b"$GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1*39", "GP"),
    (b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A", "GP"),
    (b"$WIMWV,214.8,R,0.1,K,A*28", "WI"),
    (b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C", "AI"),
    (b"$PGRMZ,246,f,3*1B", "P"),
]


@pytest.mark.vectors("Serial lines, NMEA 0183", "sentences of receivers' public manuals")
@pytest.mark.parametrize(("line", "talker"), KNOWN)
def test_known_sentences_are_read_and_written(line: bytes, talker: str) -> None:
    sentence = read_sentence(line)
    assert sentence is not None
    assert sentence.talker == talker
    assert line[1:].startswith((talker.encode() if talker != "P" else b"") + sentence.text)
    assert write_sentence(line[1:-3], line[:1]) == line


def test_the_talker_is_parted_from_the_type() -> None:
    assert read_sentence(b"$WIMWV,214.8,R,0.1,K,A*28 ") == Sentence("WI", b"MWV,214.8,R,0.1,K,A")


def test_the_sum_may_be_in_lower_case() -> None:
    assert read_sentence(b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6a") is not None


@given(st.sampled_from(KNOWN), st.data())
def test_a_single_wrong_character_is_never_taken(known: tuple[bytes, str], data: st.DataObject) -> None:
    line = known[0]
    at = data.draw(st.integers(1, len(line) - 1))
    wrong = data.draw(st.sampled_from(string.printable.encode()))
    damaged = line[:at] + bytes((wrong,)) + line[at + 1 :]
    if damaged.upper() != line.upper():
        with pytest.raises(RemoteProtocolError):
            read_sentence(damaged)


def test_a_wrong_sum_says_both() -> None:
    with pytest.raises(RemoteProtocolError, match="checksum 29, computed 28"):
        read_sentence(b"$WIMWV,214.8,R,0.1,K,A*29")


@pytest.mark.parametrize(
    "line", [b"$WIMWV,214.8,R,0.1,K,A", b"$WIMWV,214.8,R,0.1,K,A*2", b"$*00", b"$WI,1*53", b"$WIMWV,1$WIMWV,1*28"]
)
def test_a_sentence_without_a_sum_or_with_a_stump_of_one_is_refused(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="no sentence of NMEA 0183"):
        read_sentence(line)


@pytest.mark.parametrize("line", [b"", b"hello", b"WIMWV,1*28"])
def test_what_does_not_begin_like_a_sentence_is_none(line: bytes) -> None:
    assert read_sentence(line) is None


@given(st.binary(max_size=90).map(lambda data: b"$" + data))
def test_no_line_breaks_the_reader(line: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        read_sentence(line)


@pytest.mark.parametrize("body", [b"", b"wimwv,1", b"WIMWV,1*28", b"WIMWV,\r", b"WIMWV,$"])
def test_a_body_that_no_receiver_takes_is_not_written(body: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        write_sentence(body)


def test_the_sum_of_nothing_is_zero() -> None:
    assert checksum(b"") == 0
