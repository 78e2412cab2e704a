import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import metrics

SAMPLE = re.compile(r'(hutong_\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\[\\n"])*",?)*)\})? (-?\d+(?:\.\d+)?(?:e-?\d+)?)')


@asynccontextmanager
async def serving(directory: Path, report: dict[str, Any], until: Any) -> AsyncIterator[int]:
    async def answer() -> dict[str, Any]:
        return report

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(metrics.serve(directory, 0, answer))
        file = directory / metrics.PORT_FILE
        yield int(await until(lambda: file.exists() and file.read_text()))
        task.cancel()


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(metrics.HOST, port)
    writer.write(request)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def test_every_line_is_a_sample_of_a_family_that_was_introduced(report: dict[str, Any]) -> None:
    introduced: dict[str, str] = {}
    for line in metrics.render(report).splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in introduced
            introduced[name] = kind
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] in introduced
            assert (introduced[match[1]] == "counter") == match[1].endswith("_total")


def test_the_figures_are_those_of_the_report(report: dict[str, Any]) -> None:
    lines = metrics.render(report).splitlines()
    for wanted in (
        "hutong_agent_uplink_connected 1",
        'hutong_agent_uplink_total{what="acknowledged"} 9',
        'hutong_agent_uplink_refused_total{cause="digest"} 2',
        'hutong_agent_link_sent_bytes_total{link="uplink",kind="ethernet"} 5000',
        "hutong_agent_spool_bytes 5242880",
        'hutong_agent_bus_busy_ratio{bus="pole-line"} 0.427',
        'hutong_agent_device_reachable{bus="pole-line",device="D1101149001000102W"} 0',
        'hutong_agent_device_errors_total{bus="pole-line",device="D1101149001000101X",cause="timeout"} 3',
        "hutong_agent_uptime_seconds 7300",
    ):
        assert wanted in lines


def test_a_hostile_bus_name_stays_a_label(report: dict[str, Any]) -> None:
    report["buses"][0]["name"] = 'a"} 1\nhutong_fake 1\\'
    text = metrics.render(report)
    assert all(line.startswith("#") or SAMPLE.fullmatch(line) for line in text.splitlines())
    assert "\nhutong_fake" not in text


async def test_metrics_are_served_on_the_port_that_the_file_names(
    tmp_path: Path, report: dict[str, Any], until: Any
) -> None:
    async with serving(tmp_path, report, until) as port:
        answer = await ask(port, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert body.decode() == metrics.render(report)
    assert not (tmp_path / metrics.PORT_FILE).exists()


async def test_other_requests_get_nothing_and_harm_nothing(tmp_path: Path, report: dict[str, Any], until: Any) -> None:
    async with serving(tmp_path, report, until) as port:
        assert (await ask(port, b"GET /secret HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
        assert (await ask(port, b"POST /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
        assert await ask(port, b"GET /metrics") == b""
        assert await ask(port, b"x" * (3 * metrics.MAX_HEAD)) == b""
        assert (await ask(port, b"GET /metrics HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_a_port_that_another_has_is_told_once_and_taken_when_it_is_free(
    tmp_path: Path,
    report: dict[str, Any],
    until: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "RETRY_S", 0.01)

    async def give() -> dict[str, Any]:
        return report

    other = await asyncio.start_server(lambda *_: None, metrics.HOST, 0)
    port = other.sockets[0].getsockname()[1]
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(metrics.serve(tmp_path, port, give))
        await until(lambda: caplog.records)
        await asyncio.sleep(0.05)
        other.close()
        await until((tmp_path / metrics.PORT_FILE).exists)
        task.cancel()
    (record,) = caplog.records
    assert "address already in use" in record.getMessage().lower()


def test_drivers_of_other_distributions_are_counted_by_name(report: dict[str, Any]) -> None:
    report["drivers"] = [{"name": "acme", "memory": 1000, "failures": 5, "disabled": "5 failures"}]
    lines = metrics.render(report).splitlines()
    assert 'hutong_agent_driver_memory_bytes{driver="acme"} 1000' in lines
    assert 'hutong_agent_driver_failures_total{driver="acme"} 5' in lines
    assert 'hutong_agent_driver_disabled{driver="acme"} 1' in lines
