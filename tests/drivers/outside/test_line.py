import asyncio
import logging
import os
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from drivers.base import LineDown, Nonsense, Reading, Refused, Span, Unreachable
from drivers.outside import vitals, watch
from drivers.outside.family import OutsideFamily
from drivers.outside.line import OutsideLine
from drivers.outside.told import OutsideModel
from protocols.quality import Quality
from tests.outsider import change

Behave = Callable[[str], object]


@pytest.fixture
def gauge(family: OutsideFamily, line: OutsideLine) -> OutsideModel:
    return line._models["gauge"]


def span(model: OutsideModel) -> Span:
    return Span(*model.points[0][:3])


async def read(line: OutsideLine, model: OutsideModel, unit: int = 7, timeout: float = 0.2) -> list[Reading]:
    return list(model.decode(span(model), await line.read(unit, span(model), timeout)))


async def test_what_the_child_decodes_is_what_the_gateway_reads(line: OutsideLine, gauge: OutsideModel) -> None:
    await line.open()
    assert await read(line, gauge) == [
        Reading(0, 70, Quality.GOOD),
        Reading(1, 1, Quality.GOOD),
        Reading(2, None, Quality.BAD_SENSOR_FAILURE),
    ]
    assert await line.write(7, gauge, 0, Decimal("4.2"), 0.2) == Reading(0, 42, Quality.GOOD)
    await line.close()


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ("silent", Unreachable, r"^no\?answer$"),
        ("refuse", Refused, "no such thing"),
        pytest.param("garbled", Nonsense, "a wrong sum", marks=pytest.mark.long),
        ("bug", Nonsense, r"acme-hutong 1.2\) at 10.0.0.1:1 has a bug: ZeroDivisionError: .*\(driver.py, line \d+\)"),
    ],
)
async def test_the_driver_s_errors_arrive_as_its_own_and_leave_it_running(
    line: OutsideLine, gauge: OutsideModel, behave: Behave, how: str, error: type[Exception], words: str
) -> None:
    await line.open()
    assert line.child is not None
    pid = line.child.pid
    behave(how)
    with pytest.raises(error, match=words) as caught:
        await read(line, gauge)
    assert type(caught.value) is error
    assert getattr(caught.value, "code", 2) == 2
    behave("well")
    assert len(await read(line, gauge)) == 3
    assert line.child.pid == pid


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("loop", "it hung: its event loop has not answered"),
        pytest.param("memory", "it asked for more memory than the 128 MB it may take", marks=pytest.mark.long),
        ("segfault", "it crashed: SIGSEGV"),
        pytest.param("leak", "it asked for more memory than the 128 MB it may take", marks=pytest.mark.long),
        pytest.param("shared", r"it took \d+ MB of memory, and may take 128", marks=pytest.mark.long),
        pytest.param("exit", "it ended by itself with exit status 3", marks=pytest.mark.long),
        pytest.param("flood", "prints without end", marks=pytest.mark.long),
    ],
)
async def test_a_driver_that_misbehaves_is_ended_with_the_cause_and_started_again(
    line: OutsideLine,
    gauge: OutsideModel,
    family: OutsideFamily,
    behave: Behave,
    how: str,
    words: str,
    caplog: pytest.LogCaptureFixture,
    until: Any,
) -> None:
    await line.open()
    behave(how)
    began = time.monotonic()
    with pytest.raises(LineDown, match=words):
        await read(line, gauge)
    assert time.monotonic() - began < 0.2 + 1.0 + 1.0
    await until(lambda: family.watch.conduct.failures)
    assert family.watch.conduct.failures == 1
    assert [one for one in caplog.records if one.levelno == logging.ERROR and "acme-hutong" in one.message]
    behave("well")
    await line.close()
    await line.open()
    assert len(await read(line, gauge)) == 3


@pytest.mark.long
async def test_a_driver_that_answers_but_keeps_a_processor_busy_is_ended(
    line: OutsideLine,
    gauge: OutsideModel,
    family: OutsideFamily,
    behave: Behave,
    monkeypatch: pytest.MonkeyPatch,
    until: Any,
) -> None:
    monkeypatch.setattr(vitals, "CPU_SHARE", 0.05)  # on a machine that tests share
    await line.open()
    behave("busy")
    await read(line, gauge)
    await until(lambda: family.watch.conduct.failures, 2 * vitals.CPU_WINDOW_S)
    assert "it kept a processor busy: " in family.watch.conduct.last


