import contextlib
import string

import cbor2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocols import citycode
from protocols.citycode import CityCode, CodeError, Kind, check
from protocols.citycode.code import LENGTHS
from protocols.errors import LocalProtocolError, ProtocolError, RemoteProtocolError

LAMP = "B11011401180001239"
DIGITS = string.digits
SAMPLES = [  # facts, 7
    (LAMP, "1b0803e97b2994d1fb"),
    ("B11011401030045678", "1b0803e97b28b00197"),
    ("B11010803050000428", "1b0803e96d3c72de6a"),
    ("D1101149001000077A", "1b0c03e97d3b0ca48d"),
    ("G1101140110010015", "1b14006425ea82b0a9"),
    ("A110114011Z", "1b04000000069034db"),
    ("U91110000600037341L1", "5308" + b"91110000600037341L".hex()),
    ("R1SGVBA0NPU8H0E0LM", "4b070f21f5a817cf91103815"),
]


@st.composite
def codes(draw: st.DrawFn) -> CityCode:
    kind = draw(st.sampled_from(list(Kind)))
    if kind is Kind.PERSON:
        return citycode.mint_person(draw(st.binary(min_size=32, max_size=32)), draw(st.text(max_size=20)))
    if kind is Kind.ORGANISATION:
        body = draw(st.text(check.USCC[1:], min_size=1, max_size=1)) + draw(
            st.text(check.USCC, min_size=16, max_size=16)
        )
        return citycode.mint(kind, body + check.gb_32100(body))
    length = draw(st.sampled_from(LENGTHS[kind]))
    division = draw(st.sampled_from(["110114", "110105", "320582", "999999"]))
    rest = draw(st.text(DIGITS, min_size=length - 6, max_size=length - 6))
    if kind is Kind.DEVICE:
        rest = "90" + rest[2:]
    if kind is Kind.EVENT:
        rest = rest[:4] + draw(st.dates()).strftime("%Y%m%d").zfill(8) + rest[12:]
    return citycode.mint(kind, division + rest)


@pytest.mark.parametrize(("text", "binary"), SAMPLES)
def test_the_published_codes_read_and_have_the_published_binary_form(text: str, binary: str) -> None:
    code = citycode.parse(text)
    assert code.text == str(code) == text
    assert cbor2.dumps(code.binary).hex() == binary
    assert citycode.from_binary(cbor2.loads(bytes.fromhex(binary))) == code


@given(codes())
def test_every_form_of_a_code_reads_back(code: CityCode) -> None:
    assert citycode.parse(code.text) == code
    assert citycode.from_uri(code.uri) == code
    assert citycode.from_uri(code.link("https://id.example.cn/")) == code
    if code.kind is not Kind.EVENT:
        assert citycode.from_binary(code.binary) == code


@given(codes(), st.lists(st.tuples(st.integers(0, 26), st.sampled_from(" -_.:/")), max_size=8))
def test_case_and_separators_do_not_count(code: CityCode, separators: list[tuple[int, str]]) -> None:
    written = list(code.text.lower())
    for at, separator in separators:
        written.insert(at, separator)
    assert citycode.parse("".join(written)) == code


@given(codes(), st.data())
def test_every_single_substitution_is_refused(code: CityCode, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(code.text) - 1))
    other = data.draw(st.sampled_from(check.ALPHANUMERIC))
    assume(other != code.text[at])
    with pytest.raises(CodeError):
        citycode.parse(code.text[:at] + other + code.text[at + 1 :])


@given(codes(), st.data())
def test_an_exchange_of_neighbours_that_is_noticed_is_also_explained(code: CityCode, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(code.text) - 2))
    assume(code.text[at] != code.text[at + 1])
    swapped = code.text[:at] + code.text[at + 1] + code.text[at] + code.text[at + 2 :]
    assume(at < len(code.text) - 2 or code.check.isdigit() or code.kind in ("U", "R"))  # else a letter in the digits
    assume(check.mod_37_36(swapped[:-1]) != swapped[-1])
    with pytest.raises(CodeError) as caught:
        citycode.parse(swapped)
    assert not caught.value.expected or code.text in caught.value.swaps


def test_nine_hundred_and_ninety_of_a_thousand_exchanges_of_digits_are_noticed() -> None:
    missed = total = 0
    for serial in range(0, 1_000_000, 997):
        text = citycode.mint("B", f"1101140118{serial:06d}").text
        for at in range(1, 16):
            if text[at] != text[at + 1]:
                swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
                total += 1
                missed += check.mod_37_36(swapped[:-1]) == swapped[-1]
    assert total > 5000
    assert missed / total < 0.01  # facts, 3.2: 99.4 % are found on digits


@given(st.text(max_size=40) | st.text(check.ALPHANUMERIC, max_size=28))
def test_no_text_gets_anything_but_a_code_or_a_code_error(text: str) -> None:
    with contextlib.suppress(CodeError):
        assert citycode.parse(text).text


