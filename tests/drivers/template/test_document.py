import pytest

from drivers.base import Channel, ModelError
from drivers.template import document
from drivers.template.section import Section
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE, I64LE

HEAD = 'name = "m"\ntitle = { en = "M", zh = "表" }\n'
CHANNEL = '[[channel]]\nname = "energy"\ntitle = { en = "Energy", zh = "电能" }\nquantity = "energy"\nunit = "kWh"\n'


def channels(text: str, kind: Kind = Kind.COUNTER) -> list[Channel]:
    top = document.open_document(HEAD + text, "m.toml")
    return document.channels(
        top,
        document.CHANNEL_KEYS,
        lambda section: document.channel(section, kind, I64LE, -2, highest=9),
        lambda channel: channel.name,
    )


def test_a_channel_is_what_its_table_says() -> None:
    (channel,) = channels(CHANNEL + 'limits = [0, "99.5"]\nrollover = 100000000\n')
    assert (channel.name, channel.unit, channel.scale, channel.rollover) == ("energy", "kWh", -2, 10**8)
    assert channel.title == {"en": "Energy", "zh": "电能"}


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("", Kind.COUNTER, "channel is missing"),
        (CHANNEL + CHANNEL, Kind.COUNTER, "stands twice: 'energy'"),
        (CHANNEL + "rollover = 100", Kind.GAUGE, "rollover is possible for a counter"),
        (CHANNEL + "rollover = 0", Kind.COUNTER, "rollover must be an integer from 1"),
        (CHANNEL + "limits = [2, 1]", Kind.COUNTER, "the lowest comes first"),
        (CHANNEL + 'states = { 10 = { en = "x", zh = "x" } }', Kind.STATE, "no number from 0 to 9"),
        (CHANNEL + "rolover = 1", Kind.COUNTER, r"rolover is not a key here \(did you mean 'rollover'\?\)"),
        (CHANNEL.replace('"energy"', '"Energy"', 1), Kind.COUNTER, "small letters, digits"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, kind: Kind, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        channels(text, kind)


@pytest.mark.parametrize(
    ("given", "told"), [('name = "m', "not TOML"), ('name = "m"\nnam = 1', "nam is not a key here")]
)
def test_a_document_that_is_none_is_refused_with_its_name(given: str, told: str) -> None:
    with pytest.raises(ModelError, match=rf"m\.toml: .*{told}"):
        document.open_document(given, "m.toml")


def test_a_class_is_four_digits() -> None:
    with pytest.raises(ModelError, match="four digits"):
        document.head(document.open_document(HEAD + 'class = "12"', "m.toml"))


@pytest.mark.parametrize(("highest", "tag"), [(2**31 - 1, I32LE), (2**31, I64LE)])
def test_whole_numbers_travel_in_the_narrowest_column_that_holds_them(highest: int, tag: int) -> None:
    assert document.whole_number_tag(highest) == tag


@pytest.mark.parametrize(
    ("factor", "told"), [('"0"', "positive"), ('"1E-30"', "out of range"), ("0.1", "binary float")]
)
def test_a_scale_that_is_none_is_refused(factor: str, told: str) -> None:
    top = document.open_document(HEAD + f"[[channel]]\nscale = {factor}", "m.toml")
    section: Section = document.channels(top, ("scale",), lambda section: section, lambda _: "one")[0]
    with pytest.raises(ModelError, match=told):
        document.scale(section, Kind.GAUGE)
