"""The questions are put to simulated slaves, without a line between."""

import tomllib
from typing import Any

import pytest

from agent.diagnosis.search import Found, Search, families_on, snippet
from sim_devices.clock import Now
from sim_devices.faults import Faults
from sim_devices.lines import BUILTIN
from sim_devices.models.base import Options
from sim_devices.world import World

START = 1_782_041_400_000
NOW = Now(0.0, START, START + 5000)
METER, HEAT = "000000000161", "11110000000007"


def searched(driver: str, protocol: str, units: dict[Any, str], **how: Any) -> Search:
    world = World(1, START, 40.0, 116.3)
    devices = {unit: world.add(f"D{unit}", model, Options()) for unit, model in units.items()}
    world.begin()
    world.advance(NOW.sim_ms)
    slaves = BUILTIN[protocol].gather(devices, Faults(1), lambda _: None, None)
    talk = slaves.converse("tcp" if driver == "modbus-tcp" else "pty")
    search = Search(driver, families_on(driver), **how)
    asking = search.run()
    question = next(asking)
    while True:
        try:
            reply = b"".join(send.data for send in talk.receive(question.request, NOW))
            talk.idle(NOW)
            question = asking.send(reply)
        except StopIteration:
            return search


@pytest.mark.parametrize("driver", ["modbus-rtu", "modbus-tcp", "modbus-rtu-over-tcp"])
def test_a_modbus_device_is_found_with_the_template_that_fits_it_best(driver: str) -> None:
    search = searched(driver, "modbus", {5: "meter_1p", 200: "lamp_controller"})
    units = [one for one in search.found if not one.words.startswith("refused: gateway")]
    assert [(one.unit, one.templates[0]) for one in units] == [("5", "meter_1p"), ("200", "lamp_controller")]


def test_whoever_is_configured_is_not_asked() -> None:
    search = searched("modbus-rtu", "modbus", {5: "meter_1p", 6: "lamp_controller"}, known={"5"})
    assert [one.unit for one in search.found] == ["6"]


@pytest.mark.parametrize(
    ("protocol", "unit", "model"),
    [
        ("dlt645", METER, "dlt645_meter_1p"),
        ("dlt645", METER, "dlt645_meter_3p"),
        ("cjt188", HEAT, "heat_meter"),
        ("mbus", 7, "mbus_heat_meter"),
    ],
)
def test_a_meter_of_another_family_is_found_on_a_line_of_modbus(protocol: str, unit: Any, model: str) -> None:
    search = searched("modbus-rtu", protocol, {unit: model})
    assert [(one.family, one.unit, one.templates) for one in search.found] == [(protocol, str(unit), (model,))]
    told = tomllib.loads(snippet(search.found[0], "modbus-rtu"))
    (device,) = told["bus"]["device"]
    assert (device["driver"], device["unit"], device["model"]) == (protocol, unit, model)


def test_bytes_that_are_no_frame_are_a_doubt_and_no_device() -> None:
    search = Search("dlt645", ("dlt645",))
    asking = search.run()
    next(asking)
    with pytest.raises(StopIteration):
        asking.send(b"\x68\x12\x99\xa5")
    assert search.found == []
    assert "no frame" in search.doubts[0]


def test_the_count_of_questions_is_known_from_the_beginning() -> None:
    search = Search("modbus-rtu", families_on("modbus-rtu"))
    asking = search.run()
    question = next(asking, None)
    while question is not None:
        try:
            question = asking.send(b"")
        except StopIteration:
            question = None
    assert search.asked == search.total == 247 + 1 + 1 + 251


def test_a_snippet_without_a_template_says_how_one_is_made() -> None:
    text = snippet(Found("modbus-rtu", "9", "= 0064"), "modbus-rtu")
    assert "template-from-a-register-list" in text
    assert tomllib.loads(text)["bus"]["device"][0]["unit"] == 9


def test_drivers_that_cannot_be_searched_have_no_families() -> None:
    assert families_on("nbiot") == families_on("lines") == ()
    assert families_on("mbus-over-tcp")[0] == "mbus"
