from sim_devices.modem.network import Network
from tests.sim_devices.modem.host import tcp_peer, typing_at, udp_peer


async def test_the_transcript_of_a_datagram_there_and_back() -> None:
    async with udp_peer() as peer, typing_at("sim7020") as host:
        await host.ask("AT+CSOC=1,2,1", "+CSOC: 0", "OK")
        await host.ask(f'AT+CSOCON=0,{peer.port},"117.131.85.139"', "OK")
        await host.ask('AT+CSOSEND=0,0,"Hello Light"', "OK")
        await host.until(lambda: peer.got == [b"Hello Light"])
        peer.send(b"hello SIM7020E")
        await host.expect("+CSONMI: 0,28,68656C6C6F2053494D3730323045")


async def test_it_counts_digits_and_refuses_bytes() -> None:
    async with udp_peer() as peer, typing_at("sim7020") as host:
        await host.ask("AT+CSOC=1,2,1", "+CSOC: 0", "OK")
        await host.ask(f'AT+CSOCON=0,{peer.port},"127.0.0.1"', "OK")
        await host.ask("AT+CSOSEND=0,5,48656C6C6F", "ERROR")
        await host.ask("AT+CSOSEND=0,10,48656C6C6F", "OK")
        await host.ask('AT+CSOSEND=0,10,"48656C6C6F"', "OK")
        await host.until(lambda: peer.got == [b"Hello"] * 2)


async def test_a_stream_and_its_end() -> None:
    async with tcp_peer() as (peer, port), typing_at("sim7020") as host:
        await host.ask("AT+CSOC=1,1,1", "+CSOC: 0", "OK")
        await host.ask(f'AT+CSOCON=0,{port},"127.0.0.1"', "OK")
        await host.ask("AT+CSOSEND=0,4,0102", "OK")
        await host.until(lambda: bytes(peer.got) == b"\1\2")
        peer.send(b"x")
        await host.expect("+CSONMI: 0,2,78")
        assert peer.transport is not None
        peer.transport.close()
        await host.expect("+CSOERR: 0,4")
        await host.ask("AT+CSOSEND=0,4,0102", "ERROR")


async def test_a_connection_nobody_takes_is_an_error() -> None:
    async with tcp_peer() as (_, port):
        pass
    async with typing_at("sim7020") as host:
        await host.ask("AT+CSOC=1,1,1", "+CSOC: 0", "OK")
        await host.ask(f'AT+CSOCON=0,{port},"127.0.0.1"', "ERROR")


async def test_its_serving_cell() -> None:
    network = Network(registration_s=0.0, cell=0x0D8BE902, ecl=1)
    async with typing_at("sim7020", network) as host:
        await host.until(lambda: host.modem.is_registered)
        line = '+CENG: 3518,2,22,"0D8BE902",-89,-11,-84,13,8,"1F4A",1,-32768,-89'
        await host.ask("AT+CENG?", line, "OK")
