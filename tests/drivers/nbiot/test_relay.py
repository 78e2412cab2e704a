import asyncio
from functools import partial
from pathlib import Path

from drivers.base import LineConfig
from drivers.coap.family import COAP
from drivers.nbiot.relay import PING, Relay
from protocols.at.dialect import Kind
from sim_devices.coap.message import Type, decode, post
from sim_devices.modem.modem import Hang
from tests.drivers.coap.conftest import free_port
from tests.drivers.nbiot.conftest import MakeField
from tests.sim_devices.modem.host import udp_peer


async def test_datagrams_reach_a_server_on_this_machine_and_its_answers_go_back(modem: MakeField) -> None:
    async with udp_peer() as sensor, udp_peer() as server, modem("bc95") as field:
        relay = Relay(field.owner, ("127.0.0.1", sensor.port), ("127.0.0.1", server.port))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(relay.run())
            await field.until(lambda: sensor.got == [PING])
            for data in (b"one", b"two", b"three"):
                sensor.send(data)
            await field.until(lambda: server.got == [b"one", b"two", b"three"])
            server.send(b"changed")
            await field.until(lambda: sensor.got == [PING, b"changed"])
            running.cancel()


async def test_of_several_sensors_each_gets_its_own_answers(modem: MakeField) -> None:
    port = free_port()
    async with udp_peer() as one, udp_peer() as two, udp_peer() as server, modem("bc95") as field:
        relay = Relay(field.owner, port, ("127.0.0.1", server.port))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(relay.run())
            await field.until(lambda: field.sim.sockets)
            for number, (sensor, data) in enumerate(((one, b"one"), (two, b"two"), (one, b"again")), 1):
                sensor.transport.sendto(data, ("127.0.0.1", port))
                await field.until(partial(lambda wanted: len(server.got) == wanted, number))
                server.send(b"to " + server.got[-1])
            await field.until(lambda: (one.got, two.got) == ([b"to one", b"to again"], [b"to two"]))
            running.cancel()


async def test_a_stranger_is_not_heard_on_a_socket_that_has_a_peer(modem: MakeField) -> None:
    async with udp_peer() as peer, udp_peer() as stranger, modem("bc95") as field:
        await field.owner.ready()
        socket = await field.owner.open_socket(Kind.UDP, "127.0.0.1", peer.port)
        await socket.send(b"x")
        await field.until(lambda: peer.got)
        stranger.transport.sendto(b"forged", peer.sender)
        await field.until(lambda: field.sim.counters.rx_ms)
        peer.send(b"true")
        assert await socket.receive() == b"true"


async def test_it_goes_on_after_the_module_was_brought_back(modem: MakeField) -> None:
    async with udp_peer() as sensor, udp_peer() as server, modem("bc660k") as field:
        relay = Relay(field.owner, ("127.0.0.1", sensor.port), ("127.0.0.1", server.port), again_s=0.05)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(relay.run())
            await field.until(lambda: sensor.got)
            field.sim.hang(Hang.STACK)
            await field.until(lambda: len(sensor.got) == 2)
            sensor.send(b"again")
            await field.until(lambda: server.got == [b"again"])
            running.cancel()


async def test_a_sensors_pack_reaches_the_coap_server_through_the_module_and_the_sensor_its_answer(
    modem: MakeField,
) -> None:
    port, unit = free_port(), "urn:dev:mac:0024befffe804ff1"
    config = LineConfig("coap", f"127.0.0.1:{port}", options=COAP.options({"plain": "loopback"}, Path()))
    listener = COAP.create_listener(config, {unit: COAP.load_model("climate_sensor")})
    await listener.open()
    try:
        async with udp_peer() as sensor, modem("sim7020", delay_s=0.02) as field:
            relay = Relay(field.owner, ("127.0.0.1", sensor.port), ("127.0.0.1", port))
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(relay.run())
                await field.until(lambda: sensor.got == [PING])
                pack = b'[{"bn":"urn:dev:mac:0024befffe804ff1:","n":"temperature","u":"Cel","v":21.25}]'
                sensor.send(post(7, b"t", "senml", 110, pack, Type.CON).encode())
                report = await listener.next()
                assert (report.unit, next(iter(report.moments[0][1])).value) == (unit, 2125)
                await field.until(lambda: "2.04" in [decode(data).code_text for data in sensor.got[1:]])
                running.cancel()
    finally:
        await listener.close()
