from sim_devices.modem.network import Network
from tests.sim_devices.modem.host import typing_at, udp_peer


async def test_the_transcript_of_a_datagram_there_and_back() -> None:
    async with udp_peer() as peer, typing_at("bc95") as host:
        await host.ask("AT+NSOCR=DGRAM,17,9502,1", "0", "OK")
        await host.ask(f"AT+NSOST=0,119.23.26.195,{peer.port},1,48", "0,1", "OK")
        await host.until(lambda: peer.got == [b"H"])
        peer.send(b"abc")
        await host.expect("+NSONMI:0,3")
        host.type("AT+NSORF=0,3")
        await host.until(lambda: "OK" in host.said)
        assert host.said[0] == f"0,119.23.26.195,{peer.port},3,616263,0"
        await host.expect("OK")
        await host.ask("AT+NSORF=0,3", "OK")
        await host.ask("AT+NSOCL=0", "OK")
        await host.ask("AT+NSOCL=0", "ERROR")


async def test_five_bytes_announced_as_four_are_refused_and_not_sent() -> None:
    async with udp_peer() as peer, typing_at("bc95") as host:
        await host.ask("AT+NSOCR=DGRAM,17,0,1", "0", "OK")
        await host.ask(f"AT+NSOST=0,127.0.0.1,{peer.port},4,48656C6C6F", "ERROR")
        await host.ask(f"AT+NSOST=0,127.0.0.1,{peer.port},5,48656C6C6F", "0,5", "OK")
        await host.until(lambda: peer.got)
        assert peer.got == [b"Hello"]


async def test_several_datagrams_are_announced_once() -> None:
    async with udp_peer() as peer, typing_at("bc95") as host:
        await host.ask("AT+NSOCR=DGRAM,17,0,1", "0", "OK")
        await host.ask(f"AT+NSOST=0,127.0.0.1,{peer.port},1,48", "0,1", "OK")
        await host.until(lambda: peer.got)
        for data in (b"one", b"three"):
            peer.send(data)
        await host.until(lambda: len(host.modem.waiting[0]) == 2)
        assert host.said == ["+NSONMI:0,3"]
        host.type("AT+NSORF=0,512")
        await host.expect("OK")
        host.type("AT+NSORF=0,2")
        await host.until(lambda: "OK" in host.said)
        assert host.said[0].endswith(",2,7468,3")


async def test_messages_are_refused_until_the_platform_lets_the_module_in() -> None:
    async with typing_at("bc95") as host:
        await host.ask("AT+CMEE=1", "OK")
        await host.ask("AT+NMGS=01,FF", "+CME ERROR: 513")
        host.modem.platform = True
        await host.ask("AT+NMSTATUS?", "+NMSTATUS:MO_DATA_ENABLED", "OK")
        await host.ask("AT+NMGS=01,FF", "OK")


async def test_its_statistics_are_in_tenths_and_unknown_ones_are_marked() -> None:
    network = Network(registration_s=0.0, rsrp_dbm=-75)
    async with typing_at("bc95", network) as host:
        await host.until(lambda: host.modem.is_registered)
        await host.ask("AT+NUESTATS", "Signal power:-750", "TX power:-32768", "ECL:0", "OK")
        network.covered = False
        await host.until(lambda: not host.modem.is_registered)
        await host.ask("AT+NUESTATS", "Signal power:-32768", "ECL:255", "RSRQ:-32768", "OK")


async def test_loss_costs_datagrams_and_nobody_is_told() -> None:
    network = Network(registration_s=0.0, loss=1.0)
    async with udp_peer() as peer, typing_at("bc95", network) as host:
        await host.until(lambda: host.modem.is_registered)
        await host.ask("AT+NSOCR=DGRAM,17,0,1", "0", "OK")
        await host.ask(f"AT+NSOST=0,127.0.0.1,{peer.port},1,48", "0,1", "OK")
        assert host.modem.counters.datagrams_lost == 1
        network.loss = 0.0
        await host.ask(f"AT+NSOST=0,127.0.0.1,{peer.port},1,49", "0,1", "OK")
        await host.until(lambda: peer.got)
        assert peer.got == [b"I"]
