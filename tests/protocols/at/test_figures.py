import pytest

from protocols.at.figures import (
    LinkFigures,
    Registration,
    parse_registration,
    parse_serving_cell,
    parse_signal,
    parse_statistics,
    rssi_of,
)
from protocols.errors import RemoteProtocolError

transcript = pytest.mark.vectors("AT commands of NB-IoT modems", "transcripts of BC95, BC660K and SIM7020")


STATISTICS = """Signal power:-758
Total power:-706
TX power:230
TX time:438
RX time:16193
Cell ID:3535136
ECL:0
SNR:132
EARFCN:3518
PCI:22
RSRQ:-108""".splitlines()


@transcript
def test_statistics_are_in_tenths_of_dbm() -> None:
    assert parse_statistics(STATISTICS) == LinkFigures(
        rsrp=-758, rssi=-706, tx_power=230, tx_ms=438, rx_ms=16193, cell=3535136, ecl=0, snr=132, earfcn=3518, pci=22,
        rsrq=-108,
    )  # fmt: skip


@transcript
def test_what_a_module_does_not_know_is_no_figure() -> None:
    unknown = parse_statistics(["TX power:-32768", "ECL:255", "Signal power:-32768", "Last cell ID:0"])
    assert unknown == LinkFigures()


@pytest.mark.parametrize(("level", "dbm"), [(0, -113), (1, -111), (13, -87), (30, -53), (31, -51), (99, None)])
def test_a_level_is_two_dbm_a_step(level: int, dbm: int | None) -> None:
    assert rssi_of(level) == dbm
    assert parse_signal(f"+CSQ:{level},99") == dbm


@pytest.mark.parametrize("level", [-1, 32, 98, 100, 199])
def test_a_level_that_cannot_be_is_refused(level: int) -> None:
    with pytest.raises(RemoteProtocolError):
        rssi_of(level)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("+CEREG:0,1", Registration.HOME),
        ("+CEREG: 0,5", Registration.ROAMING),
        ("+CEREG: 1,2", Registration.SEARCHING),
        ("+CEREG:1,3", Registration.DENIED),
        ('+CEREG: 2,1,"5F3A","01A2B3C4",9', Registration.HOME),
        ("+CEREG: 5", Registration.ROAMING),
        ("+CEREG:2", Registration.SEARCHING),
        ('+CEREG: 1,"5F3A","01A2B3C4",9', Registration.HOME),
        ("+CEREG: 0,7", Registration.UNKNOWN),
    ],
)
def test_registration_is_the_second_number_of_an_answer_and_the_first_of_what_comes_unasked(
    line: str, expected: Registration
) -> None:
    assert parse_registration(line) is expected
    assert expected.is_registered == (expected in (1, 5))


def test_a_serving_cell_in_whole_dbm() -> None:
    # BC660K, from secondary sources
    line = '+QENG: 0,1769,9,400,"00288516",-103,-9,-94,5,3,"A924",0,14,2'
    scales = {"rsrp": 10, "rsrq": 10, "rssi": 10, "snr": 10}
    assert parse_serving_cell(line, 1, scales) == LinkFigures(
        rsrp=-1030, rsrq=-90, rssi=-940, snr=50, cell=0x288516, ecl=0, earfcn=1769, pci=400
    )
    empty = parse_serving_cell('+QENG: 0,2506,,176,"0BF576D1",,,,,5,"3095",,,3', 1, scales)
    assert empty == LinkFigures(cell=0x0BF576D1, earfcn=2506, pci=176)
    with pytest.raises(RemoteProtocolError, match="cell"):
        parse_serving_cell('+QENG: 0,2506,,176,"XYZ",,,,,5,"3095",,,3', 1, scales)