@given(st.integers(-1, 2**64) | st.binary(max_size=20))
def test_no_binary_form_gets_anything_but_a_code_or_a_code_error(binary: int | bytes) -> None:
    with contextlib.suppress(CodeError):
        assert citycode.from_binary(binary).binary == binary


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "empty"),
        (" - ", 0, "empty"),
        ("X1101140118000123 9", 1, "'X' is not a kind; kinds are A, B, D"),
        ("B1101140118000123", 0, "has 18 characters; this has 17"),
        ("A11011401100Z", 0, "has 8, 11, 14 characters; this has 13"),
        ("b1101-1401-18OO-0123-9", 14, "'O' is not a digit"),
        ("B11011401180001238", 18, "the check character is 8, the rest asks for 9"),
        ("B1101140118000123*", 18, "'\\*' is not a character"),
        ("B0101140118000123" + check.mod_37_36("B0101140118000123"), 2, "never starts with 0"),
        ("E110114010120230230000001" + check.mod_37_36("E110114010120230230000001"), 12, "20230230 is not a date"),
        ("U911100008000005538" + check.mod_37_36("U911100008000005538"), 19, "ends in 8, .* asks for 4"),
        ("U911100008000OO5534X", 14, "no I, O, S, V, Z"),
        ("R1SGVBA0NPU8H0E0WM", 17, "base32hex"),
    ],
)
def test_an_error_says_what_is_wrong_and_where(text: str, position: int, words: str) -> None:
    with pytest.raises(CodeError, match=words) as caught:
        citycode.parse(text)
    assert caught.value.position == position
    assert isinstance(caught.value, RemoteProtocolError)


def test_exchanged_neighbours_are_suggested_with_the_check_character_expected() -> None:
    with pytest.raises(CodeError, match="with two neighbours exchanged it would be right") as caught:
        citycode.parse("B11014101180001239")
    assert caught.value.expected == check.mod_37_36("B1101410118000123")
    assert LAMP in caught.value.swaps


def test_the_published_organisation_code_with_a_wrong_check_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="asks for 4"):
        citycode.mint("U", "911100008000005538")


@pytest.mark.parametrize("division", sorted(citycode.RETIRED_DIVISIONS))
def test_a_retired_division_is_read_and_never_minted(division: str) -> None:
    body = f"{division}0118000123"
    code = citycode.parse(f"B{body}{check.mod_37_36('B' + body)}")
    assert code.is_retired
    with pytest.raises(LocalProtocolError, match=f"{division} is retired"):
        citycode.mint("B", body)


def test_the_parts_of_a_body_are_named() -> None:
    lamp = citycode.parse(LAMP)
    assert (lamp.division, lamp.component_class, lamp.is_retired) == ("110114", "0118", False)
    person = citycode.parse("R1SGVBA0NPU8H0E0LM")
    assert (person.division, person.component_class) == ("", "")
    assert citycode.parse("A110114011Z").component_class == ""


def test_a_person_is_a_keyed_digest() -> None:
    assert citycode.mint_person(bytes(range(32)), "11010519491231002X").text == "R1SGVBA0NPU8H0E0LM"
    assert citycode.mint_person(bytes(32), "11010519491231002X").text != "R1SGVBA0NPU8H0E0LM"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("Q", "110114"),
        ("A", "1101140"),
        ("A", "11O114"),
        ("B", "110114 118000123"),
        ("A", "010114"),
        ("D", "1101140118000123"),
        ("B", "110114011800012٣"),
    ],
)
def test_a_body_that_cannot_be_is_not_minted(kind: str, body: str) -> None:
    with pytest.raises(LocalProtocolError):
        citycode.mint(kind, body)


def test_an_event_has_no_binary_form() -> None:
    event = citycode.mint("E", "110114010120260704000001")
    assert len(event.text) == 26
    with pytest.raises(LocalProtocolError, match="no binary form"):
        _ = event.binary


@pytest.mark.parametrize(
    "uri",
    [
        f"urn:dev:org:32473-{LAMP}",
        f"urn:dev:org:32473-{LAMP}:",  # as a SenML base name
        f"HTTPS://ID.EXAMPLE.CN/C/{LAMP}",
        f"https://id.example.cn/c/{LAMP.lower()}",
    ],
)
def test_the_address_in_a_qr_symbol_and_the_device_urn_lead_to_the_code(uri: str) -> None:
    assert citycode.from_uri(uri).text == LAMP


@pytest.mark.parametrize("uri", ["", LAMP, "https://id.example.cn/c/", f"ftp://a/c/{LAMP}", f"urn:dev:mac:{LAMP}"])
def test_another_uri_is_refused(uri: str) -> None:
    with pytest.raises(CodeError):
        citycode.from_uri(uri)


def test_the_qr_address_is_of_the_alphanumeric_mode() -> None:
    link = citycode.parse(LAMP).link("https://id.example.cn")
    assert link == f"HTTPS://ID.EXAMPLE.CN/C/{LAMP}"
    assert set(link) <= set(string.digits + string.ascii_uppercase + " $%*+-./:")  # ISO/IEC 18004, table 5


def test_a_code_error_is_a_protocol_error() -> None:
    assert issubclass(CodeError, ProtocolError)
