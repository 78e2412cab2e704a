import http.server
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sim_devices.city import commands
from sim_devices.city.private import free_port
from sim_devices.city.program import StartFailed


def test_what_a_command_prints_is_returned_and_what_it_complains_of_is_told(tmp_path: Path) -> None:
    shown = commands.run_to_end(tmp_path / "b.log", "json.tool", "--help")
    assert "usage" in shown
    with pytest.raises(StartFailed, match=r"json.tool /nowhere failed with code \d+\n(.|\n)*No such file"):
        commands.run_to_end(tmp_path / "c.log", "json.tool", "/nowhere")


def test_variables_of_ours_reach_no_program_but_the_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUTONG_GATEWAY_CODE", "x")
    monkeypatch.setenv("HUTONG_MAP_TILES", "y")
    assert "HUTONG_GATEWAY_CODE" in commands.foreign_variables()
    assert "HUTONG_MAP_TILES" not in commands.foreign_variables()


def test_ready_is_what_is_said_from_now_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert not commands.saying(log, b"connected")(1)
    log.write_text("connected yesterday\n")
    ready = commands.saying(log, b"connected")
    assert not ready(1)
    with log.open("a") as sink:
        sink.write("connected today\n")
    assert ready(1)


@pytest.fixture(params=['{"ok": true, "last_batch_at": "2026-06-21T10:00:00+00:00"}', '{"last_batch_at": null}', "no"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[int, str]]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(request.param.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving.server_address[1], request.param
        serving.shutdown()


def test_the_last_batch_is_read_from_healthz_and_never_when_it_does_not_say(server: tuple[int, str]) -> None:
    port, body = server
    expected = datetime(2026, 6, 21, 10, tzinfo=UTC) if "2026" in body else commands.NEVER
    assert commands.last_batch(port) == expected


def test_a_server_that_is_not_up_has_stored_nothing() -> None:
    assert commands.last_batch(free_port()) == commands.NEVER
