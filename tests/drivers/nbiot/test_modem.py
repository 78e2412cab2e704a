import asyncio

import pytest

from drivers.base import LineDown, NotSent, Refused, Unreachable
from drivers.nbiot.modem import State
from protocols.at.command import Command, Procedure, lines_of
from protocols.at.dialect import Kind
from protocols.at.dialects import DIALECTS
from sim_devices.modem.modem import Hang
from tests.drivers.nbiot.conftest import MakeField
from tests.sim_devices.modem.host import tcp_peer, udp_peer

every = pytest.mark.parametrize("family", sorted(DIALECTS))
with_tcp = pytest.mark.parametrize("family", ["bc660k", "sim7020"])


@every
async def test_datagrams_go_both_ways_whole_and_in_order(family: str, modem: MakeField) -> None:
    async with udp_peer() as peer, modem(family) as field:
        await field.owner.ready()
        socket = await field.owner.open_socket(Kind.UDP, "127.0.0.1", peer.port)
        sent = [bytes(range(256))[number:] * 2 for number in (0, 200, 255)]
        for data in sent:
            await socket.send(data)
        await field.until(lambda: peer.got == sent)
        for data in (b"OK\r\n", b"\x00", b'","', bytes(500)):
            peer.send(data)
        assert [await socket.receive() for _ in range(4)] == [b"OK\r\n", b"\x00", b'","', bytes(500)]
        await socket.close()
        with pytest.raises(Unreachable, match="closed"):
            await socket.send(b"x")
        assert field.sim.sockets == {}


@with_tcp
async def test_a_stream_of_any_length_arrives_whole_through_a_slow_and_lossy_network(
    family: str, modem: MakeField
) -> None:
    content = bytes(number * 7 % 256 for number in range(6000))
    async with tcp_peer() as (peer, port), modem(family, delay_s=0.01, loss=0.05) as field:
        await field.owner.ready()
        socket = await field.owner.open_socket(Kind.TCP, "127.0.0.1", port)
        await socket.send(content)
        await field.until(lambda: bytes(peer.got) == content)
        peer.send(content)
        got = b""
        while len(got) < len(content):
            got += await socket.receive()
        assert got == content
        assert peer.transport is not None
        peer.transport.close()
        with pytest.raises(Unreachable):
            await socket.receive()
        await socket.close()
        assert (await field.owner.open_socket(Kind.TCP, "127.0.0.1", port)).socket.number == 0


@every
async def test_figures_can_be_asked_for_while_the_network_is_searched_but_no_socket_opened(
    family: str, modem: MakeField
) -> None:
    async with modem(family, registration_s=60.0) as field:
        await field.owner.answering()
        assert (await field.owner.ask(field.owner.dialect.figures())).rsrp is None
        with pytest.raises(Unreachable, match="searching"):
            await field.owner.open_socket(Kind.UDP, "127.0.0.1", 5683)


@pytest.mark.parametrize(
    ("family", "kind", "powered"),
    [
        ("bc660k", Hang.PROMPT, 0),
        ("bc95", Hang.RADIO, 0),
        ("bc95", Hang.STACK, 0),
        ("bc660k", Hang.STACK, 0),
        ("sim7020", Hang.STACK, 0),
        ("sim7020", Hang.DEAD, 1),
    ],
)
async def test_a_hung_module_is_brought_back_by_the_mildest_cure(
    family: str, kind: Hang, powered: int, modem: MakeField
) -> None:
    async with udp_peer() as peer, modem(family) as field:
        await field.owner.ready()
        field.sim.hang(kind)
        await field.until(lambda: field.owner.recoveries > 0 and field.owner.state is State.READY, 20)
        assert field.powered == powered
        socket = await field.owner.open_socket(Kind.UDP, "127.0.0.1", peer.port)
        await socket.send(b"back")
        await field.until(lambda: peer.got == [b"back"])


