import pytest

from sim_devices.modem.families import FAMILIES
from sim_devices.modem.modem import Hang
from sim_devices.modem.network import Network
from tests.sim_devices.modem.host import tcp_peer, typing_at, udp_peer

every = pytest.mark.parametrize("family", FAMILIES)


@every
async def test_it_answers_what_all_families_are_asked(family: str) -> None:
    colon = FAMILIES[family].colon
    async with typing_at(family, Network(registration_s=0.0, rsrp_dbm=-92)) as host:
        await host.ask("AT+CEREG=1", f"+CEREG{colon}1") if not host.modem.is_registered else None
        await host.ask("AT", "OK")
        await host.ask("AT+CSQ", f"+CSQ{colon}13,99", "OK")
        await host.ask("AT+CGATT?", f"+CGATT{colon}1", "OK")
        await host.ask("AT+CEREG=0", "OK")
        await host.ask("AT+CEREG?", f"+CEREG{colon}0,1", "OK")
        await host.ask("AT+NOSUCH", "ERROR")
        await host.ask("AT+CMEE=1", "OK")
        await host.ask("AT+NOSUCH", "+CME ERROR: 4")
        await host.ask("at+cfun=7", "+CME ERROR: 50")


async def test_it_echoes_until_told_otherwise() -> None:
    async with typing_at("bc660k") as host:
        await host.ask("ATE1", "OK")
        host.raw.clear()
        await host.ask("AT+CSQ", "AT+CSQ", "OK")
        assert bytes(host.raw).startswith(b"AT+CSQ\r\r\n+CSQ: ")


async def test_registration_takes_its_time_and_is_told_as_it_changes() -> None:
    network = Network(registration_s=0.15)
    async with typing_at("sim7020", network) as host:
        await host.ask("AT+CEREG=1", "OK")
        await host.expect("+CEREG: 1")
        network.covered = False
        await host.expect("+CEREG: 2")
        await host.ask("AT+CSQ", "+CSQ: 99,99", "OK")
        network.covered, network.denied = True, True
        await host.expect("+CEREG: 3")
        network.denied, network.roaming = False, True
        await host.expect("+CEREG: 5")
        await host.ask("AT+CFUN=0", "OK", "+CEREG: 0")
        await host.ask("AT+CFUN=1", "OK", "+CEREG: 2", "+CEREG: 5")


async def test_power_saving_begins_when_nothing_is_sent_and_ends_with_the_next_sending() -> None:
    async with udp_peer() as peer, typing_at("sim7020", haste=20) as host:
        await host.ask("AT+CPSMSTATUS=1", "OK")
        await host.ask("AT+CSOC=1,2,1", "+CSOC: 0", "OK")
        await host.ask(f'AT+CSOCON=0,{peer.port},"127.0.0.1"', "OK")
        await host.ask('AT+CSOSEND=0,0,"awake"', "OK")
        await host.until(lambda: peer.got)
        await host.ask('AT+CPSMS=1,,,"01011111","00000001"', "OK", '+CPSMSTATUS: "ENTER PSM"')
        peer.send(b"unheard")
        await host.until(lambda: host.modem.counters.datagrams_lost)
        await host.ask('AT+CSOSEND=0,0,"again"', '+CPSMSTATUS: "EXIT PSM"', "OK")
        await host.until(lambda: len(peer.got) == 2)
        peer.send(b"heard")
        await host.expect("+CSONMI: 0,10,6865617264")
        await host.ask("AT+CPSMS?", '+CPSMS: 1,,,"01011111","00000001"', "OK")
        await host.ask("AT+CPSMS=0", "OK")


@pytest.mark.parametrize(
    ("kind", "answers_at", "cure"),
    [
        (Hang.PROMPT, False, "\x1b"),
        (Hang.RADIO, True, "AT+CFUN=0\rAT+CFUN=1\r"),
        (Hang.STACK, True, "AT+QRST=1\r"),
        (Hang.DEAD, False, None),
    ],
)
async def test_a_hang_ends_with_its_own_cure_and_none_below_it(kind: Hang, answers_at: bool, cure: str | None) -> None:
    async with typing_at("bc660k") as host:
        host.modem.hang(kind)
        host.said.clear()
        for weaker in ("AT", "AT+CSQ"):
            host.type(weaker)
        assert ("OK" in host.said[:1]) is answers_at
        if cure is None:
            host.modem.receive(b"\x1bAT+CFUN=0\rAT+QRST=1\r")
            assert host.said == []
            host.modem.power_cycle()
        else:
            host.modem.receive(cure.encode())
        await host.until(lambda: host.modem.hung is None and host.modem.is_registered)
        await host.ask("AT+CSQ", "+CSQ: 14,99", "OK")


async def test_a_hung_radio_answers_and_never_registers() -> None:
    async with udp_peer() as peer, typing_at("bc95") as host:
        await host.ask("AT+NSOCR=DGRAM,17,0,1", "0", "OK")
        host.modem.hang(Hang.RADIO)
        await host.ask("AT+CEREG?", "+CEREG:0,2", "OK")
        await host.ask(f"AT+NSOST=0,127.0.0.1,{peer.port},1,48", "ERROR")
        assert peer.got == []


async def test_a_reboot_in_the_middle_forgets_sockets_and_settings() -> None:
    async with tcp_peer() as (peer, port), typing_at("bc660k") as host:
        await host.ask(f'AT+QIOPEN=0,0,"TCP","127.0.0.1",{port}', "OK", "+QIOPEN: 0,0")
        host.modem.reboot()
        await host.expect("RDY")
        await host.until(lambda: peer.closed)
        host.raw.clear()
        await host.ask('AT+QISEND=0,1,"01"', "ERROR")
        assert bytes(host.raw).startswith(b"AT+QISEND")


async def test_a_brown_out_is_garbage_and_then_a_banner() -> None:
    async with typing_at("bc95") as host:
        host.raw.clear()
        host.modem.brown_out()
        await host.expect("Neul ", "OK")
        assert min(host.raw[:24]) >= 128


async def test_without_power_it_says_nothing_and_hears_nothing() -> None:
    async with typing_at("bc95") as host:
        host.modem.power_off()
        host.raw.clear()
        host.type("AT")
        assert host.raw == b""


async def test_typed_noise_before_a_command_does_not_spoil_it() -> None:
    async with typing_at("bc95") as host:
        host.modem.receive(b"\xff\x00xAT+CSQ\r")
        await host.expect("+CSQ:14,99", "OK")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_commands_mean_the_same_however_they_are_cut(size: int) -> None:
    typed = b'AT\rATE1\rAT+CSQ\rAT+NOSUCH="a,b"\r\nAT+QISEND=0,4\rAT+CMEE=1\rAT+CFUN=9\r'
    async with typing_at("bc660k") as host:
        host.raw.clear()
        for start in range(0, len(typed), size):
            host.modem.receive(typed[start : start + size])
        assert bytes(host.raw) == (
            b"\r\nOK\r\n\r\nOK\r\nAT+CSQ\r\r\n+CSQ: 14,99\r\n\r\nOK\r\n"
            b'AT+NOSUCH="a,b"\r\r\nERROR\r\n\nAT+QISEND=0,4\r\r\nERROR\r\n'
            b"AT+CMEE=1\r\r\nOK\r\nAT+CFUN=9\r\r\n+CME ERROR: 50\r\n"
        )


async def test_a_line_without_end_costs_the_module_no_memory() -> None:
    async with typing_at("bc95") as host:
        for _ in range(100):
            host.modem.receive(b"x" * 1000)
        assert len(host.modem.line._typed) <= 4096
