"""The meter's page: what it shows, and what one click on it does."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from fleet_server.domains.identity.models import Role
from fleet_server.domains.metering.models import BEIJING, StepSize
from fleet_server.domains.metering.pages import interval
from fleet_server.domains.metering.wiring import watch


@pytest.fixture
async def browser(place: Any) -> dict[str, str]:
    headers: dict[str, str] = await place.city.browser(await place.city.user("li", Role.TECHNICIAN))
    return headers


def url(place: Any, query: str = "") -> str:
    return f"/devices/{place.device}/meter{query}"


async def test_one_click_records_a_suspicion_and_the_consumption_is_whole(place: Any, browser: dict[str, str]) -> None:
    await place.read(0, 60_000_000, 60_000_010)
    await place.read(10, 5, 9)
    await watch(place.context)
    assert "data-found" in (await place.client.get("/meters", headers=browser)).text
    page = (await place.client.get(url(place), headers=browser)).text
    assert "Not whole: 1 place below is open" in page
    form = re.search(
        r'<form method="post" action="([^"]+)">((?:\s*<input type="hidden"[^>]*>)+)\s*<button[^>]*>Record with', page
    )
    assert form is not None
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form[2]))
    answer = await place.client.post(form[1], data=fields, headers=browser)
    assert answer.status_code == 303
    page = (await place.client.get(answer.headers["location"], headers=browser)).text
    assert 'data-amount="0.14"' in page
    assert 'data-mark="swap"' in page
    assert "data-suspicion" not in page
    assert "data-found" not in (await place.client.get("/meters", headers=browser)).text


async def test_a_form_that_is_wrong_keeps_what_was_typed_and_shows_the_readings_beside(
    place: Any, browser: dict[str, str]
) -> None:
    await place.read(0, 60_000_000, 60_000_010)
    await place.read(10, 5, 9)
    typed = {"channel": "energy", "at": "2026-03-02T11:05", "end": "5.00", "start": "0", "note": "<b>"}
    answer = await place.client.post(url(place, "/replacements"), data=typed, headers=browser)
    assert answer.status_code == 422
    for part in (
        'value="2026-03-02T11:05"', 'value="5.00"', 'value="&lt;b&gt;"', "Does not follow the last reading",
        "Last reading before: 600000.10 at 2026-03-02 11:01:00", "First reading after: 0.05 at 2026-03-02 11:10:00",
    ):  # fmt: skip
        assert part in answer.text
    chinese = browser | {"accept-language": "zh"}
    assert (
        "与旧表最后一次读数不符"
        in (await place.client.post(url(place, "/replacements"), data=typed, headers=chinese)).text
    )
    for changes in ({"at": "yesterday"}, {"end": "many"}, {"at": "9999-12-31T23:59:59-12:00"}, {"replaces": "this"}):
        answer = await place.client.post(url(place, "/replacements"), data=typed | changes, headers=browser)
        assert answer.status_code == 422, changes


async def test_a_replacement_is_corrected_and_withdrawn_from_its_row(place: Any, browser: dict[str, str]) -> None:
    await place.read(0, 60_000_000)
    await place.read(10, 5)
    made = (await place.record(5, "600000.10", "0.00", removed_serial="A 100")).json()
    page = (await place.client.get(url(place, f"?correct={made['id']}"), headers=browser)).text
    assert "Correct a replacement" in page
    assert 'name="removed_serial" value="A 100"' in page
    typed = {"channel": "energy", "at": "2026-03-02T11:05:00", "end": "600000.50", "start": "0", "replaces": made["id"]}
    assert (await place.client.post(url(place, "/replacements"), data=typed, headers=browser)).status_code == 303
    assert "corrected, version 2" in (await place.client.get(url(place), headers=browser)).text
    gone = await place.client.post(
        url(place, f"/replacements/{made['id']}/withdraw"), data={"channel": "energy"}, headers=browser
    )
    assert gone.status_code == 303
    assert "Withdrawn" in (await place.client.get(url(place), headers=browser)).text


async def test_who_may_only_look_sees_no_form_and_cannot_send_one(place: Any) -> None:
    await place.read(0, 1)
    viewer = await place.city.browser(await place.city.user("wang"))
    page = (await place.client.get(url(place), headers=viewer)).text
    assert "meter/replacements" not in page
    typed = {"channel": "energy", "at": "2026-03-02T11:05", "end": "5.00", "start": "0"}
    assert (await place.client.post(url(place, "/replacements"), data=typed, headers=viewer)).status_code == 403


async def test_a_device_with_a_counter_leads_to_its_meter_and_one_without_says_so(
    place: Any, browser: dict[str, str]
) -> None:
    await place.read(0, 1)
    assert f'href="{url(place)}"' in (await place.client.get(f"/devices/{place.device}", headers=browser)).text
    silent = await place.city.device(await place.city.gateway(78), 102)
    assert f"/devices/{silent}/meter" not in (await place.client.get(f"/devices/{silent}", headers=browser)).text
    assert "No counter here" in (await place.client.get(f"/devices/{silent}/meter", headers=browser)).text


async def test_the_page_s_export_is_of_the_interval_it_shows(place: Any, browser: dict[str, str]) -> None:
    await place.read(0, 99_999_999)
    page = (await place.client.get(url(place, "?range=d30"), headers=browser)).text
    link = re.search(r'href="(/api/v1/devices/\w+/readings\.csv\?[^"]+)"', page)
    assert link is not None
    export = await place.client.get(link[1].replace("&amp;", "&"), headers=browser)
    assert export.text.splitlines()[1:] == ["2026-03-02T03:00:00.000Z,energy,999999.99,kWh,Good"]


async def test_a_meter_outside_the_scope_is_on_no_page(place: Any) -> None:
    await place.read(0, 60_000_000)
    await place.read(10, 5)
    await watch(place.context)
    stranger = await place.city.browser(await place.city.user("zhao", Role.TECHNICIAN, ["bj.110101"]))
    assert (await place.client.get(url(place), headers=stranger)).status_code == 404
    assert "Pole 1 meter" not in (await place.client.get("/meters", headers=stranger)).text


@pytest.mark.parametrize(
    ("size", "start", "end"),
    [
        (StepSize.HOUR, "2025-12-30T17:00", "2026-01-01T17:00"),
        (StepSize.DAY, "2025-12-03T00:00", "2026-01-02T00:00"),
        (StepSize.MONTH, "2025-02-01T00:00", "2026-02-01T00:00"),
    ],
)
def test_the_last_step_shown_is_the_present_one(size: StepSize, start: str, end: str) -> None:
    low, high = interval(datetime(2026, 1, 1, 8, 30, tzinfo=UTC), size)
    assert (low, high) == tuple(replace_zone(text) for text in (start, end))


def replace_zone(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)
