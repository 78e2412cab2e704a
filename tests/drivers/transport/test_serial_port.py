import asyncio
import os
import tty
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.base import LineConfig, LineDown
from drivers.transport.serial_port import SerialPort


async def test_what_the_kernel_does_not_take_at_once_is_sent_later_and_in_order() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    port, lost = SerialPort(LineConfig("modbus-rtu", os.ttyname(slave))), list[str]()
    await port.open(lambda _: None, lost.append)
    sent = bytes(range(256)) * 200
    port.write(sent)
    received = b""
    async with asyncio.timeout(5):
        while len(received) < len(sent):
            received += os.read(master, 4096)
            await asyncio.sleep(0)
    assert received == sent
    await port.close()
    os.close(master)
    os.close(slave)
    assert lost == []


async def test_the_end_of_the_line_is_told_once_with_its_cause() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    port, lost = SerialPort(LineConfig("modbus-rtu", path)), asyncio.Queue[str]()
    await port.open(lambda _: None, lost.put_nowait)
    os.close(slave)
    os.close(master)
    async with asyncio.timeout(5):
        assert (await lost.get()).startswith("lost:")
    port.write(b"unheard")
    await port.close()
    assert lost.empty()


async def test_a_port_that_is_not_there_is_told_with_its_path(tmp_path: Path) -> None:
    port = SerialPort(LineConfig("modbus-rtu", str(tmp_path / "ttyUSB9")))
    with pytest.raises(LineDown, match=r"ttyUSB9: cannot be opened: No such file or directory$"):
        await port.open(lambda _: None, lambda _: None)


async def test_a_file_that_is_no_port_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(LineDown, match="cannot be opened"):
        await SerialPort(LineConfig("modbus-rtu", str(path))).open(lambda _: None, lambda _: None)


async def test_a_pseudo_terminal_is_opened_again_and_again_whatever_the_parity(tmp_path: Path) -> None:
    master, slave = os.openpty()
    link = tmp_path / "tty"
    link.symlink_to(os.ttyname(slave))
    port = SerialPort(LineConfig("dlt645", str(link), 2400, "E"))
    for _ in range(3):
        await port.open(lambda _: None, lambda _: None)
        await port.close()
    os.close(master)
    os.close(slave)


async def test_what_nobody_read_before_a_port_was_closed_is_not_sent_when_it_is_opened_again() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    port = SerialPort(LineConfig("modbus-rtu", os.ttyname(slave)))
    await port.open(lambda _: None, lambda _: None)
    port.write(b"open the valve" * 2000)
    await asyncio.sleep(0)
    await port.close()
    await port.open(lambda _: None, lambda _: None)
    port.write(b"\xff")
    os.set_blocking(master, False)
    heard = b""
    async with asyncio.timeout(5):
        while not heard.endswith(b"\xff"):
            with suppress(BlockingIOError):
                heard += os.read(master, 4096)
            await asyncio.sleep(0)
    assert len(heard) <= 4096 + 1  # what a pty's other side has in hand already is as good as sent
    await port.close()
    os.close(master)
    os.close(slave)
