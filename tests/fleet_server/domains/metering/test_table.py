"""The table of meters over the real database: what it asks, whom it shows what."""

from functools import partial
from typing import Any

import pytest

from fleet_server.domains.metering import table as of
from fleet_server.domains.metering.table import Asked, Meters, Table
from fleet_server.domains.metering.wiring import create_metering
from fleet_server.kernel.principal import system


async def ask(place: Any, **asked: Any) -> Table:
    context = place.context
    meters = Meters(context.ports, create_metering(context), system("test"), context.clock.now())
    return await meters.table(Asked(**asked), partial(context.i18n.text, "en"))


async def test_the_figures_are_those_of_the_meter_s_own_page(place: Any) -> None:
    await place.read(0, 99_999_990, 99_999_998)
    await place.read(60, 3, 10)
    (row,) = (await ask(place)).rows
    told = await place.consumption(0, 120)
    assert row.days is not None
    assert (
        (f"{row.days.amount:f}", row.days.at_least, row.days.open)
        == (told["amount"], True, False)
        == ("0.20", True, False)
    )
    assert row.reading is not None
    assert f"{row.reading.value:f}" == "0.10"
    assert [f"{bar.step.amount:f}" for bar in row.bars if bar.step.until] == ["0.08", "0.12"]


async def test_a_reading_before_midnight_makes_today_whole(place: Any) -> None:
    midnight = (16 - 3 - 24) * 60  # of Beijing, from 03:00 UTC
    await place.read(midnight - 1, 1000, 1007)
    await place.read(0, 1050)
    (row,) = (await ask(place)).rows
    assert row.today is not None
    assert (f"{row.today.amount:f}", row.today.is_whole) == ("0.50", True)


async def test_a_fall_is_open_until_a_replacement_is_recorded(place: Any) -> None:
    await place.read(0, 60_000_000, 60_000_010)
    await place.read(10, 5, 9)
    (row,) = (await ask(place)).rows
    assert row.days is not None
    assert (f"{row.days.amount:f}", row.days.open, row.standing) == ("0.14", True, "look")
    assert (await place.record(5, "600000.10", "0.00")).status_code == 201
    (row,) = (await ask(place)).rows
    assert row.days is not None
    assert (f"{row.days.amount:f}", row.days.open) == ("0.19", False)


async def test_only_the_rows_of_the_page_are_counted(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of, "PAGE", 1)
    other = await place.city.device(await place.city.gateway(78), 102, name="Pole 2 meter")
    await place.read(0, 1, 2)
    first, second = [await ask(place, page=page) for page in (1, 2)]
    assert (first.found, first.pages, len(first.rows)) == (1, 1, 1)
    assert second.rows == ()
    assert other not in {row.device.code for row in first.rows}


async def test_too_many_are_not_ordered_by_what_they_consumed(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await place.read(0, 1, 2)
    assert not (await ask(place, sort="-today")).too_many
    monkeypatch.setattr(of, "MOST_SORTED", 0)
    told = await ask(place, sort="-today")
    assert (told.too_many, len(told.rows)) == (True, 1)
