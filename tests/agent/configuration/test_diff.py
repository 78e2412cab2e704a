import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent import config, site
from agent.configuration.diff import Fate, compare, render
from agent.configuration.versions import content_of
from agent.pipeline import Pipeline
from agent.settings import Config
from agent.site import Site
from drivers import catalog
from drivers.base import Reading, Readings
from protocols import citycode
from tests.agent.conftest import GATEWAY, TEMPLATE
from tests.agent.parts import columns_of

MODELS = ("meter_1p", "lamp_controller")
CODES = tuple(citycode.mint("D", f"110114900100{number:04d}").text for number in range(1, 7))
FILTERS = ("", "\n[bus.device.channel.voltage]\nlowpass_hz = 0.1\n", "\n[bus.device.channel.voltage]\nwindow_s = 5\n")

a_device = st.fixed_dictionaries(
    {
        "unit": st.integers(1, 3),
        "model": st.sampled_from(MODELS),
        "period_s": st.sampled_from((0.5, 1.0)),
        "filters": st.sampled_from(FILTERS),
        "position": st.booleans(),
    }
)
a_bus = st.fixed_dictionaries(
    {"timeout_s": st.sampled_from((0.3, 0.5)), "devices": st.dictionaries(st.sampled_from(CODES), a_device, min_size=1)}
)


@st.composite
def layouts(draw: Any) -> dict[str, Any]:
    """Buses by name; no code and no unit twice."""
    buses: dict[str, Any] = draw(st.dictionaries(st.sampled_from(("a", "b")), a_bus, min_size=1))
    seen: set[str] = set()
    for bus in buses.values():
        bus["devices"] = {code: one for code, one in bus["devices"].items() if code not in seen}
        seen |= set(bus["devices"])
    return {name: bus for name, bus in buses.items() if bus["devices"]}


def text_of(layout: dict[str, Any]) -> str:
    text = TEMPLATE.format(gateway=GATEWAY, address="127.0.0.1:1", broker=1).partition("[[bus]]")[0]
    for name, bus in layout.items():
        text += f'\n[[bus]]\nname = "{name}"\ndriver = "modbus-tcp"\naddress = "127.0.0.1:{ord(name)}"\n'
        text += f"timeout_s = {bus['timeout_s']}\n"
        for number, (code, one) in enumerate(bus["devices"].items()):
            filters = one["filters"] if one["model"] == "meter_1p" else ""
            position = "position = [40.0, 116.0]\n" if one["position"] else ""
            text += (
                f'[[bus.device]]\ncode = "{code}"\nname = "{code[-4:]}"\nmodel = "{one["model"]}"\n'
                f"unit = {10 * number + one['unit']}\nperiod_s = {one['period_s']}\n{position}{filters}"
            )
    return text


def load(layout: dict[str, Any]) -> Config:
    with tempfile.TemporaryDirectory() as folder:
        for name, secret in (("password", "p"), ("key", "ab" * 32)):
            (Path(folder) / name).write_text(secret)
            (Path(folder) / name).chmod(0o600)
        loaded = config.load(Path(folder) / "gateway.toml", {}, catalog.BUILTIN, text_of(layout))
    return replace(loaded, path=Path("/gateway.toml"), gateway=replace(loaded.gateway, data_dir=Path("/data")))


def without_indices(built: Site) -> Any:
    numbers = {number: name for name, number in built.numbers.items()}
    codes = {device.index: device.code for on_bus in built.devices for device in on_bus}
    return (
        *(built.description, built.plans, built.interlocks),
        [
            [(one.code, one.name, one.unit, one.period_ms, one.model.name, one.priority) for one in on_bus]
            for on_bus in built.devices
        ],
        {
            device: {
                name: (numbers[target.bus], codes[target.device], target.number, target.channel)
                for name, target in channels.items()
            }
            for device, channels in built.targets.items()
        },
    )


def columns(pipeline: Pipeline, built: Site, tick: int) -> list[tuple[int, int, tuple[float, ...]]]:
    """What leaves for one reading of every channel."""
    for index, plan in zip(built.indices, built.plans, strict=True):
        pipeline.add(index, tick, Readings.of(Reading(at, 7 + at, 0) for at in range(len(plan.channels))))
    found = []
    while (part := pipeline.drain()) is not None:
        found += [
            (column.alias, column.tag, tuple(map(float, column.values)))
            for group in part.groups
            for column in columns_of(group)
        ]
    return sorted(found)


