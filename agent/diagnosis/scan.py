"""A scan: asks all questions of agent.diagnosis.search, through a gateway that runs, or on the line itself.

A gateway that runs is asked one question after another: so it is polite, keeps nothing, and who ends the scan ended it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from agent import control
from agent.diagnosis.desk import PATIENCE_S
from agent.diagnosis.search import Question, Search, families_on, is_answer, snippet
from agent.settings import BusConfig
from drivers import catalog
from drivers.base import LineConfig, LineDown
from drivers.transport.tap import Tap

MOST_TIMEOUT_S = 0.3  # most devices are done within 0.1; a scan waits that long 250 times and more
BAUDS = (9600, 2400, 4800, 19200, 38400, 57600, 115200, 1200)  # the likely first
PARITIES = ("N", "E", "O")

Ask = Callable[[Question], Awaitable[bytes]]
Tell = Callable[[int, int, str], None]


class CannotScan(Exception):
    """Says why."""


async def run(
    data_dir: Path, bus: BusConfig, *, offline: bool, tell: Tell, begun: list[Search] | None = None
) -> list[Search]:
    """One search, or with `offline` one for each speed and parity at which somebody is. Raises CannotScan.

    Each stands in `begun` as soon as it begins, for whoever wants to know what was found before it was broken off.
    """
    searches: list[Search] = [] if begun is None else begun
    families = families_on(bus.driver)
    if not families:
        raise CannotScan(f"bus {bus.name}: devices of driver {bus.driver} cannot be searched for")
    if await _is_running(data_dir):
        if offline:
            raise CannotScan(
                "a gateway runs and has the line; stop it for a scan of all speeds, or leave --offline out"
            )
        await _search(_begin(searches, bus, families), _through(data_dir, bus), tell)
    elif not offline:
        async with _opened(bus) as ask:
            await _search(_begin(searches, bus, families), ask, tell)
    else:
        await _all_settings(replace(bus, devices=()), families, tell, searches)
    return searches


def _begin(searches: list[Search], bus: BusConfig, families: Sequence[str], settings: str = "") -> Search:
    searches.append(Search(bus.driver, families, {str(device.unit) for device in bus.devices}, settings=settings))
    return searches[-1]


async def _all_settings(bus: BusConfig, families: Sequence[str], tell: Tell, searches: list[Search]) -> None:
    """A few questions at each speed and parity; where somebody says something, all of them."""
    if "/" not in bus.address:
        raise CannotScan(f"bus {bus.name}: speed and parity are set at {bus.address}, not here; leave --offline out")
    settings = [(baud, parity) for baud in BAUDS for parity in PARITIES]
    settings.sort(key=lambda one: one != (bus.baud, bus.parity))
    for number, (baud, parity) in enumerate(settings):
        at = replace(bus, baud=baud, parity=parity, stop_bits=1)
        name = f"{baud} {parity}1"

        def told(asked: int, total: int, words: str, number: int = number, name: str = name) -> None:
            tell(number * total + asked, len(settings) * total, f"{name}: {words}")

        async with _opened(at) as ask:
            quick = Search(at.driver, families, quick=True, settings=name)
            await _search(quick, ask, told)
            if quick.found:
                whole = _begin(searches, at, tuple(dict.fromkeys(one.family for one in quick.found)), name)
                await _search(whole, ask, tell)
                whole.found = whole.found or quick.found


async def _search(search: Search, ask: Ask, tell: Tell) -> None:
    asking = search.run()
    question = next(asking, None)
    total = search.total
    while question is not None:
        tell(search.asked, total, f"{question.family} {question.unit}, {len(search.found)} found")
        try:
            question = asking.send(await ask(question))
        except StopIteration:
            question = None


async def _is_running(data_dir: Path) -> bool:
    try:
        await asyncio.to_thread(control.ask, data_dir, "report")
    except control.NotRunning:
        return False
    return True


def _through(data_dir: Path, bus: BusConfig) -> Ask:
    async def ask(question: Question) -> bytes:
        try:
            told = await asyncio.to_thread(
                lambda: control.ask(
                    data_dir, "ask", timeout_s=2 * PATIENCE_S, bus=bus.name, request=question.request.hex(),
                    longest=question.longest, wait_s=min(bus.timeout_s, MOST_TIMEOUT_S),
                )
            )  # fmt: skip
        except (control.NotRunning, control.Declined) as error:
            raise CannotScan(str(error)) from None
        return bytes.fromhex(told)

    return ask


@asynccontextmanager
async def _opened(bus: BusConfig) -> AsyncIterator[Ask]:
    """The line itself, by its driver; nobody else uses it."""
    tap = Tap(_unheard, _unheard)
    config = LineConfig(bus.driver, bus.address, bus.baud, bus.parity, bus.stop_bits, bus.options, tap)
    line = catalog.BUILTIN[bus.driver].create_line(config)
    timeout_s = min(bus.timeout_s, MOST_TIMEOUT_S)

    async def ask(question: Question) -> bytes:
        try:
            waited_s = timeout_s + question.longest * tap.char_s
            return await tap.ask(question.request, waited_s, lambda data: is_answer(question, data))
        except LineDown as error:
            raise CannotScan(str(error)) from None

    try:
        await line.open()
    except LineDown as error:
        raise CannotScan(str(error)) from None
    try:
        yield ask
    finally:
        await line.close()


def _unheard(_: bytes) -> None:
    """Nothing is recorded."""


def render(searches: Sequence[Search], bus: BusConfig) -> Iterator[str]:
    found = [one for search in searches for one in search.found]
    asked = sum(search.asked for search in searches)
    known = "" if any(one.settings for one in found) else " that are not configured"
    yield f"{bus.name}: {len(found)} found{known}; {asked} addresses asked"
    for search in searches:
        for one in search.found:
            at = f" at {one.settings}" if one.settings else ""
            fits = f"fits {', '.join(one.templates)}" if one.templates else "no template fits"
            yield f"  {one.family} {one.unit}{at}: {one.words}; {fits}"
        yield from (f"  unclear: {doubt}" for doubt in search.doubts)
    for one in found:
        yield ""
        yield snippet(one, bus.driver)
