from sim_devices.modem.network import Network
from tests.sim_devices.modem.host import tcp_peer, typing_at, udp_peer


async def test_the_transcript_of_a_datagram_there_and_back() -> None:
    async with udp_peer() as peer, typing_at("bc660k") as host:
        await host.ask('AT+QICFG="dataformat",1,1', "OK")
        await host.ask(f'AT+QIOPEN=0,0,"UDP","host",{peer.port}', "OK", "+QIOPEN: 0,0")
        await host.ask('AT+QISEND=0,4,"01020304"', "OK", "SEND OK")
        await host.until(lambda: peer.got == [b"\1\2\3\4"])
        peer.send(b"OK")
        await host.expect('+QIURC: "recv",0,2,"4f4b"')
        await host.ask("AT+QICLOSE=0", "OK", "CLOSE OK")


async def test_lengths_are_bytes_and_a_wrong_one_is_refused() -> None:
    async with udp_peer() as peer, typing_at("bc660k") as host:
        await host.ask('AT+QICFG="dataformat",1,1', "OK")
        await host.ask(f'AT+QIOPEN=0,0,"UDP","127.0.0.1",{peer.port}', "OK", "+QIOPEN: 0,0")
        await host.ask('AT+QISEND=0,8,"01020304"', "ERROR")
        assert peer.got == []


async def test_without_the_format_set_payloads_are_text() -> None:
    async with udp_peer() as peer, typing_at("bc660k") as host:
        await host.ask(f'AT+QIOPEN=0,0,"UDP","127.0.0.1",{peer.port}', "OK", "+QIOPEN: 0,0")
        await host.ask('AT+QISEND=0,8,"01020304"', "OK", "SEND OK")
        await host.until(lambda: peer.got == [b"01020304"])


async def test_it_prompts_for_data_that_may_be_anything() -> None:
    async with udp_peer() as peer, typing_at("bc660k") as host:
        await host.ask(f'AT+QIOPEN=0,0,"UDP","127.0.0.1",{peer.port}', "OK", "+QIOPEN: 0,0")
        host.type("AT+QISEND=0,5")
        await host.until(lambda: host.rest == b"> ")
        host.modem.receive(b"A\r\n\x1bT")
        await host.expect("OK", "SEND OK")
        await host.until(lambda: peer.got == [b"A\r\n\x1bT"])
        host.type("AT+QISEND=0,5")
        host.modem.receive(b"\x1b")
        await host.expect("OK")
        await host.ask("AT", "OK")


async def test_a_stream_goes_both_ways_in_order_however_slow_and_lossy_the_network() -> None:
    network = Network(registration_s=0.0, delay_s=0.02, loss=0.3)
    async with tcp_peer() as (peer, port), typing_at("bc660k", network) as host:
        await host.until(lambda: host.modem.is_registered)
        await host.ask('AT+QICFG="dataformat",1,1', "OK")
        await host.ask(f'AT+QIOPEN=0,1,"TCP","127.0.0.1",{port}', "OK", "+QIOPEN: 1,0")
        for number in range(20):
            host.type(f'AT+QISEND=1,1,"{number:02X}"')
        await host.until(lambda: bytes(peer.got) == bytes(range(20)))
        peer.send(b"ab")
        await host.expect('+QIURC: "recv",1,2,"6162"')
        assert peer.transport is not None
        peer.transport.close()
        await host.expect('+QIURC: "closed",1')
        await host.ask('AT+QISEND=1,1,"00"', "OK", "SEND FAIL")


async def test_a_connection_nobody_takes_is_told_and_its_number_stays_taken() -> None:
    async with tcp_peer() as (_, port):
        pass
    async with typing_at("bc660k") as host:
        await host.ask("AT+CMEE=1", "OK")
        await host.ask(f'AT+QIOPEN=0,0,"TCP","127.0.0.1",{port}', "OK", "+QIOPEN: 0,566")
        await host.ask(f'AT+QIOPEN=0,0,"TCP","127.0.0.1",{port}', "+CME ERROR: 563")
        await host.ask("AT+QICLOSE=0", "OK", "CLOSE OK")


async def test_losing_its_registration_costs_a_module_its_connections() -> None:
    network = Network(registration_s=0.0)
    async with tcp_peer() as (_, port), typing_at("bc660k", network) as host:
        await host.until(lambda: host.modem.is_registered)
        await host.ask(f'AT+QIOPEN=0,0,"TCP","127.0.0.1",{port}', "OK", "+QIOPEN: 0,0")
        network.covered = False
        await host.expect('+QIURC: "closed",0')


async def test_its_serving_cell_has_empty_fields_while_it_searches() -> None:
    network = Network(registration_s=0.0, cell=0x288516)
    async with typing_at("bc660k", network) as host:
        await host.until(lambda: host.modem.is_registered)
        await host.ask("AT+QENG=0", '+QENG: 0,3518,2,22,"00288516",-89,-11,-84,13,5,"1F4A",0,14,2', "OK")
        network.covered = False
        await host.until(lambda: not host.modem.is_registered)
        await host.ask("AT+QENG=0", '+QENG: 0,3518,2,22,"",,,,,5,"",,,2', "OK")
