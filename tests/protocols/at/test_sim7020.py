import pytest

from protocols.at.command import CommandRefused
from protocols.at.dialect import Closed, Kind, PowerSaving, Received, Socket
from protocols.at.sim7020 import Sim7020
from protocols.errors import RemoteProtocolError
from tests.protocols.at.replay import hear, replay

transcript = pytest.mark.vectors("AT commands of NB-IoT modems", "transcripts of BC95, BC660K and SIM7020")


SIM7020 = Sim7020()
SOCKET = Socket(0, Kind.UDP, "117.131.85.139", 8309)
OPEN = 'AT+CSOC=1,2,1 -> +CSOC: 0 / OK\nAT+CSOCON=0,8309,"117.131.85.139" -> '


@transcript
def test_a_datagram_there_and_back() -> None:
    opened = replay(SIM7020, SIM7020.open_socket(Kind.UDP, "117.131.85.139", 8309), OPEN + "OK")
    assert opened == SOCKET
    replay(SIM7020, SIM7020.send(SOCKET, b"Hello Light"), "AT+CSOSEND=0,22,48656C6C6F204C69676874 -> OK")
    assert hear(SIM7020, b"\r\n+CSONMI: 0,28,68656C6C6F2053494D3730323045\r\n") == [Received(0, b"hello SIM7020E")]
    replay(SIM7020, SIM7020.close(SOCKET), "AT+CSOCL=0 -> OK")


def test_it_counts_digits_and_not_bytes() -> None:
    for said in ("0,14,68656C6C6F2053494D3730323045", "0,27,68656C6C6F2053494D373032304", "0,2,6", "0,2"):
        with pytest.raises(RemoteProtocolError):
            SIM7020.hear(f"+CSONMI: {said}")


def test_a_connection_that_fails_gives_its_socket_back() -> None:
    with pytest.raises(CommandRefused, match="CSOCON"):
        replay(SIM7020, SIM7020.open_socket(Kind.UDP, "117.131.85.139", 8309), OPEN + "ERROR\nAT+CSOCL=0 -> OK")


def test_tcp_is_socket_type_one() -> None:
    transcript = 'AT+CSOC=1,1,1 -> +CSOC: 1 / OK\nAT+CSOCON=1,1883,"127.0.0.1" -> OK'
    assert replay(SIM7020, SIM7020.open_socket(Kind.TCP, "127.0.0.1", 1883), transcript).number == 1


def test_what_it_says_unasked() -> None:
    stream = b'\r\n+CSOERR: 0,4\r\n\r\n+CPSMSTATUS: "ENTER PSM"\r\n\r\n+CPSMSTATUS:"EXIT PSM"\r\n'
    assert hear(SIM7020, stream) == [Closed(0), PowerSaving(True), PowerSaving(False)]


def test_its_serving_cell() -> None:
    line = '+CENG: 3738,2,27,"0D8BE902",-96,-13,-83,-2,8,"5C14",255,-32768,-96'  # secondary source
    figures = replay(SIM7020, SIM7020.figures(), f"AT+CENG? -> {line} / OK")
    assert (figures.rsrp, figures.rsrq, figures.rssi, figures.snr) == (-960, -130, -830, -20)
    assert (figures.ecl, figures.tx_power, figures.cell) == (None, None, 0x0D8BE902)
