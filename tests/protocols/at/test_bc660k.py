import pytest

from protocols.at.bc660k import Bc660k
from protocols.at.command import CommandRefused
from protocols.at.dialect import Closed, Kind, PowerSaving, Received, Socket
from protocols.errors import RemoteProtocolError
from tests.protocols.at.replay import hear, replay

transcript = pytest.mark.vectors("AT commands of NB-IoT modems", "transcripts of BC95, BC660K and SIM7020")


BC660K = Bc660k()
SOCKET = Socket(0, Kind.UDP, "host", 11001)


@transcript
def test_a_datagram_there_and_back() -> None:
    opened = replay(
        BC660K, BC660K.open_socket(Kind.UDP, "host", 11001), 'AT+QIOPEN=0,0,"UDP","host",11001 -> OK / +QIOPEN: 0,0'
    )
    assert opened == SOCKET
    replay(BC660K, BC660K.send(SOCKET, b"\1\2\3\4"), 'AT+QISEND=0,4,"01020304" -> OK / SEND OK')
    assert hear(BC660K, b'\r\n+QIURC: "recv",0,2,"4f4b"\r\n') == [Received(0, b"OK")]
    replay(BC660K, BC660K.close(SOCKET), "AT+QICLOSE=0 -> OK / CLOSE OK")


def test_a_connection_that_fails_gives_its_number_back() -> None:
    with pytest.raises(CommandRefused, match=r"\+QIOPEN: 1,566"):
        replay(
            BC660K,
            BC660K.open_socket(Kind.TCP, "127.0.0.1", 1883, [0]),
            'AT+QIOPEN=0,1,"TCP","127.0.0.1",1883 -> OK / +QIOPEN: 1,566\nAT+QICLOSE=1 -> OK / CLOSE OK',
        )


def test_a_send_that_failed_is_an_error_though_ok_was_said() -> None:
    with pytest.raises(CommandRefused, match="SEND FAIL"):
        replay(BC660K, BC660K.send(SOCKET, b"\1"), 'AT+QISEND=0,1,"01" -> OK / SEND FAIL')


@pytest.mark.parametrize("said", ['"recv",0,4,"4f4b"', '"recv",0,1,"4f4b"', '"recv",0,2,"4f4"', '"recv",0'])
def test_a_payload_of_another_length_than_announced_is_refused(said: str) -> None:
    with pytest.raises(RemoteProtocolError):
        BC660K.hear(f"+QIURC: {said}")


def test_what_it_says_unasked() -> None:
    stream = b'\r\n+QIURC: "closed",0\r\n\r\n+QNBIOTEVENT:"ENTER PSM"\r\n\r\n+QNBIOTEVENT: "EXIT PSM"\r\n'
    assert hear(BC660K, stream) == [Closed(0), PowerSaving(True), PowerSaving(False)]
    assert BC660K.hear('+QIURC: "dnsgip",0') is None


def test_its_serving_cell_leaves_the_transmit_power_open() -> None:
    figures = replay(
        BC660K,
        BC660K.figures(),
        'AT+QENG=0 -> +QENG: 0,1769,9,400,"00288516",-103,-9,-94,5,3,"A924",0,14,2 / OK',
    )
    assert (figures.rsrp, figures.snr, figures.cell, figures.tx_power) == (-1030, 50, 0x288516, None)