@pytest.mark.long
async def test_without_a_hook_a_dead_module_is_tried_again_until_somebody_went_there(modem: MakeField) -> None:
    async with modem("bc660k", powers=False) as field:
        await field.owner.ready()
        field.sim.hang(Hang.DEAD)
        await field.until(lambda: field.owner.recoveries >= 4, 20)
        with pytest.raises(Unreachable, match="does not answer"):
            await field.owner.ask(field.owner.dialect.signal())
        field.sim.power_cycle()
        await asyncio.wait_for(field.owner.ready(), 20)


@every
async def test_a_reboot_in_the_middle_ends_the_sockets_and_nothing_else(family: str, modem: MakeField) -> None:
    async with udp_peer() as peer, modem(family) as field:
        await field.owner.ready()
        socket = await field.owner.open_socket(Kind.UDP, "127.0.0.1", peer.port)
        field.sim.brown_out()
        with pytest.raises(Unreachable):
            await socket.receive()
        await field.until(lambda: field.owner.state is State.READY)
        again = await field.owner.open_socket(Kind.UDP, "127.0.0.1", peer.port)
        await socket.close()  # of a number that is another's by now
        await again.send(b"alive")
        await field.until(lambda: peer.got == [b"alive"])
        assert (field.owner.recoveries, field.powered) == (0, 0)


async def test_a_module_without_coverage_is_ready_again_when_it_has_it(modem: MakeField) -> None:
    async with modem("sim7020") as field:
        await field.owner.ready()
        field.network.covered = False
        await field.until(lambda: field.owner.state is State.SEARCHING)
        field.network.covered = True
        await field.owner.ready()
        assert field.owner.recoveries == 0


async def test_a_module_that_is_denied_has_its_radio_turned_off_and_on(modem: MakeField) -> None:
    async with modem("bc95", denied=True) as field:
        await field.until(lambda: field.owner.recoveries == 1)
        field.network.denied = False
        await field.owner.ready()
        assert field.powered == 0


async def test_sockets_that_another_left_open_are_closed_first(modem: MakeField) -> None:
    async with modem("bc660k") as field:
        await field.owner.ready()
        for number in range(5):
            field.sim.new_socket(stream=False, number=number)
        field.sim.hang(Hang.PROMPT)
        await field.until(lambda: field.owner.recoveries and field.owner.state is State.READY)
        assert field.sim.sockets == {}


async def test_a_caller_that_is_cancelled_spoils_no_later_answer(modem: MakeField) -> None:
    async with modem("bc660k") as field:
        await field.owner.ready()
        dialect = field.owner.dialect
        for _ in range(20):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await field.owner.ask(dialect.figures())
            assert await field.owner.ask(dialect.signal()) == -85
        assert field.owner.recoveries == 0


async def test_what_a_module_refuses_is_a_refusal_with_its_number(modem: MakeField) -> None:
    def nonsense() -> Procedure[None]:
        lines_of((yield Command("AT+NOSUCH")))

    async with tcp_peer() as (_, port):
        pass
    async with modem("bc660k") as field:
        await field.owner.ready()
        with pytest.raises(Refused, match="CME ERROR: 4") as caught:
            await field.owner.ask(nonsense())
        assert caught.value.code == 4
        with pytest.raises(Refused, match="566"):
            await field.owner.open_socket(Kind.TCP, "127.0.0.1", port)
        socket = await field.owner.open_socket(Kind.UDP, "127.0.0.1", port)
        with pytest.raises(NotSent, match=r"sends 1\.\.1024 bytes"):
            await socket.send(bytes(1025))


async def test_a_port_that_is_pulled_out_is_opened_again(modem: MakeField) -> None:
    async with modem("bc660k") as field:
        await field.owner.ready()
        field.port._pull_out()
        await field.until(lambda: field.owner.state is State.DOWN)
        with pytest.raises(Unreachable):
            await field.owner.ask(field.owner.dialect.signal())
        field.port._plug_in()
        await field.owner.ready()


async def test_a_port_that_is_not_there_is_tried_until_it_is(modem: MakeField) -> None:
    assert issubclass(LineDown, Unreachable)
    async with modem("bc660k") as field:
        field.port._pull_out()
        await field.until(lambda: "cannot be opened" in field.owner.fault or field.owner.state is State.DOWN)
        field.port._plug_in()
        await field.owner.ready()


