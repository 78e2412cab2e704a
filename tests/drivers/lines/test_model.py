from decimal import Decimal

import pytest

from drivers.base import ModelError, Nonsense, Span
from drivers.lines.model import LinesModel, load_model, parse_model, template_names
from protocols.quality import Quality

TWO = """
name = "two"
title = { en = "Two", zh = "二" }
[[sentence]]
name = "air"
pattern = "T={temperature:decimal};H={humidity:decimal?}"
every_s = 1
[[sentence]]
name = "wind"
pattern = "W={speed:decimal}"
prompt = "W\\r"
[[channel]]
name = "temperature"
title = { en = "T", zh = "温" }
quantity = "temperature"
kind = "gauge"
decimals = 1
[[channel]]
name = "humidity"
title = { en = "H", zh = "湿" }
quantity = "humidity"
kind = "gauge"
decimals = 1
[[channel]]
name = "wind"
field = "speed"
title = { en = "W", zh = "风" }
quantity = "rate"
kind = "gauge"
decimals = 2
"""


def decoded(model: LinesModel, sentence: str, line: bytes) -> dict[str, object]:
    span = next(Span(*point[:3]) for point in model.points if point.space == sentence)
    return {model.channels[r.channel].name: r.value for r in model.decode(span, line)}


def test_every_template_of_ours_is_a_model() -> None:
    assert {load_model(name).name for name in template_names()} == {"weather_station", "anemometer", "distance_gauge"}


def test_the_channels_of_one_line_come_of_one_request() -> None:
    model = parse_model(TWO, "two.toml")
    assert [(point.space, point.address, point.length) for point in model.points] == [
        ("air", 0, 1),
        ("air", 0, 1),
        ("wind", 0, 1),
    ]
    assert decoded(model, "air", b"T=21.5;H=40") == {"temperature": 215, "humidity": 400}
    assert decoded(model, "wind", b"W=3.456") == {"wind": 346}


def test_an_empty_field_has_no_value_and_a_reason() -> None:
    model = parse_model(TWO, "two.toml")
    (_, humidity) = model.decode(Span(*model.points[0][:3]), b"T=21.5;H=")
    assert (humidity.value, humidity.quality) == (None, Quality.BAD_NO_DATA)


def test_a_line_that_is_not_as_declared_is_nonsense() -> None:
    model = parse_model(TWO, "two.toml")
    with pytest.raises(Nonsense, match="temperature is 'x'"):
        decoded(model, "air", b"T=x;H=40")


def test_the_templates_read_the_lines_that_they_were_made_for() -> None:
    station, wind, gauge = map(load_model, ("weather_station", "anemometer", "distance_gauge"))
    line = b"0R0,Dm=236D,Sm=1.0M,Ta=23.6C,Ua=14.2P,Pa=1026.6H,Rc=0.25M"
    assert decoded(station, "composite", line) == {
        "wind_direction": 236,
        "wind_speed": 10,
        "temperature": 236,
        "humidity": 142,
        "pressure": 102660,
        "rain": 25,
    }
    assert decoded(wind, "wind", b"MWV,214.8,R,0.1,M,A") == {"wind_direction": 2148, "wind_speed": 10, "status": 0}
    assert decoded(wind, "wind", b"MWV,,R,,M,V") == {"wind_direction": None, "wind_speed": None, "status": 1}
    assert decoded(gauge, "distance", b"01=3.482m,15.2C") == {"distance": 3482, "temperature": 152}
    assert decoded(gauge, "distance", b"01=-----m,15.2C")["distance"] is None
    assert gauge.channels[0].limits == (Decimal(0), Decimal(15))


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("every_s = 1\n", "", "every_s or a prompt, and not both"),
        ("every_s = 1\n", 'every_s = 1\nprompt = "T"\n', "every_s or a prompt, and not both"),
        ("every_s = 1\n", "every_s = 0\n", "every_s must be more than 0"),
        ("T={temperature:decimal}", "T={temperature:float}", "pattern cannot be used: .*no type 'float'"),
        ('name = "wind"\npattern', 'name = "air"\npattern', "stands twice: 'air'"),
        ('field = "speed"', 'field = "gust"', "0 sentences have a field 'gust'"),
        ("W={speed:decimal}", "W={speed:decimal},T={temperature:decimal}", "2 sentences have a field 'temperature'"),
        ('field = "speed"', 'field = "speed"\nsentence = "air"', "which sentence 'air' does not have"),
        ('name = "two"', 'name = "two"\nframing = "stx"', "must be one of plain, nmea"),
    ],
)
def test_a_template_that_cannot_be_used_says_why(old: str, new: str, cause: str) -> None:
    assert old in TWO
    with pytest.raises(ModelError, match=cause):
        parse_model(TWO.replace(old, new, 1), "two.toml")
