import asyncio
import os
from pathlib import Path

from sim_devices.modem.families import FAMILIES
from sim_devices.modem.network import Network
from sim_devices.modem.port import ModemPort


async def test_a_driver_finds_the_modem_behind_a_path_and_it_speaks_unasked(tmp_path: Path) -> None:
    port = ModemPort("modem", tmp_path / "modem", FAMILIES["bc660k"], Network(), boot_s=0.0)
    await port.start()
    host = os.open(port.address, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    heard, news = bytearray(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def readable() -> None:
        heard.extend(os.read(host, 4096))
        news.set()

    async def until(wanted: bytes) -> None:
        async with asyncio.timeout(5):
            while wanted not in heard:
                news.clear()
                await news.wait()

    loop.add_reader(host, readable)
    try:
        await until(b"RDY\r\n")
        os.write(host, b"AT+CEREG=1\r")
        await until(b"+CEREG: 1\r\n")
        port.modem.reboot()
        heard.clear()
        await until(b"RDY\r\n")
    finally:
        loop.remove_reader(host)
        os.close(host)
        await port.close()
    assert not (tmp_path / "modem").exists()
