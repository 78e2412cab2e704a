import pytest

from drivers.lines.sentence import Sentence, compiled
from protocols.errors import LocalProtocolError, RemoteProtocolError

ASKED = Sentence.of("distance", "{unit}={distance:decimal}m", "?{unit}\r", 0, nmea=False)
WIND = Sentence.of("wind", "MWV,{angle:decimal},R,{rest:any}", None, 1, nmea=True)


def test_a_question_names_the_device() -> None:
    assert ASKED.question("07") == b"?07\r"
    assert WIND.question(1) is None


def test_an_answer_is_only_that_of_the_device_that_was_asked() -> None:
    assert ASKED.extract(b"07=3.5m", "07") == b"07=3.5m"
    assert ASKED.extract(b"08=3.5m", "07") is None


def test_whoever_decodes_need_not_know_the_device() -> None:
    assert compiled(ASKED.pattern, None).parse(b"07=3.5m") is not None


def test_a_unit_with_braces_stands_for_itself() -> None:
    assert ASKED.extract(b"{x}=3.5m", "{x}") == b"{x}=3.5m"


def test_a_sentence_is_taken_out_of_its_address_and_sum() -> None:
    assert WIND.extract(b"$WIMWV,214.8,R,0.1,K,A*28", 1) == b"MWV,214.8,R,0.1,K,A"
    assert WIND.extract(b"$GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1*39", 1) is None
    assert WIND.extract(b"booting", 1) is None
    with pytest.raises(RemoteProtocolError, match="checksum"):
        WIND.extract(b"$WIMWV,214.8,R,0.2,K,A*28", 1)


def test_a_pattern_that_cannot_be_used_is_found_when_it_is_declared() -> None:
    with pytest.raises(LocalProtocolError):
        Sentence.of("bad", "{a:decimal}{b:decimal}", None, 1, nmea=False)
