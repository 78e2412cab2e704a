"""A running fleet with a real agent and simulated devices, and Debian's Chromium to look at it."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from fleet_server.web import assets
from protocols import citycode
from tests.e2e.chain import Chain, wait_for

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
GATEWAY = citycode.mint("D", "1101149001000077").text
LAMP = citycode.mint("D", "1101149001003001").text
GAS = citycode.mint("D", "1101149001003002").text
POLE = citycode.mint("B", "1101140118000123").text
MODELS = {LAMP: ("Pole 1 lamp", "lamp_controller"), GAS: ("Compartment 1 gas", "gas_head")}
PASSWORD = "correct horse battery"


@dataclass
class Town:
    """`link` is the set-up link; `chain` runs the processes, and stops some of them when a test asks."""

    chain: Chain
    link: str

    @property
    def url(self) -> str:
        return self.chain.url


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    assets.build()
    folder = tmp_path_factory.mktemp("town")
    with Chain(folder) as chain:
        gateway = chain.enrol(GATEWAY, "East poles")
        devices = "".join(
            f'[[bus.device]]\ncode = "{code}"\nname = "{name}"\nmodel = "{model}"\nunit = {unit}\n'
            + ('section = "1"\n' if code == GAS else "")
            for unit, (code, (name, model)) in enumerate(MODELS.items(), 1)
        )
        chain.run_simulators(
            f'seed = 7\nports_file = "{folder}/ports.json"\n[[bus]]\nname = "tcp"\nkind = "tcp"\n{devices}',
            ready=lambda _pid: (folder / "ports.json").exists(),
        )
        chain.run_agent(gateway, buses(folder))
        link = next(word for word in chain.fleet("setup-link").split() if word.startswith("http"))
        stored = "SELECT count(*) FROM last_value"
        wait_for(lambda: chain.query(stored)[0][0] >= len(MODELS), 40, "first values of both devices")
        yield Town(chain, link)


def buses(folder: Path) -> str:
    """The agent's tables; the lamp's pole stands at Huilongguan."""
    port = json.loads((folder / "ports.json").read_text("utf-8"))["tcp"]
    place = f'position = [40.0707, 116.3364]\nmount = "{POLE}"\n'
    return f'[[bus]]\nname = "tcp"\ndriver = "modbus-tcp"\naddress = "{port}"\ntimeout_s = 0.5\n' + "".join(
        f'[[bus.device]]\ncode = "{code}"\nname = "{name}"\nmodel = "{model}"\nunit = {unit}\nperiod_s = 1.0\n'
        + (place if code == LAMP else "")
        for unit, (code, (name, model)) in enumerate(MODELS.items(), 1)
    )


@pytest.fixture(scope="module")
def browser(town: Town) -> Iterator[Browser]:
    """Started after the town: while Playwright runs, its event loop occupies the thread, and asyncio.run refuses."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    """A page of somebody not signed in, in English; a script error or a refused resource fails the test."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1440, "height": 900})
    context.set_default_timeout(10_000)
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    yield opened
    context.close()
    assert faults == []


@pytest.fixture
def page(visitor: Page, town: Town) -> Page:
    """A page of the signed-in administrator."""
    sign_in(visitor, town)
    return visitor


def sign_in(page: Page, town: Town) -> None:
    """By the set-up link the first time."""
    page.goto(town.link)
    if page.locator("#again").count():
        page.fill("#name", "wang")
        page.fill("#password", PASSWORD)
        page.fill("#again", PASSWORD)
    else:
        page.goto(f"{town.url}/sign-in")
        page.fill("#name", "wang")
        page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_url(f"{town.url}/")


def changes(page: Page, selector: str, seconds: float = 15) -> bool:
    """Whether the text changes within `seconds`."""
    before, deadline = page.inner_text(selector), time.monotonic() + seconds
    while time.monotonic() < deadline:
        if page.inner_text(selector) != before:
            return True
        page.wait_for_timeout(100)
    return False
