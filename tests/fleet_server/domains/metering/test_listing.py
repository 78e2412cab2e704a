"""The page of all meters, and its CSV."""

import csv
import re
from typing import Any

import pytest

from fleet_server.domains.identity.models import Role
from fleet_server.domains.metering.listing import COLUMNS
from fleet_server.domains.metering.wiring import watch

HTMX = {"hx-request": "true"}


@pytest.fixture
async def browser(place: Any) -> dict[str, str]:
    headers: dict[str, str] = await place.city.browser(await place.city.user("li", Role.TECHNICIAN))
    return headers


async def page(place: Any, browser: dict[str, str], query: str = "") -> str:
    answer = await place.client.get(f"/meters{query}", headers=browser)
    assert answer.status_code == 200
    text: str = answer.text
    return text


@pytest.mark.parametrize(("language", "words"), [("en", ("1 meter", "Electricity")), ("zh", ("1 块表计", "今日用量"))])
async def test_a_healthy_meter_stands_in_the_table_and_nothing_is_to_be_looked_at(
    place: Any, browser: dict[str, str], language: str, words: tuple[str, ...]
) -> None:
    await place.read(0, 60_000_000, 60_000_010)
    text = await page(place, browser | {"accept-language": language})
    assert f'href="/devices/{place.device}/meter?channel=energy&amp;range=d30"' in text
    assert "600\u2009000.10" in text
    assert "≥ 0.10" in text
    assert "data-found" not in text
    assert all(word in text for word in words)


async def test_those_to_look_at_stand_above_the_table_and_are_marked_in_it(place: Any, browser: dict[str, str]) -> None:
    await place.read(0, 60_000_000, 60_000_010)
    await place.read(10, 5, 9)
    await watch(place.context)
    text = await page(place, browser)
    assert text.index("data-found") < text.index("data-meter")
    assert re.search(r"mark uncertain.{0,20}To look at", text)
    assert "A place in it is open" in text


async def test_a_meter_that_was_described_and_not_yet_read_has_no_figures(place: Any, browser: dict[str, str]) -> None:
    text = await page(place, browser)
    assert text.count("Nothing was read") == text.count("—") > 0
    assert re.search(r"mark stale.{0,20}Silent", text)


@pytest.mark.parametrize(
    ("query", "rows"),
    [("?q=pole+1", 1), ("?q=nothing", 0), ("?kind=electricity", 1), ("?kind=water", 0), ("?kind=no&sort=no", 1)],
)
async def test_meters_are_found_and_filtered_and_htmx_is_given_the_table_alone(
    place: Any, browser: dict[str, str], query: str, rows: int
) -> None:
    await place.read(0, 1, 2)
    for headers in (browser, browser | HTMX):
        text = await page(place, headers, query)
        assert text.count("data-meter=") == rows
        assert ("No meter matches" in text) is (rows == 0)
        assert ("<html" in text) is (headers is browser)


@pytest.mark.parametrize("sort", ["name", "kind", "place", "reading", "today", "days", "state"])
async def test_a_column_s_head_orders_one_way_and_the_other(place: Any, browser: dict[str, str], sort: str) -> None:
    await place.read(0, 1, 2)
    for asked, direction, other in ((sort, "ascending", f"-{sort}"), (f"-{sort}", "descending", sort)):
        text = await page(place, browser, f"?sort={asked}")
        assert re.search(
            rf'aria-sort="{direction}"><a class="sort" href="/meters\?q=&amp;kind=&amp;sort={other}"', text
        )


async def test_the_csv_has_exact_figures_and_is_audited(place: Any, browser: dict[str, str]) -> None:
    await place.read(0, 60_000_000, 60_000_010)
    answer = await place.client.get("/meters.csv?kind=electricity", headers=browser)
    assert answer.headers["content-type"].startswith("text/csv")
    head, row = csv.reader(answer.text.splitlines())
    assert tuple(head) == COLUMNS
    told = dict(zip(head, row, strict=True))
    assert (told["reading"], told["days_30"], told["days_30_is"]) == ("600000.10", "0.10", "at-least")
    assert (told["days_30_from"], told["read_at"]) == ("2026-03-02T03:00:00.000Z", "2026-03-02T03:01:00.000Z")
    (noted,) = await place.city.audited("metering.export")
    assert noted["detail"] == {"meters": 1, "query": "", "kind": "electricity"}


async def test_a_name_that_begins_as_a_formula_is_text_in_a_spreadsheet(place: Any, browser: dict[str, str]) -> None:
    await place.city.device(await place.city.gateway(79), 101, name="=HYPERLINK(1)")
    await place.read(0, 1, 2)
    answer = await place.client.get("/meters.csv", headers=browser)
    assert ",'=HYPERLINK(1)," in answer.text


async def test_who_may_see_nothing_of_a_meter_finds_it_in_no_table(place: Any) -> None:
    await place.read(0, 60_000_000, 60_000_010)
    stranger = await place.city.browser(await place.city.user("zhao", Role.TECHNICIAN, ["bj.110101"]))
    assert "No meter yet" in await page(place, stranger)
    assert len((await place.client.get("/meters.csv", headers=stranger)).text.splitlines()) == 1
