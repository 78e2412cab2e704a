"""An operator's walk through the console, on a running fleet, in Chromium."""

import re
import signal
import time

import pytest
from playwright.sync_api import Page, expect

from protocols.citycode import geosot
from tests.browser.conftest import GAS, GATEWAY, LAMP, PASSWORD, POLE, Town, changes
from tests.e2e.chain import wait_for

pytestmark = [pytest.mark.debian, pytest.mark.timeout(240)]
SILENCE_MS = 20_000
TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("main *")]
  .filter((element) => element.getBoundingClientRect().right > innerWidth && !element.closest(".scroll"))
  .map((element) => element.outerHTML.slice(0, 120))"""


def test_the_set_up_link_makes_the_first_administrator_once(visitor: Page, town: Town) -> None:
    visitor.goto(town.link)
    expect(visitor.locator("h1")).to_have_text("Set up hutong")
    visitor.fill("#name", "wang")
    visitor.fill("#password", PASSWORD)
    visitor.fill("#again", PASSWORD + "!")
    visitor.click("button.primary")
    expect(visitor.locator(".wrong")).to_have_text("The two passwords differ.")
    visitor.click("button[name=language]")
    expect(visitor.locator("h1")).to_have_text("初始化 hutong")
    visitor.click("button[name=language]")
    visitor.fill("#name", "wang")
    visitor.fill("#password", PASSWORD)
    visitor.fill("#again", PASSWORD)
    visitor.click("button.primary")
    visitor.wait_for_url(f"{town.url}/")
    expect(visitor.locator(".who")).to_contain_text("wang")
    visitor.goto(town.link)
    expect(visitor.locator("h1")).to_have_text("There is nothing here")


def test_a_wrong_password_is_told_and_the_page_asked_for_comes_afterwards(visitor: Page, town: Town) -> None:
    visitor.goto(f"{town.url}/devices?by=model")
    expect(visitor.locator("h1")).to_have_text("Sign in")
    visitor.fill("#name", "wang")
    visitor.fill("#password", "not the password")
    visitor.click("button.primary")
    expect(visitor.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    visitor.fill("#password", PASSWORD)
    visitor.click("button.primary")
    visitor.wait_for_url(f"{town.url}/devices?by=model")


def test_the_overview_counts_what_runs_and_draws_its_place(page: Page) -> None:
    figures = page.locator(".tile .figure")
    expect(figures.nth(0)).to_have_text(re.compile(r"^1\s*/ 1$"))
    expect(figures.nth(1)).to_have_text(re.compile(r"^2\s*/ 2$"))
    expect(figures.nth(2)).not_to_have_text(re.compile(r"^0(\.0)?/s$"), timeout=15_000)
    expect(page.locator("#pulse")).to_have_attribute("data-state", "live")
    expect(page.locator(".pin.pole")).to_have_count(1)
    page.locator(".pin.pole").click()
    expect(page.locator(".leaflet-popup-content")).to_contain_text("Pole 1 lamp")
    expect(page.locator(".leaflet-popup-content")).to_contain_text(POLE)


def test_a_cell_on_the_map_is_the_one_that_the_server_computed(page: Page) -> None:
    code = geosot.encode(40.0707, 116.3364, 23)
    for level in (9, 15, 19, 21, 23):
        (south, west), (north, east) = page.evaluate(
            """async ([code, level]) => {
              const script = document.querySelector('script[src*="map.js"]').src;
              return (await import(script.replace("map.js", "geosot.js"))).cellOf(BigInt(code), level).bounds;
            }""",
            [str(code), level],
        )
        cell = geosot.decode(geosot.parent(code, level), level)
        expected = [float(edge) for edge in (cell.lat_low, cell.lon_low, cell.lat_high, cell.lon_high)]
        assert [south, west, north, east] == pytest.approx(expected, abs=1e-9)


def test_the_gateway_page_proves_delivery(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/gateways/{GATEWAY}")
    expect(page.locator("[data-proof=lost]")).to_contain_text("0 lost")
    expect(page.locator("[data-proof=duplicated]")).to_contain_text("0 duplicated")
    expect(page.locator(".ranges .received")).not_to_have_count(0)
    expect(page.locator("tbody tr")).to_have_count(2)
    assert changes(page, ".proof .facts dd")  # batches stored


def test_devices_are_searched_grouped_and_live(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/devices")
    expect(page.locator("tr[data-row]")).to_have_count(2)
    page.fill("#q", "lamp")
    expect(page.locator("tr[data-row]")).to_have_count(1)
    assert "q=lamp" in page.url
    page.fill("#q", "no such thing")
    expect(page.locator("#table")).to_contain_text("No device matches")
    page.fill("#q", "")
    expect(page.locator("tr[data-row]")).to_have_count(2)
    page.select_option("#by", "model")
    expect(page.locator("tr.section").first).to_contain_text("gas_head")
    assert changes(page, f'[data-value][data-device="{GAS}"] .figure')


def test_the_device_page_shows_live_values_and_history_down_to_raw(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/devices/{GAS}")
    expect(page.locator("h1")).to_have_text("Compartment 1 gas")
    expect(page.locator(".plot canvas").first).to_be_visible()
    expect(page.locator("#resolution")).to_have_text("every value")
    assert changes(page, f'[data-value][data-device="{GAS}"] .figure')
    page.click("[data-range='86400']")
    expect(page.locator("#resolution")).to_have_text("by minute", timeout=15_000)
    expect(page.locator("#plots")).to_have_attribute("aria-busy", "false")
    area = page.locator(".plot .u-over").first.bounding_box()
    assert area is not None
    for _ in range(3):  # towards the present, where the data is
        x, y = area["x"] + area["width"] * 0.95, area["y"] + 30
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(area["x"] + area["width"] - 2, y, steps=5)
        page.mouse.up()
        page.wait_for_timeout(300)
        expect(page.locator("#plots")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#resolution")).to_have_text("every value")
    for _ in range(3):
        page.keyboard.press("Escape")
    expect(page.locator("[data-range='86400']")).to_have_attribute("aria-pressed", "true")


def test_a_command_is_confirmed_sent_executed_and_read_back(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/devices/{LAMP}")
    page.click("[data-write=dim_setpoint]")
    dialog = page.locator("#write-dim_setpoint")
    dialog.locator("input[name=value]").fill("140")
    dialog.locator("button.primary").click()
    expect(dialog).to_be_visible()  # not confirmed: the browser holds it back
    dialog.locator("input[type=checkbox]").check()
    dialog.locator("button.primary").click()
    expect(dialog.locator(".wrong")).not_to_be_empty()
    dialog.locator("input[name=value]").fill("40")
    dialog.locator("button.primary").click()
    expect(dialog).not_to_be_visible()
    row = page.locator("[data-command]").first
    expect(row).to_contain_text("Done", timeout=20_000)
    expect(row.locator("td").nth(3)).to_have_text("40")


def test_values_grey_when_the_stream_falls_silent_and_recover_by_themselves(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/devices/{GAS}")
    expect(page.locator("#pulse")).to_have_attribute("data-state", "live")
    serve = town.chain.processes["serve"]
    serve.send(signal.SIGSTOP)
    try:
        expect(page.locator("#silence")).to_be_visible(timeout=SILENCE_MS)
        expect(page.locator("#silence")).to_contain_text("No sign of the server since")
        expect(page.locator(".value:not(.is-stale)")).to_have_count(0)
    finally:
        serve.send(signal.SIGCONT)
    expect(page.locator("#silence")).to_be_hidden(timeout=SILENCE_MS)
    expect(page.locator(".value.is-good")).not_to_have_count(0)


def test_the_gap_of_a_broker_that_was_away_is_shown_and_fills_itself(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/devices/{GAS}")
    plot = page.locator(".plot").first
    expect(page.locator("#plots")).to_have_attribute("aria-busy", "false")
    before = plot.get_attribute("data-gaps")
    town.chain.kill("broker")
    expect(page.locator(".value:not(.is-stale)")).to_have_count(0, timeout=SILENCE_MS)
    town.chain.restart("broker")
    expect(page.locator(".value.is-good")).not_to_have_count(0, timeout=30_000)
    expect(plot).to_have_attribute("data-gaps", before or "", timeout=25_000)
    page.reload()
    expect(page.locator("#plots")).to_have_attribute("aria-busy", "false")
    expect(plot).to_have_attribute("data-gaps", before or "")


def test_the_overview_says_so_too_when_the_server_is_gone_and_comes_back(page: Page, town: Town) -> None:
    town.chain.kill("serve")
    expect(page.locator("#silence")).to_be_visible(timeout=SILENCE_MS)
    town.chain.restart("serve")
    expect(page.locator("#silence")).to_be_hidden(timeout=SILENCE_MS)


def test_a_value_whose_own_time_is_old_is_stale_though_the_stream_is_alive(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/devices/{GAS}")
    expect(page.locator(".value.is-good")).not_to_have_count(0)
    town.chain.kill("ingest")
    try:
        expect(page.locator(".value:not(.is-stale)")).to_have_count(0, timeout=SILENCE_MS)
        expect(page.locator("[data-quality]").first).to_have_text("Stale")
        expect(page.locator("#silence")).to_be_hidden()
    finally:
        town.chain.restart("ingest")
    expect(page.locator(".value.is-good")).not_to_have_count(0, timeout=30_000)


def test_the_console_speaks_chinese_and_keeps_to_it(page: Page, town: Town) -> None:
    page.click("button[name=language]")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    for path, title in (
        ("/", "总览"),
        ("/gateways", "网关"),
        ("/devices", "设备"),
        ("/quarantine", "隔离区"),
        ("/codes", "城市编码"),
    ):
        page.goto(town.url + path)
        expect(page.locator("h1").first).to_have_text(title)
    page.goto(f"{town.url}/devices/{LAMP}")
    expect(page.locator("#history-title")).to_contain_text("历史")
    page.click("button[name=language]")
    expect(page.locator("#history-title")).to_contain_text("History")


def test_the_keyboard_leads_everywhere_and_the_theme_is_remembered(page: Page, town: Town) -> None:
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url(f"{town.url}/devices")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type(LAMP.lower())
    page.keyboard.press("Enter")
    page.wait_for_url(f"{town.url}/devices/{LAMP}")
    page.locator("h1").click()
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_token_is_shown_once_and_opens_the_api(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/tokens")
    page.fill("#name", "dashboard")
    page.check("input[value='telemetry:read']")
    page.check("input[value='ledger:read']")
    page.click("form[action='/tokens'] button.primary")
    secret = page.inner_text("#secret")
    headers = {"authorization": f"Bearer {secret}", "cookie": ""}
    assert page.request.get(f"{town.url}/api/v1/devices/{LAMP}/now", headers=headers).ok
    page.goto(f"{town.url}/tokens")
    expect(page.locator("#secret")).to_have_count(0)
    page.click("button.danger")
    expect(page.locator("tbody")).to_contain_text("Revoked")
    assert page.request.get(f"{town.url}/api/v1/devices/{LAMP}/now", headers=headers).status == 401


def test_a_code_is_minted_resolved_and_refused_with_the_reason(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/codes")
    page.fill("#class", "0118")
    page.fill("#purpose", "Pole at the east gate")
    page.click("form[method=post] button.primary")
    code = page.get_attribute("[data-code]", "data-code")
    assert code is not None
    assert code.startswith("B1101140118")
    page.goto(f"{town.url}/c/{code}")
    expect(page.locator(".facts")).to_contain_text("Pole at the east gate")
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    page.goto(f"{town.url}/codes?code={wrong}")
    expect(page.get_by_role("alert").last).to_contain_text("not a valid city code")
    page.goto(f"{town.url}/codes?code={LAMP}")
    expect(page.locator(".facts")).to_contain_text("Pole 1 lamp")


def test_people_are_added_and_shut_out_and_the_trail_says_by_whom(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/users")
    page.fill("#name", "li")
    page.fill("#password", "another long password")
    page.select_option("#role", "viewer")
    page.click("form[action='/users'] button.primary")
    row = page.locator("tr", has_text="li").filter(has_text="Viewer")
    expect(row).to_contain_text("Active")
    row.locator("button").click()
    expect(row).to_contain_text("Disabled")
    page.goto(f"{town.url}/audit")
    expect(page.locator("tbody")).to_contain_text("identity.create-user")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/gateways",
        "/devices",
        f"/devices/{LAMP}",
        f"/devices/{LAMP}/meter",
        f"/gateways/{GATEWAY}",
        "/meters",
        "/tokens",
        "/codes",
    ],
)
def test_no_page_is_wider_than_a_phone(page: Page, town: Town, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(town.url + path)
    page.wait_for_timeout(500)
    assert page.evaluate(TOO_WIDE) == []


def test_numbers_that_change_do_not_move_the_page(page: Page, town: Town) -> None:
    page.goto(f"{town.url}/devices/{GAS}")
    expect(page.locator(".plot canvas").first).to_be_visible()
    page.evaluate(
        """() => { window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
             window.shift += entry.value; })).observe({ type: "layout-shift" }); }"""
    )
    deadline = time.monotonic() + 5
    wait_for(lambda: time.monotonic() > deadline or None, 6, "five seconds of live values")
    page.wait_for_timeout(100)
    assert page.evaluate("window.shift") < 0.02
