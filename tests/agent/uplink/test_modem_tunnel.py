import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from agent.uplink.modem_tunnel import ModemTunnel
from sim_devices.modem.modem import Hang
from tests.drivers.nbiot.field import Field, modem_field
from tests.sim_devices.modem.host import TcpPeer, tcp_peer


@asynccontextmanager
async def carried(folder: Path, family: str, **options: Any) -> AsyncIterator[tuple[Field, ModemTunnel, TcpPeer]]:
    async with tcp_peer() as (peer, port), modem_field(folder, family, **options) as field:
        tunnel = ModemTunnel(field.owner, "127.0.0.1", port)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(tunnel.run())
            try:
                yield field, tunnel, peer
            finally:
                running.cancel()


async def ended(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(8):
        with suppress(ConnectionError):
            assert await reader.read() == b""


@pytest.mark.parametrize("family", ["bc660k", "sim7020"])
async def test_what_is_written_to_the_port_comes_out_of_the_modem_and_back(family: str, tmp_path: Path) -> None:
    up, down = bytes(range(256)) * 12, bytes(range(255, -1, -1)) * 9
    async with carried(tmp_path, family, delay_s=0.01) as (field, tunnel, peer):
        reader, writer = await asyncio.open_connection(*await tunnel.reach())
        writer.write(up)
        await field.until(lambda: bytes(peer.got) == up)
        peer.send(down)
        assert await reader.readexactly(len(down)) == down
        writer.close()
        await field.until(lambda: peer.closed)
        assert field.sim.counters.tx_ms > 0


async def test_the_client_learns_at_once_that_the_modem_hangs_and_connects_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    async with carried(tmp_path, "bc660k") as (field, tunnel, peer):
        reader, writer = await asyncio.open_connection(*await tunnel.reach())
        writer.write(b"one")
        await field.until(lambda: peer.got == b"one")
        field.sim.hang(Hang.STACK)
        await ended(reader)
        writer.close()
        _, writer = await asyncio.open_connection(*await tunnel.reach())
        writer.write(b"two")
        await field.until(lambda: peer.got == b"onetwo")
        writer.close()


async def test_a_new_connection_ends_the_one_before(tmp_path: Path) -> None:
    async with carried(tmp_path, "sim7020") as (field, tunnel, peer):
        reader, first = await asyncio.open_connection(*await tunnel.reach())
        first.write(b"1")
        await field.until(lambda: peer.got == b"1")
        _, second = await asyncio.open_connection(*await tunnel.reach())
        await ended(reader)
        second.write(b"2")
        await field.until(lambda: peer.got == b"12")
        await field.until(lambda: len(field.sim.sockets) == 1)
        for each in (first, second):
            each.close()


async def test_while_the_modem_searches_there_is_nowhere_to_connect_and_it_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.uplink.modem_tunnel.READY_S", 0.2)
    async with carried(tmp_path, "bc660k", registration_s=60.0) as (field, tunnel, _):
        await field.owner.answering()
        with pytest.raises(OSError, match="searching for its network"):
            await tunnel.reach()
