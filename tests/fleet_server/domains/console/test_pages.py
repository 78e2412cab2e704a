import json
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from fleet_server.kernel.ports import ConfigurationNow, QuarantineItem
from protocols.citycode import mint
from protocols.quality import Quality

LAMP = "D1101149001000000Z"
METER = "D1101149001000001Z"
EAST = "D1101149001000077A"
PAGES = ["/", "/gateways", f"/gateways/{EAST}", "/devices", f"/devices/{LAMP}", "/quarantine"]
HTMX = {"hx-request": "true"}


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_page_renders_in_both_languages(browse: httpx.AsyncClient, path: str, language: str) -> None:
    answer = await browse.get(path, headers={"accept-language": language})
    assert answer.status_code == 200
    assert f'<html lang="{"zh-CN" if language == "zh" else "en"}"' in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", PAGES[:5])
async def test_what_htmx_asks_for_comes_without_the_frame(browse: httpx.AsyncClient, path: str) -> None:
    answer = await browse.get(path, headers=HTMX)
    assert "<html" not in answer.text


async def test_the_overview_counts_what_is_online_reachable_and_bad(browse: httpx.AsyncClient, city: Any) -> None:
    city.faults[(METER, "*")] = Quality.BAD_TIMEOUT
    figures = re.findall(r'class="figure">([\d.]+)', (await browse.get("/")).text)
    assert figures == ["2", "32", "138", "5"]  # 4 channels of the meter, and the weather station's dead PM sensor


async def test_a_gateway_that_went_away_takes_its_devices_out_of_the_count(
    browse: httpx.AsyncClient, city: Any
) -> None:
    city.offline.add(EAST)
    page = (await browse.get("/", headers=HTMX)).text
    assert re.findall(r'class="figure">([\d.]+)', page)[:2] == ["1", "8"]
    assert "Gateway is offline" in page
    assert "No new values" not in page


async def test_a_device_is_shown_to_who_sees_it_though_its_gateway_stands_in_another_division(
    browse: httpx.AsyncClient, city: Any
) -> None:
    city.gateway_list = [gateway for gateway in city.gateway_list if gateway.code != EAST]
    page = await browse.get(f"/devices/{LAMP}")
    assert page.status_code == 200
    assert f"/gateways/{EAST}" not in page.text
    assert re.findall(r'class="figure">([\d.]+)', (await browse.get("/")).text)[:2] == ["1", "33"]


async def test_without_a_gateway_the_overview_says_what_to_do_next(browse: httpx.AsyncClient, city: Any) -> None:
    city.gateway_list.clear()
    city.device_list.clear()
    assert "hutong-fleet enrol" in (await browse.get("/")).text


async def test_the_map_is_given_cells_as_text_which_a_script_cannot_round(browse: httpx.AsyncClient, city: Any) -> None:
    page = (await browse.get("/")).text
    cells = re.findall(r'"cell": "(\d+)"', page)
    assert len(cells) == len(city.device_list)
    assert int(cells[0]) == city.device_list[0].cell > 2**53


async def test_nothing_lost_is_said_big_and_plain(browse: httpx.AsyncClient) -> None:
    page = (await browse.get(f"/gateways/{EAST}")).text
    assert re.search(r'data-proof="lost">0 <span>lost', page)
    assert re.search(r'data-proof="duplicated">0 <span>duplicated', page)
    assert "stored exactly once" in page


async def test_what_is_missing_or_dropped_is_named_by_its_numbers_and_cause(
    browse: httpx.AsyncClient, city: Any
) -> None:
    city.missing = city.dropped = True
    page = (await browse.get(f"/gateways/{EAST}")).text
    assert re.search(r'class="big is-bad" data-proof="lost">2 ', page)
    assert "90500–90501" in page
    assert "60000–64000: spool-full" in page


