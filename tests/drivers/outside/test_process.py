import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from drivers.base import LineDown
from drivers.outside.process import Child
from tests.outsider import change

MEMORY = 128 << 20
PARENT = """
import asyncio, sys
from pathlib import Path
from drivers.base import LineConfig, Span
from drivers.outside.family import OutsideFamily
from drivers.outside.installed import find

async def main():
    family = OutsideFamily(find("acme"), 128 << 20)
    model = family.load_model("gauge")
    options = family.options({"mode": "mode"}, Path(sys.argv[1]))
    line = family.create_line(LineConfig("acme", "10.0.0.1:1", options=options))
    family.close()
    await line.open()
    print(line.child.pid, flush=True)
    await line.read(7, Span(*model.points[0][:3]), 3600.0)

asyncio.run(main())
"""
STUBBORN = """
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass
"""


async def start(failed: list[str]) -> Child:
    return await Child.start("driver acme at 10.0.0.1:1", "acme", MEMORY, failed.append)


async def test_a_child_does_what_it_is_asked_until_it_is_ended() -> None:
    failed: list[str] = []
    child = await start(failed)
    with pytest.raises(LineDown, match="has a bug: ModuleNotFoundError: No module named 'nowhere_at_all'"):
        await child.call("load", "nowhere_at_all:FAMILY")
    with pytest.raises(LineDown, match="no verb 'dance' with 0 arguments"):
        await child.call("dance")
    child.end()
    with pytest.raises(LineDown, match="it was ended"):
        await child.call("load", "nowhere_at_all:FAMILY")
    await child.ended
    assert failed == []
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


async def test_a_call_that_does_not_end_ends_the_child(package: Path) -> None:
    failed: list[str] = []
    child = await start(failed)
    (package / "driver.py").write_text("import time\ntime.sleep(3600)\n")
    with pytest.raises(LineDown, match=r"it hung: it did not end its load within 0.3 s"):
        await child.call("load", "acme.driver:FAMILY", within_s=0.3)
    await child.ended
    assert failed == ["it hung: it did not end its load within 0.3 s"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x7f\xff\xff\xff", "it broke the gateway's protocol: a message of"),
        (b"\x00\x00\x00\x01\xff", "it broke the gateway's protocol: not valid CBOR"),
        (b"\x00\x00\x00\x05\x82\x19\x03\xe7\x60", "it broke the gateway's protocol: an answer to nothing"),
    ],
)
async def test_a_child_that_says_what_nobody_asked_is_ended(data: bytes, words: str) -> None:
    failed: list[str] = []
    child = await start(failed)
    child.data_received(data)
    assert words in child.lost
    await child.ended
    assert len(failed) == 1


async def test_what_a_crashing_child_had_started_does_not_stay(package: Path) -> None:
    failed: list[str] = []
    child = await start(failed)
    (package / "driver.py").write_text(
        "import os, subprocess\n"
        "started = subprocess.Popen(['sleep', '3600'])\n"
        f"open({str(package / 'pid')!r}, 'w').write(str(started.pid))\n"
        "os._exit(3)\n"
    )
    with pytest.raises(LineDown, match="it ended by itself with exit status 3"):
        await child.call("load", "acme.driver:FAMILY")
    await child.ended
    assert failed == ["it ended by itself with exit status 3"]
    pid = int(read(package / "pid"))
    with suppress(ProcessLookupError):  # killed, and gone as soon as its new parent has waited for it
        await _readable(os.pidfd_open(pid))


@pytest.mark.long
async def test_a_driver_that_does_not_let_a_cancelled_call_end_is_ended(package: Path, until: Any) -> None:
    change(package / "driver.py", "    async def open(self):\n", f"    async def open(self):\n{STUBBORN}")
    failed: list[str] = []
    child = await start(failed)
    await child.call("load", "acme.driver:FAMILY")
    options = {"driver": "acme", "address": "a:1", "baud": 9600, "parity": "N", "stop_bits": 1}
    await child.call("line", {**options, "options": {"mode": "mode"}}, "/")
    child.watch()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await child.call("open")
    await until(lambda: failed)
    assert failed == ["it hung: it did not end what was cancelled within 3 s"]


@pytest.mark.long
async def test_a_stopped_child_is_found_by_its_heartbeat(until: Any) -> None:
    failed: list[str] = []
    child = await start(failed)
    with pytest.raises(LineDown):
        await child.call("dance")
    child.watch()
    os.kill(child.pid, signal.SIGSTOP)
    await until(lambda: failed)
    assert failed[0].startswith("it hung: its event loop has not answered")


@pytest.mark.parametrize("how", ["loop", pytest.param("slow", marks=pytest.mark.long)])
def test_a_child_dies_with_a_gateway_that_is_killed_whatever_it_does(package: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "mode").write_text(how)
    environ = {**os.environ, "PYTHONPATH": str(package.parent)}
    argv = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        with os.fdopen(os.pidfd_open(pid)) as child:
            parent.kill()
            assert asyncio.run(_readable(child.fileno()))


def read(file: Path) -> str:
    return file.read_text()


async def _readable(descriptor: int) -> bool:
    """Whether the process behind a pidfd ends within five seconds."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, over.set)
    async with asyncio.timeout(5):
        return await over.wait()
