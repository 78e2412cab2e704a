"""The report as numbers, in Prometheus' text format 0.0.4, on loopback alone.

Written by hand: prometheus_client costs 14 MB of memory, a fifth of what the whole gateway uses.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
PORT_FILE = "metrics.port"
TIMEOUT_S = 5.0
RETRY_S = 10.0  # while another program has the port
MAX_HEAD = 8192
MODEL_COUNTS = ("passes", "late", "failed", "not_finite")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Family(NamedTuple):
    name: str
    kind: str  # gauge or counter
    help: str
    samples: list[tuple[dict[str, str], float]]


async def serve(data_dir: Path, port: int, report: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
    """Answers GET /metrics until cancelled; writes the port to `metrics.port`, since 0 lets the system choose."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                request = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)[0]
                if request.split(b" ")[:2] == [b"GET", b"/metrics"]:
                    writer.write(_response("200 OK", render(await report())))
                else:
                    writer.write(_response("404 Not Found", "GET /metrics\n"))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who asked has gone, or does not speak HTTP
        finally:
            writer.close()

    told = False
    while True:
        try:
            server = await asyncio.start_server(answer, HOST, port, limit=MAX_HEAD)
            break
        except OSError as error:
            if not told:
                log.error("metrics: %s; tried again every %g s", error.strerror or error, RETRY_S)
            told = True
            await asyncio.sleep(RETRY_S)
    file = data_dir / PORT_FILE
    try:
        async with server:
            file.write_text(f"{server.sockets[0].getsockname()[1]}\n", "ascii")
            await server.serve_forever()
    finally:
        file.unlink(missing_ok=True)


def render(report: Mapping[str, Any]) -> str:
    lines = []
    for family in _families(report):
        name = f"hutong_agent_{family.name}"
        lines += [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
        lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in family.samples]
    return "\n".join(lines) + "\n"


def _families(report: Mapping[str, Any]) -> Iterator[Family]:
    uplink, spool = report["uplink"], report["spool"]
    none: dict[str, str] = {}
    buses = [({"bus": bus["name"]}, bus) for bus in report["buses"]]
    devices = [
        ({"bus": bus["name"], "device": device["code"]}, device) for bus in report["buses"] for device in bus["devices"]
    ]

    def gauge(name: str, words: str, value: float) -> Family:
        return Family(name, "gauge", words, [(none, value)])

    def by_label(name: str, words: str, label: str, counts: Mapping[str, int]) -> Family:
        return Family(name, "counter", words, [({label: key}, count) for key, count in counts.items()])

    yield Family("info", "gauge", "The program", [({"gateway": report["gateway"], "version": report["version"]}, 1)])
    yield gauge("uptime_seconds", "Since the program started", report["uptime_ms"] / 1000)
    yield gauge("uplink_connected", "Whether the broker is reached", uplink["connected"])
    yield by_label(
        "uplink_total",
        "What the uplink has done",
        "what",
        {key: count for key, count in uplink.items() if key not in _NOT_COUNTS},
    )
    yield by_label("uplink_refused_total", "What came down and changed nothing", "cause", uplink["refused"])
    for way in ("sent", "received"):
        yield Family(
            f"link_{way}_bytes_total",
            "counter",
            f"Bytes {way}, with headers",
            [({"link": link["name"], "kind": link["kind"]}, link[way]) for link in uplink["links"]],
        )
    yield gauge("spool_messages", "Messages kept", spool["rows"])
    yield gauge("spool_bytes", "Bytes kept", spool["bytes"])
    yield gauge("spool_quota_bytes", "Bytes that may be kept", spool["quota"])
    yield gauge("spool_refused", "Whether the disk takes nothing", spool["refuses"] is not None)
    yield gauge("spool_dropped", "Messages that were dropped unacknowledged and are still declared", spool["dropped"])
    yield by_label("spool_total", "What the spool has done", "what", spool["counters"])
    yield by_label("pipeline_total", "What the pipeline has seen", "what", report["pipeline"])
    yield by_label("commands_total", "Commands by result", "result", report["commands"])
    yield by_label("captures_total", "Captures by what became of them", "result", report["captures"])
    models = [({"device": model["device"], "channel": model["channel"]}, model) for model in report["models"]]
    if models:
        yield Family(
            "model_total",
            "counter",
            "What became of a model's windows",
            [({**at, "what": what}, one[what]) for at, one in models for what in MODEL_COUNTS],
        )
        yield Family(
            "model_busy_seconds_total", "counter", "Time it took", [(at, one["busy_ms"] / 1000) for at, one in models]
        )
    outsiders = [({"driver": driver["name"]}, driver) for driver in report["drivers"]]
    if outsiders:
        yield Family(
            "driver_memory_bytes", "gauge", "Memory of its children", [(at, o["memory"]) for at, o in outsiders]
        )
        yield Family(
            "driver_failures_total", "counter", "Failed children", [(at, o["failures"]) for at, o in outsiders]
        )
        yield Family("driver_disabled", "gauge", "Whether it is", [(at, bool(o["disabled"])) for at, o in outsiders])
    yield Family("bus_open", "gauge", "Whether the line is open", [(at, bus["open"]) for at, bus in buses])
    yield Family("bus_busy_ratio", "gauge", "Share of time in use", [(at, bus["utilisation"]) for at, bus in buses])
    for key in ("requests", "writes", "opened", "repeats", "strangers", "nonsense"):
        yield Family(f"bus_{key}_total", "counter", f"The line's {key}", [(at, bus[key]) for at, bus in buses])
    yield Family("device_reachable", "gauge", "Whether it answers", [(at, one["reachable"]) for at, one in devices])
    for key in ("polls", "values", "missed"):
        yield Family(f"device_{key}_total", "counter", f"The device's {key}", [(at, one[key]) for at, one in devices])
    yield Family(
        "device_error_ratio",
        "gauge",
        "Share of its last polls with a fault",
        [(at, o["error_rate"]) for at, o in devices],
    )
    yield Family(
        "device_last_good_seconds",
        "gauge",
        "Unix time of its last value",
        [(at, one["last_good_ms"] / 1000) for at, one in devices if one["last_good_ms"] is not None],
    )
    yield Family(
        "device_latency_seconds",
        "gauge",
        "How long its answers take, by quantile",
        [
            ({**at, "quantile": f"0.{key[1:].rstrip('0')}"}, one["latency_ms"][key] / 1000)
            for at, one in devices
            if one["latency_ms"] is not None
            for key in ("p50", "p95", "p99")
        ],
    )
    yield Family(
        "device_errors_total",
        "counter",
        "Faults by cause",
        [({**at, "cause": cause}, count) for at, one in devices for cause, count in one["errors"].items()],
    )


_NOT_COUNTS = ("broker", "connected", "since_ms", "fault", "refused", "links")


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _response(status: str, body: str) -> bytes:
    payload = body.encode()
    head = (
        f"HTTP/1.1 {status}",
        f"Content-Type: {CONTENT_TYPE}",
        f"Content-Length: {len(payload)}",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode("ascii") + payload