@pytest.mark.parametrize(("language", "words"), [("en", "Lamp pole 3"), ("zh", "路灯杆 3")])
async def test_a_mount_is_called_by_its_class_and_number_with_its_code_beside(
    browse: httpx.AsyncClient, city: Any, language: str, words: str
) -> None:
    pole, other = (mint("B", f"110114{body}").text for body in ("0117000003", "7777000003"))
    for at, mount in ((0, pole), (1, other)):
        object.__setattr__(city.device_list[at], "mount", mount)
    headers = {"accept-language": language}
    for path in ("/devices", f"/devices/{LAMP}"):
        assert f'{words} <span class="code fine">{pole}</span>' in (await browse.get(path, headers=headers)).text
    assert f'<span class="code">{other}</span>' in (await browse.get("/devices", headers=headers)).text


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("", 33),
        ("?q=compartment", 8),
        ("?q=pole+12", 2),
        ("?look=trouble", 1),
        ("?look=stale", 0),
        ("?by=nonsense", 33),
    ],
)
async def test_devices_are_found_and_filtered(browse: httpx.AsyncClient, query: str, rows: int) -> None:
    page = (await browse.get(f"/devices{query}")).text
    assert len(re.findall(r"<tr data-row=", page)) == rows
    assert ("No device matches" in page) is (rows == 0)


async def test_a_stale_value_is_marked_on_the_first_paint(browse: httpx.AsyncClient, city: Any) -> None:
    city.offline.add(EAST)
    page = (await browse.get(f"/devices/{LAMP}")).text
    assert page.count('class="value is-stale"') == 7
    assert "value is-good" not in page
    assert "is offline: these values are old" in page


async def test_a_bad_value_is_struck_and_its_reason_written(browse: httpx.AsyncClient, city: Any) -> None:
    city.faults[(LAMP, "lamp_current")] = Quality.BAD_OUT_OF_RANGE
    page = (await browse.get(f"/devices/{LAMP}")).text
    assert re.search(r'class="value is-bad" data-value data-device="\w+" data-channel="lamp_current"', page)
    assert "Out of limits" in page


@pytest.mark.parametrize(
    ("is_away", "language", "said"),
    [
        (True, "en", "Does not answer its gateway. unit 2: no answer within 0.5 s"),
        (True, "zh", "设备不应答网关轮询。unit 2: no answer within 0.5 s"),
        (False, "en", "Answers its gateway, but with faults in the last minute. unit 2: no answer within 0.5 s"),
        (False, "zh", "设备应答网关，但最近一分钟内出现故障。unit 2: no answer within 0.5 s"),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX])
async def test_a_device_page_says_the_cause_that_its_gateway_gave_at_once_and_when_polled(
    browse: httpx.AsyncClient, city: Any, is_away: bool, language: str, said: str, headers: dict[str, str]
) -> None:
    city.causes[LAMP] = "unit 2: no answer within 0.5 s"
    if is_away:
        city.faults[(LAMP, "*")] = Quality.BAD_TIMEOUT
    page = (await browse.get(f"/devices/{LAMP}", headers={**headers, "accept-language": language})).text
    assert said in page
    assert ("<html" in page) is not bool(headers)


async def test_names_from_the_field_are_text_and_never_markup(browse: httpx.AsyncClient, city: Any) -> None:
    evil = "</script><script>alert(1)</script>"
    object.__setattr__(city.device_list[0], "name", evil)
    for path in ("/", "/devices", f"/devices/{LAMP}"):
        assert evil not in (await browse.get(path)).text


async def test_a_command_is_sent_and_shown_and_a_refused_one_says_why(browse: httpx.AsyncClient) -> None:
    form = {"channel": "dim_setpoint", "value": "40", "expires_s": "30"}
    sent = await browse.post(f"/devices/{LAMP}/commands", data=form, headers=HTMX)
    assert sent.status_code == 200
    assert "Waiting for the gateway" in sent.text
    refused = await browse.post(f"/devices/{LAMP}/commands", data=form | {"value": "140"}, headers=HTMX)
    assert (refused.status_code, refused.text.strip()) == (422, "The value is outside 0 to 100.")
    for value in ("forty", "NaN", "1e999999999999"):
        answer = await browse.post(f"/devices/{LAMP}/commands", data=form | {"value": value}, headers=HTMX)
        assert answer.status_code == 422


