import asyncio
import os
import tty
from pathlib import Path

import pytest

from drivers.base import LineConfig, LineDown
from drivers.transport.identity import REPLACED_S, Identity, links_to
from drivers.transport.serial_port import SerialPort

NOW = 1000.0


class Sockets:
    """A machine's USB sockets: `plug` gives an adapter a number, and udev's links to it."""

    def __init__(self, folder: Path) -> None:
        self.dev = folder
        self.by_path, self.by_id = folder / "by-path", folder / "by-id"
        for one in (self.by_path, self.by_id):
            one.mkdir()

    def plug(self, number: int, socket: str, name: str) -> Path:
        path = self.dev / f"ttyUSB{number}"
        path.write_text(name)
        self.link(path, socket, name)
        return path

    def link(self, path: Path, socket: str, name: str) -> None:
        for link in (self.by_path / socket, self.by_id / name):
            link.unlink(missing_ok=True)
            link.symlink_to(path)

    def unplug(self, number: int, socket: str, name: str) -> None:
        for path in (self.dev / f"ttyUSB{number}", self.by_path / socket, self.by_id / name):
            path.unlink(missing_ok=True)


@pytest.fixture
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    made = Sockets(tmp_path)
    monkeypatch.setattr("drivers.transport.identity.LINKS", (made.by_path, made.by_id))
    return made


def known(sockets: Sockets) -> Identity:
    identity = Identity(str(sockets.plug(0, "socket-1", "adapter-A")))
    identity.find(NOW)
    identity.opened(NOW)
    identity.lost(NOW)
    return identity


def test_an_adapter_is_found_under_another_number(sockets: Sockets) -> None:
    identity = known(sockets)
    sockets.unplug(0, "socket-1", "adapter-A")
    there = sockets.plug(1, "socket-1", "adapter-A")
    assert Path(identity.find(NOW)).resolve() == there


def test_an_adapter_is_found_in_another_socket(sockets: Sockets) -> None:
    identity = known(sockets)
    sockets.unplug(0, "socket-1", "adapter-A")
    there = sockets.plug(3, "socket-2", "adapter-A")
    assert Path(identity.find(NOW)).resolve() == there


def test_of_two_adapters_with_one_name_each_keeps_its_socket(sockets: Sockets) -> None:
    identity = known(sockets)
    other = Identity(str(sockets.plug(1, "socket-2", "adapter-A")))
    other.opened(NOW)
    for number in (0, 1):
        sockets.unplug(number, f"socket-{number + 1}", "adapter-A")
    sockets.plug(1, "socket-1", "adapter-A")
    sockets.plug(0, "socket-2", "adapter-A")
    assert Path(identity.find(NOW)).resolve().name == "ttyUSB1"
    assert Path(other.find(NOW)).resolve().name == "ttyUSB0"


def test_a_name_that_passes_on_to_a_neighbour_does_not_lead_there(sockets: Sockets) -> None:
    sockets.plug(1, "socket-2", "adapter-A")
    identity = known(sockets)
    sockets.unplug(0, "socket-1", "adapter-A")
    sockets.link(sockets.dev / "ttyUSB1", "socket-2", "adapter-A")
    assert not Path(identity.find(NOW)).exists()
    sockets.plug(2, "socket-1", "adapter-A")
    assert Path(identity.find(NOW)) == sockets.by_path / "socket-1"


def test_another_adapter_under_the_old_number_is_not_ours_until_it_has_stood_there_for_long(sockets: Sockets) -> None:
    identity = known(sockets)
    sockets.unplug(0, "socket-1", "adapter-A")
    there = sockets.plug(0, "socket-2", "adapter-B")
    with pytest.raises(FileNotFoundError, match="another adapter than socket-1 is there"):
        identity.find(NOW + REPLACED_S - 1)
    assert identity.find(NOW + REPLACED_S) == str(there)
    identity.opened(NOW + REPLACED_S)
    assert Path(identity.find(NOW + REPLACED_S)) == sockets.by_path / "socket-2"


def test_without_links_the_configured_path_is_opened(sockets: Sockets) -> None:
    identity = Identity(str(sockets.dev / "ttyS0"))
    identity.opened(NOW)
    identity.lost(NOW)
    assert identity.find(NOW) == str(sockets.dev / "ttyS0")


def test_a_link_that_is_configured_is_left_as_it_is(sockets: Sockets) -> None:
    sockets.plug(0, "socket-1", "adapter-A")
    assert links_to(sockets.by_id / "adapter-A") == ()


async def test_a_port_is_opened_again_under_the_number_it_came_back_with(sockets: Sockets) -> None:
    first, second = Plugged(), Plugged()
    sockets.link(first.path, "socket-1", "adapter-A")
    heard, lost = asyncio.Queue[bytes](), asyncio.Queue[str]()
    port = SerialPort(LineConfig("modbus-rtu", str(first.path)))
    await port.open(heard.put_nowait, lost.put_nowait)
    first.pull()
    async with asyncio.timeout(5):
        await lost.get()
        sockets.unplug(0, "socket-1", "adapter-A")
        with pytest.raises(LineDown, match="cannot be opened"):
            await port.open(heard.put_nowait, lost.put_nowait)
        sockets.link(second.path, "socket-1", "adapter-A")
        await port.open(heard.put_nowait, lost.put_nowait)
        os.write(second.master, b"here")
        assert await heard.get() == b"here"
    await port.close()
    second.pull()


class Plugged:
    """A pty for an adapter."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = Path(os.ttyname(self._slave))

    def pull(self) -> None:
        os.close(self.master)
        os.close(self._slave)
