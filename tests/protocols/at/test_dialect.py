"""What all families have in common, each held to it."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.at.command import Command, Procedure, Response
from protocols.at.dialect import Dialect, Kind, Registered, Socket
from protocols.at.dialects import DIALECTS
from protocols.at.figures import Registration
from protocols.errors import LocalProtocolError, RemoteProtocolError
from tests.protocols.at.replay import replay

transcript = pytest.mark.vectors("AT commands of NB-IoT modems", "transcripts of BC95, BC660K and SIM7020")


every = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


@every
@transcript
def test_attach_signal_and_registration(dialect: Dialect) -> None:
    assert replay(dialect, dialect.signal(), "AT+CSQ -> +CSQ:13,99 / OK") == -87
    assert replay(dialect, dialect.registration(), "AT+CEREG? -> +CEREG:0,1 / OK") is Registration.HOME
    replay(dialect, dialect.attach(), "AT+CGATT=1 -> OK")


@every
def test_a_change_of_registration_is_no_answer_to_the_question_for_it(dialect: Dialect) -> None:
    heard = replay(dialect, dialect.registration(), "AT+CEREG? -> +CEREG: 3 / +CEREG: 1,2 / OK")
    assert heard is Registration.SEARCHING
    assert dialect.hear("+CEREG: 3") == Registered(Registration.DENIED)


@every
def test_power_saving_is_asked_for_in_timers(dialect: Dialect) -> None:
    replay(dialect, dialect.power_save((310 * 3600, 2)), 'AT+CPSMS=1,,,"01011111","00000001" -> OK')
    replay(dialect, dialect.power_save(None), "AT+CPSMS=0 -> OK")


@every
def test_the_echo_is_the_first_thing_that_is_set(dialect: Dialect) -> None:
    assert dialect.setup()[0] == Command("ATE1")


@every
def test_more_sockets_than_a_module_has_are_not_asked_for(dialect: Dialect) -> None:
    with pytest.raises(LocalProtocolError, match=f"all {dialect.sockets} sockets"):
        next(dialect.open_socket(Kind.UDP, "127.0.0.1", 5683, range(dialect.sockets)))


@every
def test_no_payload_beyond_what_a_module_takes_is_sent(dialect: Dialect) -> None:
    socket = Socket(0, Kind.UDP, "127.0.0.1", 5683)
    for data in (b"", bytes(dialect.longest + 1)):
        with pytest.raises(LocalProtocolError, match="bytes at once"):
            next(dialect.send(socket, data))
    assert len(next(dialect.send(socket, bytes(dialect.longest))).text) > 2 * dialect.longest


@every
def test_a_host_that_no_command_can_carry_is_refused(dialect: Dialect) -> None:
    for host, port in (('h"\r\nAT+CFUN=0', 1), ("127.0.0.1", 0), ("127.0.0.1", 65536)):
        with pytest.raises(LocalProtocolError):
            next(dialect.open_socket(Kind.UDP, host, port))
    assert dialect.takes_names == (dialect.name == "bc660k")
    if not dialect.takes_names:
        with pytest.raises(LocalProtocolError, match="looks up no names"):
            next(dialect.open_socket(Kind.UDP, "fleet.example", 5683))


@every
def test_a_line_that_means_nothing_to_us_is_passed_over(dialect: Dialect) -> None:
    assert dialect.hear("+XNEWS: 1") is None
    assert dialect.hear("Neul") is None


@every
def test_only_who_can_listen_does(dialect: Dialect) -> None:
    if dialect.listens:
        assert isinstance(next(dialect.listen(9502)), Command)
    else:
        with pytest.raises(LocalProtocolError, match="nobody on port 9502"):
            next(dialect.listen(9502))


def test_receiving_is_asked_for_only_where_the_module_waits_for_it() -> None:
    socket = Socket(0, Kind.UDP, "127.0.0.1", 5683)
    with pytest.raises(LocalProtocolError, match="by itself"):
        next(DIALECTS["sim7020"].receive(socket))
    assert isinstance(Response(next(DIALECTS["bc95"].receive(socket)), "OK"), Response)


NAMES = ("+QIURC", "+CSONMI", "+NSONMI", "+NSOCLI", "+CSOERR", "+CEREG", "+NPSMR", "+CPSMSTATUS", "+QNBIOTEVENT", "+X")
fields = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(['"recv"', '"closed"', '"ENTER PSM"', "", '"', "4F4B", '"4f4b"', "4G", '"4f"x', "OK"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8),
)
lines = st.builds(
    lambda name, colon, values: name + colon + ",".join(values),
    st.sampled_from((*NAMES, "", "Signal power", "Cell ID", "ECL", "+QENG", "+CENG", "+CSQ", "+CGATT", "+NSORF", "0")),
    st.sampled_from((":", ": ", " : ", "")),
    st.lists(fields, max_size=14),
)


@given(st.sampled_from(sorted(DIALECTS)), lines)
def test_whatever_a_module_says_unasked_is_understood_passed_over_or_its_fault(name: str, line: str) -> None:
    with suppress(RemoteProtocolError):
        DIALECTS[name].hear(line)


ASKED = (
    lambda dialect: dialect.registration(),
    lambda dialect: dialect.signal(),
    lambda dialect: dialect.figures(),
    lambda dialect: dialect.open_socket(Kind.UDP, "127.0.0.1", 5683),
    lambda dialect: dialect.send(Socket(0, Kind.UDP, "127.0.0.1", 5683), b"x"),
    lambda dialect: dialect.receive(Socket(0, Kind.UDP, "127.0.0.1", 5683)),
)


@given(st.sampled_from(sorted(DIALECTS)), st.sampled_from(ASKED), st.lists(lines, max_size=4), st.data())
def test_whatever_a_module_answers_is_understood_or_its_fault(
    name: str, ask: Callable[[Dialect], Procedure[object]], said: list[str], data: st.DataObject
) -> None:
    """Lines that no pattern of the command would have let through are in it, too."""
    finals = st.sampled_from(("OK", "OK", "OK", "ERROR", "+CME ERROR: 50", "+CME ERROR: SIM failure", ""))
    procedure = ask(DIALECTS[name])
    with suppress(RemoteProtocolError, LocalProtocolError, StopIteration):
        command = next(procedure)
        while True:
            response = Response(command, data.draw(finals), tuple(said), data.draw(lines))
            command = procedure.send(response)
