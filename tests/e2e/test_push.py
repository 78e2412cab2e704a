"""Sensors that push: libcoap's client posts the packs of RFC 8428, and the console's API shows them at their times."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from protocols import citycode
from protocols.senml.cbor_form import encode_cbor
from protocols.senml.json_form import decode_json
from tests.drivers.coap.conftest import POWER, free_port
from tests.e2e.chain import Chain, Gateway, now_ms, raw_history, wait_for
from tests.protocols.senml.rfc8428 import NOW, SECONDS

SHOWS = "posts the packs of RFC 8428, in JSON and CBOR; they are in the console's API, each record at its own time"
pytestmark = [pytest.mark.debian, pytest.mark.long, pytest.mark.peer("CoAP", "libcoap's coap-client", SHOWS)]

CLIENT = "coap-client-notls"
METER = citycode.mint("D", "1101149001004101").text
SECONDS_METER = citycode.mint("D", "1101149001004102").text
BASE_TIME = "1.276020076001e+09"  # of SECONDS


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chain, Gateway, str]]:
    if shutil.which(CLIENT) is None:
        pytest.skip(f"{CLIENT} is not installed (make test-all installs it where it may)")
    folder, port = tmp_path_factory.mktemp("push"), free_port()
    (folder / "power.toml").write_text(POWER, "utf-8")
    with Chain(folder) as running:
        gateway = running.enrol(citycode.mint("D", "1101149001000092").text)
        bus = f'[[bus]]\nname = "air"\ndriver = "coap"\naddress = "127.0.0.1:{port}"\n'
        bus += 'options = { plain = "loopback" }\n'
        for code, unit in ((METER, "urn:dev:ow:10e2073a01080063"), (SECONDS_METER, "urn:dev:ow:10e2073a0108006")):
            bus += (
                f'[[bus.device]]\ncode = "{code}"\nname = "Meter"\nmodel = "{folder}/power.toml"\n'
                f'unit = "{unit}"\nperiod_s = 2\n'
            )
        running.run_agent(gateway, bus)
        wait_for(lambda: _metric(running, gateway, "bus_open") == 1, 20, "the agent to listen")
        yield running, gateway, f"coap://127.0.0.1:{port}"


def _metric(chain: Chain, gateway: Gateway, name: str) -> float | None:
    try:
        return chain.metrics(gateway).get(f'hutong_agent_{name}{{bus="air"}}')
    except (httpx.TransportError, OSError):  # an agent that has just been started
        return None


def post(url: str, content_format: int, payload: bytes, folder: Path) -> str:
    """What the client printed: nothing where it was told 2.04, else the code and the diagnostic payload."""
    file = folder / "payload"
    file.write_bytes(payload)
    done = subprocess.run(
        [CLIENT, "-m", "post", "-t", str(content_format), "-f", str(file), "-B", "5", url],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=20,
    )
    return done.stdout.strip()


def test_a_pack_of_now_is_shown_at_the_time_of_its_arrival(pushed: tuple[Chain, Gateway, str], tmp_path: Path) -> None:
    chain, gateway, url = pushed
    since = now_ms()
    assert post(f"{url}/senml", 110, NOW.sent.encode(), tmp_path) == ""
    until = now_ms()
    chain.wait_delivered(gateway, 30)
    for channel, value in (("voltage", 120.1), ("current", 1.2)):
        found = _history(chain, METER, channel, since - 1000, until + 1000, 1)
        ((time, shown, quality),) = found
        assert since - 50 <= time <= until + 50
        assert (shown, quality) == (value, 0)


def test_each_record_of_a_pack_is_shown_at_its_own_time_however_often_it_is_sent(
    pushed: tuple[Chain, Gateway, str], tmp_path: Path
) -> None:
    chain, gateway, url = pushed
    base = now_ms() - 60_000
    text = SECONDS.sent.replace(BASE_TIME, f"{base / 1000:.3f}")
    payload = encode_cbor(decode_json(text.encode()))
    for _ in range(3):
        assert post(f"{url}/senml", 112, payload, tmp_path) == ""
    chain.wait_delivered(gateway, 30)
    found = _history(chain, SECONDS_METER, "current", base - 10_000, base + 10_000, 6)
    assert [value for _, value, _ in found] == [1.2, 1.3, 1.4, 1.5, 1.6, 1.7]
    # The agent's two clocks are read one after the other, so a time may be off by the milliseconds between.
    assert all(abs(time - (base + 1000 * at)) <= 20 for (time, _, _), at in zip(found, range(-5, 1), strict=True))
    assert _metric(chain, gateway, "bus_repeats_total") == 2


def test_who_sends_what_cannot_be_taken_is_told(pushed: tuple[Chain, Gateway, str], tmp_path: Path) -> None:
    chain, gateway, url = pushed
    answer = post(f"{url}/senml", 110, b'[{"n":"urn:dev:ow:10e2073a01080063:volts","v":1}]', tmp_path)
    assert answer == "4.00 nothing that a power measures is named here; its records are current, door, power, voltage"
    assert post(f"{url}/senml", 110, b'[{"n":"who","v":1}]', tmp_path).startswith("4.04 who: no device of that name")
    assert _metric(chain, gateway, "bus_strangers_total") == 1


def test_a_sensor_that_has_fallen_silent_is_unreachable_on_the_console(
    pushed: tuple[Chain, Gateway, str], tmp_path: Path
) -> None:
    chain, _, url = pushed
    post(f"{url}/senml", 110, NOW.sent.encode(), tmp_path)

    def events() -> list[str]:
        rows = chain.query("SELECT kind FROM gateway_event WHERE source = $1 ORDER BY t", METER)
        return [row["kind"] for row in rows]

    wait_for(lambda: events()[-1:] == ["device-unreachable"], 30, "the silence to be told")
    post(f"{url}/senml", 110, NOW.sent.encode(), tmp_path)
    wait_for(lambda: events()[-1:] == ["device-back"], 10, "its return to be told")


def _history(
    chain: Chain, device: str, channel: str, since: int, until: int, count: int
) -> list[tuple[int, float, int]]:
    def found() -> list[tuple[int, float, int]]:
        return [row for row in raw_history(chain.administrator(), device, channel, since, until) if row[1] is not None]

    return wait_for(lambda: rows if len(rows := found()) >= count else [], 20, f"{count} values of {channel}")