@settings(deadline=None, max_examples=40)
@given(layouts(), layouts())
def test_what_a_change_leads_to_is_what_a_fresh_start_would_build(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = site.build(load(old))
    fresh = site.build(replace(load(new), uplink=before.config.uplink))
    change = compare(content_of(before.config), content_of(fresh.config))
    assert change.needs_restart == ()
    after = site.build(fresh.config, before, change.keeps)
    assert without_indices(after) == without_indices(fresh)
    assert len(set(after.indices)) == len(after.indices)
    kept = {device.index for on_bus in after.devices for device in on_bus} & set(before.indices)
    assert len(kept) == len(change.keeps)
    pipeline = Pipeline(before.plans)
    columns(pipeline, before, 1000)
    pipeline.exchange(after.plans, after.indices)
    plain = Pipeline(fresh.plans)
    columns(plain, fresh, 1000)
    ours, theirs = columns(pipeline, after, 2000), columns(plain, fresh, 2000)
    filtered = {
        channel.alias
        for channel in range_of(after)
        if after.plans[channel.device].channels[channel.channel].filters.smooths
    }
    # A filter that begins later has settled less; all else is equal.
    assert [one for one in ours if one[0] not in filtered] == [one for one in theirs if one[0] not in filtered]


def range_of(built: Site) -> Any:
    from agent.pipeline import outputs

    return outputs(built.plans)


@settings(deadline=None, max_examples=20)
@given(layouts())
def test_nothing_changes_between_equal_configurations(layout: dict[str, Any]) -> None:
    loaded = load(layout)
    change = compare(content_of(loaded), content_of(loaded))
    assert change.same
    assert not change.begins
    assert list(render(change)) == ["nothing changes"]


ONE = {"unit": 1, "model": "meter_1p", "period_s": 1.0, "filters": "", "position": False}


def changed(**changes: Any) -> Any:
    old = load({"a": {"timeout_s": 0.3, "devices": {CODES[0]: ONE, CODES[1]: ONE}}})
    new = load({"a": {"timeout_s": 0.3, "devices": {CODES[0]: ONE, CODES[1]: {**ONE, **changes}}}})
    return compare(content_of(old), content_of(replace(new, uplink=old.uplink)))


def test_only_the_device_that_differs_begins_anew_and_its_keys_are_named() -> None:
    change = changed(filters=FILTERS[1])
    assert change.begins == {("a", CODES[1])}
    assert change.keeps == {("a", CODES[0])}
    (bus,) = change.buses
    assert (bus.fate, bus.devices[1].keys) == (Fate.STAYS, ("channels.voltage",))


def test_another_position_is_told_and_restarts_nothing() -> None:
    change = changed(position=True)
    assert not change.begins
    assert change.keeps == {("a", CODES[0]), ("a", CODES[1])}
    assert f"  a: {CODES[1][-4:]} ({CODES[1]}) changes (position): only its description" in render(change)


def test_a_changed_line_begins_its_devices_anew_but_not_their_filters() -> None:
    old = load({"a": {"timeout_s": 0.3, "devices": {CODES[0]: ONE}}})
    new = load({"a": {"timeout_s": 0.5, "devices": {CODES[0]: ONE}}})
    change = compare(content_of(old), content_of(replace(new, uplink=old.uplink)))
    assert change.buses[0].fate is Fate.CHANGES
    assert change.begins == change.keeps == {("a", CODES[0])}


def test_a_listener_is_made_anew_for_other_devices() -> None:
    old = load({"a": {"timeout_s": 0.3, "devices": {CODES[0]: ONE}}})
    new = load({"a": {"timeout_s": 0.3, "devices": {CODES[0]: ONE, CODES[1]: ONE}}})
    contents = content_of(old), content_of(replace(new, uplink=old.uplink))
    assert compare(*contents).buses[0].fate is Fate.STAYS
    assert compare(*contents, reporting=["modbus-tcp"]).buses[0].fate is Fate.CHANGES


def test_what_a_start_alone_can_change_is_named() -> None:
    old = load({"a": {"timeout_s": 0.3, "devices": {CODES[0]: ONE}}})
    new = replace(old, uplink=replace(old.uplink, host="elsewhere"))
    assert compare(content_of(old), content_of(new)).needs_restart == ("uplink.host",)