async def test_a_command_from_another_site_is_refused(browse: httpx.AsyncClient, city: Any) -> None:
    form = {"channel": "dim_setpoint", "value": "40"}
    answer = await browse.post(f"/devices/{LAMP}/commands", data=form, headers={"origin": "https://evil.test"})
    assert answer.status_code == 403
    assert city.commands == []


@pytest.mark.parametrize(
    ("q", "target"),
    [(LAMP.lower(), f"/devices/{LAMP}"), (f" {EAST} ", f"/gateways/{EAST}"), ("pole 3", "/devices?q=pole+3")],
)
async def test_a_whole_code_leads_to_its_page(browse: httpx.AsyncClient, q: str, target: str) -> None:
    answer = await browse.get("/search", params={"q": q})
    assert (answer.status_code, answer.headers["location"]) == (303, target)


async def test_an_unknown_device_is_a_page_for_people(browse: httpx.AsyncClient) -> None:
    answer = await browse.get("/devices/D9")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


async def test_the_language_is_remembered_and_only_paths_of_ours_are_gone_back_to(browse: httpx.AsyncClient) -> None:
    answer = await browse.post("/language", data={"language": "zh", "back": "/devices?q=a"})
    assert answer.headers["location"] == "/devices?q=a"
    assert "设备" in (await browse.get("/devices")).text
    answer = await browse.post("/language", data={"language": "en", "back": "//evil.test"})
    assert answer.headers["location"] == "/"
    assert (await browse.post("/language", data={"language": "tlh"})).status_code == 422


async def test_the_quarantine_shows_octets_and_pages(browse: httpx.AsyncClient, city: Any) -> None:
    city.quarantined = [
        QuarantineItem(id_, city.time - timedelta(minutes=1), "D9", "hutong/1/D9/data", "mac", "forged", 90, b"\x84hut")
        for id_ in range(60, 0, -1)
    ]
    page = (await browse.get("/quarantine")).text
    assert page.count("data-quarantined=") == 50
    assert "84 68 75 74" in page
    assert "Not enrolled" in page
    assert (await browse.get("/quarantine?before=11")).text.count("data-quarantined=") == 10


async def test_a_long_list_has_pages_and_streams_all_that_a_page_shows(browse: httpx.AsyncClient, city: Any) -> None:
    for n in range(400):
        city._add(f"Extra {n}", city.models[METER], 0, f"B{n:04}", (40.07, 116.33))
    first, last = [(await browse.get(f"/devices?page={n}")).text for n in (1, 3)]
    for page, rows in ((first, 200), (last, 33)):
        assert len(re.findall(r"<tr data-row=", page)) == rows
        live = re.search(r'id="live-channels">(.*?)</script>', page)
        assert live is not None
        assert len(json.loads(live[1])["devices"]) == rows
    assert "433 devices" in first
    assert 'rel="next"' in first
    assert 'rel="next"' not in last


@pytest.mark.parametrize(
    ("language", "words"), [("en", ("on trial", "last refused:")), ("zh", ("试运行中", "最近被拒绝："))]
)
async def test_a_gateway_page_says_which_configuration_runs_and_why_the_last_was_refused(
    browse: httpx.AsyncClient, city: Any, language: str, words: tuple[str, str]
) -> None:
    asked = {"accept-language": language}
    assert "data-configuration" not in (await browse.get(f"/gateways/{EAST}", headers=asked)).text
    city.configurations[EAST] = ConfigurationNow(4, "ab" * 32, True, "no answer from <Meter>")
    page = (await browse.get(f"/gateways/{EAST}", headers=asked)).text
    assert f'data-configuration="{"ab" * 32}">4<' in page
    assert words[0] in page
    assert f"{words[1]} no answer from &lt;Meter&gt;" in page