async def test_where_it_crashed_stands_in_the_log(
    line: OutsideLine, gauge: OutsideModel, behave: Behave, caplog: pytest.LogCaptureFixture
) -> None:
    await line.open()
    behave("segfault")
    with caplog.at_level(logging.INFO), pytest.raises(LineDown):
        await read(line, gauge)
    said = "\n".join(one.message for one in caplog.records)
    assert "driver acme (acme-hutong 1.2) at 10.0.0.1:1: Fatal Python error: Segmentation fault" in said
    assert "driver.py" in said


async def test_a_cancelled_read_leaves_the_line_usable(line: OutsideLine, gauge: OutsideModel, behave: Behave) -> None:
    await line.open()
    behave("slow")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await read(line, gauge)
    behave("well")
    assert len(await read(line, gauge)) == 3


async def test_a_device_that_is_away_costs_no_new_child(line: OutsideLine, gauge: OutsideModel, behave: Behave) -> None:
    await line.open()
    assert line.child is not None
    pid = line.child.pid
    await line.close()
    behave("shut")
    with pytest.raises(Unreachable, match="nobody opens"):
        await line.open()
    behave("well")
    await line.open()
    assert line.child.pid == pid


async def test_a_line_that_was_not_opened_is_down(line: OutsideLine, gauge: OutsideModel) -> None:
    with pytest.raises(LineDown, match="the line is not open"):
        await read(line, gauge)


async def test_code_that_was_saved_runs_after_a_reload(
    line: OutsideLine, gauge: OutsideModel, family: OutsideFamily, package: Path
) -> None:
    await line.open()
    change(package / "driver.py", "VERSION = 1", "VERSION = 2")
    assert (await read(line, gauge))[1].value == 1
    await line.reload()
    assert (await read(line, gauge))[1].value == 2
    assert family.watch.running == 1


async def test_a_reload_whose_device_is_away_leaves_a_line_to_be_opened(
    line: OutsideLine, gauge: OutsideModel, behave: Behave
) -> None:
    await line.open()
    behave("shut")
    await line.reload()
    with pytest.raises(LineDown, match="the line is not open"):
        await read(line, gauge)
    behave("well")
    await line.open()
    assert len(await read(line, gauge)) == 3


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("driver.py", "VERSION = 1", "VERSION = = 1", r"SyntaxError: invalid syntax \(driver.py, line 17\)"),
        pytest.param("driver.py", "FAMILY = Family()", "FAMILY = 3", "is 3", marks=pytest.mark.long),
        ("model.py", '"ratio"', '"share"', "has other channels or addresses now"),
    ],
)
async def test_code_that_cannot_be_used_leaves_the_old_running(
    line: OutsideLine, gauge: OutsideModel, package: Path, file: str, old: str, new: str, words: str
) -> None:
    await line.open()
    change(package / file, old, new)
    with pytest.raises(LineDown, match=words):
        await line.reload()
    assert (await read(line, gauge))[1].value == 1


@pytest.mark.long
async def test_a_driver_that_fails_too_often_is_not_started_until_its_code_changes(
    line: OutsideLine, gauge: OutsideModel, family: OutsideFamily, behave: Behave, package: Path, until: Any
) -> None:
    told: list[tuple[str, str]] = []
    family.watch._tell = lambda kind, detail: told.append((kind, detail))
    behave("exit")
    for number in range(1, 6):
        await line.open()
        with pytest.raises(LineDown):
            await read(line, gauge)
        await until(lambda n=number: family.watch.conduct.failures == n)
    with pytest.raises(LineDown, match="disabled until its code or the configuration changes: 5 failures within"):
        await line.open()
    assert [kind for kind, _ in told] == [watch.FAILED] * 5 + [watch.DISABLED]
    behave("well")
    os.utime(package / "driver.py")
    await line.open()
    assert told[-1][0] == watch.ENABLED
    assert len(await read(line, gauge)) == 3
