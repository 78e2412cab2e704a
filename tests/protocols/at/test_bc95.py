from dataclasses import replace

import pytest

from protocols.at.bc95 import Bc95, NotReady
from protocols.at.command import CommandRefused
from protocols.at.dialect import Arrived, Closed, Datagram, Kind, PowerSaving, Socket
from protocols.errors import LocalProtocolError, RemoteProtocolError
from tests.protocols.at.replay import hear, replay

transcript = pytest.mark.vectors("AT commands of NB-IoT modems", "transcripts of BC95, BC660K and SIM7020")


BC95 = Bc95()
SOCKET = Socket(0, Kind.UDP, "119.23.26.195", 9100)


@transcript
def test_a_datagram_there_and_back() -> None:
    opened = replay(BC95, BC95.open_socket(Kind.UDP, "119.23.26.195", 9100), "AT+NSOCR=DGRAM,17,0,1 -> 0 / OK")
    assert opened == SOCKET
    replay(BC95, BC95.send(SOCKET, b"\x48"), "AT+NSOST=0,119.23.26.195,9100,1,48 -> 0,1 / OK")
    assert hear(BC95, b"\r\n+NSONMI:0,3\r\n") == [Arrived(0, 3)]
    received = replay(BC95, BC95.receive(SOCKET), "AT+NSORF=0,512 -> 0,119.23.26.195,9100,3,616263,0 / OK")
    assert received == Datagram(b"abc", "119.23.26.195", 9100)
    replay(BC95, BC95.close(SOCKET), "AT+NSOCL=0 -> OK")


def test_a_socket_for_whoever_sends_to_its_port_answers_each() -> None:
    opened = replay(BC95, BC95.listen(9502), "AT+NSOCR=DGRAM,17,9502,1 -> 0 / OK")
    assert opened == Socket(0, Kind.UDP, "", 9502)
    to = replace(opened, host="10.0.0.9", port=5683)
    replay(BC95, BC95.send(to, b"H"), "AT+NSOST=0,10.0.0.9,5683,1,48 -> 0,1 / OK")


def test_nothing_that_waits_is_an_empty_answer() -> None:
    assert replay(BC95, BC95.receive(SOCKET), "AT+NSORF=0,512 -> OK") is None


@transcript
def test_five_bytes_announced_as_four_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="5 bytes was announced as 4"):
        replay(BC95, BC95.receive(SOCKET), "AT+NSORF=0,512 -> 0,119.23.26.195,9100,4,48656C6C6F,0 / OK")


def test_a_send_that_the_module_cut_short_is_an_error() -> None:
    with pytest.raises(RemoteProtocolError, match="told as 0,1"):
        replay(BC95, BC95.send(SOCKET, b"ab"), "AT+NSOST=0,119.23.26.195,9100,2,6162 -> 0,1 / OK")


@transcript
def test_a_message_goes_only_once_the_platform_has_let_the_module_in() -> None:
    with pytest.raises(NotReady, match="MO_DATA_ENABLED is needed"):
        replay(BC95, BC95.send_message(b"\xff"), "AT+NMSTATUS? -> +NMSTATUS:INIITIALISED / OK")
    replay(
        BC95,
        BC95.send_message(b"\xff"),
        "AT+NMSTATUS? -> +NMSTATUS:MO_DATA_ENABLED / OK\nAT+NMGS=1,FF -> OK",
    )
    with pytest.raises(CommandRefused) as caught:
        replay(
            BC95,
            BC95.send_message(b"\xff"),
            "AT+NMSTATUS? -> +NMSTATUS:MO_DATA_ENABLED / OK\nAT+NMGS=1,FF -> +CME ERROR: 513",
        )
    assert caught.value.code == 513


@transcript
def test_statistics_with_something_unsolicited_between_their_lines() -> None:
    figures = replay(
        BC95,
        BC95.figures(),
        "AT+NUESTATS -> Signal power:-758 / Total power:-706 / TX power:230 / TX time:438 / RX time:16193 / "
        "Cell ID:3535136 / +NSONMI:0,3 / ECL:0 / SNR:132 / EARFCN:3518 / PCI:22 / RSRQ:-108 / OK",
    )
    assert (figures.rsrp, figures.tx_power, figures.cell, figures.ecl) == (-758, 230, 3535136, 0)


def test_what_it_says_unasked() -> None:
    assert hear(BC95, b"\r\n+NSOCLI: 2\r\n\r\n+NPSMR:1\r\n\r\n+NPSMR: 0\r\n") == [
        Closed(2),
        PowerSaving(True),
        PowerSaving(False),
    ]


def test_it_refuses_tcp_and_says_why() -> None:
    with pytest.raises(LocalProtocolError, match="bc95 has no TCP: its sockets carry datagrams"):
        next(BC95.open_socket(Kind.TCP, "127.0.0.1", 1883))
