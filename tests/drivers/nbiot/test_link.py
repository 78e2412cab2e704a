from pathlib import Path

import pytest

from drivers.base import ModelError, Span
from drivers.nbiot.link import FIGURES, load_model, pack, parse_model, template_names
from protocols.at.figures import LinkFigures, Registration
from protocols.quality import Quality

HEAD = 'name = "m"\ntitle = { en = "M", zh = "模" }\n'
CHANNEL = '[[channel]]\nname = "a"\ntitle = { en = "A", zh = "甲" }\nquantity = "generic"\n'
SPAN = Span("link", 0, 1)


def test_every_figure_of_the_template_comes_out_exact() -> None:
    model = load_model("nb_modem")
    figures = LinkFigures(-758, -706, -108, 132, 230, 438, 16193, 3535136, 0)
    raw = pack(figures, -87, Registration.ROAMING, 3)
    values = {model.channels[each.channel].name: each.value for each in model.decode(SPAN, raw)}
    assert values == {
        "registration": 5, "rsrp": -758, "rssi": -706, "rsrq": -108, "snr": 132, "tx_power": 230, "tx_time": 438,
        "rx_time": 16193, "cell": 3535136, "ecl": 0, "recoveries": 3,
    }  # fmt: skip
    assert {channel.name: channel.scale for channel in model.channels} == FIGURES


def test_what_a_module_does_not_know_has_no_value_and_the_coarse_signal_stands_in_for_the_fine_one() -> None:
    model = load_model("nb_modem")
    readings = model.decode(SPAN, pack(LinkFigures(), -87, Registration.SEARCHING, 0))
    known = {model.channels[each.channel].name: each.value for each in readings if each.value is not None}
    assert known == {"registration": 2, "rssi": -870, "recoveries": 0}
    assert {each.quality for each in readings if each.value is None} == {Quality.BAD_NO_DATA}


def test_the_templates_are_those_of_the_folder_and_a_file_of_ones_own_may_name_a_figure_otherwise(
    tmp_path: Path,
) -> None:
    assert template_names() == ["nb_modem"]
    own = tmp_path / "own.toml"
    own.write_text(HEAD + CHANNEL + 'kind = "gauge"\nfigure = "snr"\n', "utf-8")
    model = load_model(str(own))
    (reading,) = model.decode(SPAN, pack(LinkFigures(snr=132), None, Registration.HOME, 0))
    assert (model.channels[0].name, reading.value, model.channels[0].scale) == ("a", 132, -1)


@pytest.mark.parametrize(
    ("rest", "complaint"),
    [
        ('kind = "gauge"\nfigure = "rsrpp"\n', "did you mean 'rsrp'"),
        ('kind = "gauge"\n', "figure is missing"),
        ('kind = "state"\nfigure = "rsrp"\n', "rsrp has a fraction"),
        ('kind = "gauge"\nfigure = "rsrp"\naddress = 3\n', "address is not a key here"),
    ],
)
def test_a_template_that_cannot_be_is_refused_with_its_place(rest: str, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        parse_model(HEAD + CHANNEL + rest, "m.toml")