@with_tcp
async def test_what_a_server_says_first_is_not_lost_while_the_socket_is_being_opened(
    family: str, modem: MakeField
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready")
        await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server, modem(family) as field:
        await field.owner.ready()
        for _ in range(3):
            socket = await field.owner.open_socket(Kind.TCP, "127.0.0.1", server.sockets[0].getsockname()[1])
            assert await socket.receive() == b"220 ready"
            await socket.close()


async def test_two_that_open_at_once_get_sockets_of_their_own(modem: MakeField) -> None:
    async with udp_peer() as one, udp_peer() as two, modem("bc660k") as field:
        await field.owner.ready()
        async with asyncio.TaskGroup() as tasks:
            opening = [tasks.create_task(field.owner.open_socket(Kind.UDP, "127.0.0.1", p.port)) for p in (one, two)]
        for each in opening:
            await each.result().send(bytes((each.result().socket.number,)))
        await field.until(lambda: (one.got, two.got) == ([b"\0"], [b"\1"]))


async def test_a_socket_that_nobody_waited_for_is_closed_again(modem: MakeField) -> None:
    async with udp_peer() as peer, modem("bc660k") as field:
        await field.owner.ready()
        for _ in range(10):  # twice as often as it has sockets
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await field.owner.open_socket(Kind.UDP, "127.0.0.1", peer.port)
            await field.until(lambda: not field.sim.sockets)
        socket = await field.owner.open_socket(Kind.UDP, "127.0.0.1", peer.port)
        await socket.send(b"x")
        await field.until(lambda: peer.got == [b"x"])


async def test_who_opens_right_after_sockets_that_nobody_waited_for_is_not_refused(modem: MakeField) -> None:
    async with udp_peer() as peer, modem("bc660k") as field:
        await field.owner.ready()
        for _ in range(4):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await field.owner.open_socket(Kind.UDP, "127.0.0.1", peer.port)
            socket = await field.owner.open_socket(Kind.UDP, "127.0.0.1", peer.port)
        await socket.send(b"x")
        await field.until(lambda: peer.got == [b"x"])


async def test_a_closing_that_is_cut_short_gives_the_module_its_number_back(modem: MakeField) -> None:
    async with udp_peer() as peer, modem("bc660k") as field:
        await field.owner.ready()
        for _ in range(10):  # twice as often as it has sockets
            socket = await field.owner.open_socket(Kind.UDP, "127.0.0.1", peer.port)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await socket.close()
            await field.until(lambda: not field.sim.sockets)


async def test_a_port_that_is_lost_in_the_middle_of_a_recovery_is_opened_again(modem: MakeField) -> None:
    async with modem("bc660k") as field:
        await field.owner.ready()
        field.sim.hang(Hang.DEAD)
        await field.until(lambda: field.owner.recoveries == 3)
        field.port._pull_out()
        await field.until(lambda: field.owner.state is State.DOWN)
        field.port._plug_in()
        field.sim.power_cycle()
        await asyncio.wait_for(field.owner.ready(), 8)


async def test_three_sendings_that_are_refused_are_a_radio_that_hangs_and_a_peer_that_is_away_is_not(
    modem: MakeField,
) -> None:
    async with tcp_peer() as (_, port):
        pass
    async with modem("bc660k") as field:
        await field.owner.ready()
        for _ in range(5):
            with pytest.raises(Refused):
                await field.owner.open_socket(Kind.TCP, "127.0.0.1", port)
        assert field.owner.recoveries == 0
        socket = await field.owner.open_socket(Kind.UDP, "127.0.0.1", port)
        field.sim.close_socket(0)  # behind its owner's back: every sending is an error
        for _ in range(3):
            with pytest.raises(Refused):
                await socket.send(b"x")
        await field.until(lambda: field.owner.recoveries == 1 and field.owner.state is State.READY)
        assert field.powered == 0
