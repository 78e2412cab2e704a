import asyncio
from decimal import Decimal

import pytest

from drivers.base import Active, LineDown, NotSent, Span, Unreachable
from drivers.nbiot.line import ModemLine
from drivers.nbiot.link import load_model
from protocols.at.dialect import Kind
from sim_devices.modem.modem import Hang
from tests.drivers.nbiot.conftest import MakeField
from tests.sim_devices.modem.host import tcp_peer

SPAN = Span("link", 0, 1)
MODEL = load_model("nb_modem")


def values(raw: bytes) -> dict[str, float | None]:
    return {MODEL.channels[each.channel].name: each.value for each in MODEL.decode(SPAN, raw)}


async def test_the_link_is_read_while_the_same_module_carries_traffic(modem: MakeField) -> None:
    async with tcp_peer() as (peer, port), modem("sim7020", rsrp_dbm=-104, snr_db=-3, ecl=1) as field:
        line = ModemLine(field.owner)
        assert isinstance(line, Active)
        await line.open()
        await field.owner.ready()
        socket = await field.owner.open_socket(Kind.TCP, "127.0.0.1", port)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(socket.send(bytes(5000)))
            found = values(await line.read(1, SPAN, 5.0))
            assert not sending.done()
        assert (found["rsrp"], found["snr"], found["ecl"], found["registration"]) == (-1040, -30, 1, 1)
        await field.until(lambda: len(peer.got) == 5000)
        await line.close()
        assert values(await line.read(1, SPAN, 5.0))["tx_power"] == 230


async def test_a_module_that_hangs_is_a_device_that_does_not_answer(modem: MakeField) -> None:
    async with modem("bc95", powers=False) as field:
        line = ModemLine(field.owner)
        await field.owner.ready()
        field.sim.hang(Hang.DEAD)
        for _ in range(3):
            with pytest.raises(Unreachable):
                await line.read(1, SPAN, 0.3)


async def test_a_line_opens_once_its_module_answers_and_says_why_it_does_not(
    modem: MakeField, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.nbiot.line.OPENING_S", 0.3)
    async with modem("bc95") as field:
        await ModemLine(field.owner).open()
        field.sim.power_off()
        await field.until(lambda: field.owner.recoveries)
        with pytest.raises(LineDown, match="it does not answer"):
            await ModemLine(field.owner).open()


async def test_a_link_cannot_be_written(modem: MakeField) -> None:
    async with modem("bc95") as field:
        with pytest.raises(NotSent, match=r"nb_modem\.rsrp"):
            await ModemLine(field.owner).write(1, MODEL, 1, Decimal(1), 1.0)
