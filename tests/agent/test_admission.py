from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import admission, config, site
from agent.bus.learned import Learned
from agent.bus.memory import Memory
from drivers import catalog
from protocols import citycode

Write = Callable[..., Path]
Weigh = Callable[..., admission.LineUse]


@pytest.fixture
def weigh(write_config: Write, tmp_path: Path) -> Weigh:
    """The use of one Modbus RTU line."""

    def weigh(devices: int, period_s: float, baud: int = 9600, memory: Memory | None = None) -> admission.LineUse:
        path = write_config(devices=devices, period_s=period_s)
        text = (
            path.read_text()
            .replace('"modbus-tcp"', '"modbus-rtu"')
            .replace('"127.0.0.1:1"', f'"/dev/x"\nbaud = {baud}')
        )
        path.write_text(text)
        built = site.build(config.load(path, {}, catalog.ALL))
        (line,) = admission.weigh(built, catalog.ALL, memory or Memory(tmp_path / "none"))
        return line

    return weigh


def test_a_line_s_use_is_what_its_frames_silences_and_turnarounds_take(weigh: Weigh) -> None:
    use = weigh(devices=4, period_s=1).use
    assert use is not None
    # meter_1p: input registers 0 to 15 in one request of 8 bytes, answered by 5 + 2 * 16: 10 bits each, 3.5 * 11
    # bits of silence behind it, and 10 ms of thinking.
    span = catalog.BUILTIN["modbus-rtu"].load_model("meter_1p").points
    registers = max(point.address + point.length for point in span) - min(point.address for point in span)
    poll_ms = 1000 * ((8 + 5 + 2 * registers) * 10 + 3.5 * 11) / 9600 + 10
    assert use.longest_ms == pytest.approx(poll_ms)
    assert use.share == pytest.approx(4 * poll_ms / 1000)
    assert use.requests == 4
    assert not use.misses


def test_a_line_with_too_little_time_names_who_misses_what_and_what_would_fit(weigh: Weigh) -> None:
    line = weigh(devices=20, period_s=1)
    assert line.use is not None
    assert not line.fits
    assert line.use.share > 1
    assert len(line.use.misses) == 20
    assert line.use.misses[0].share == pytest.approx(1 / line.use.share, rel=0.2)
    assert max(miss.share for miss in line.use.misses) - min(miss.share for miss in line.use.misses) <= 0.05
    baud, period = line.remedies
    assert baud.startswith("baud = 19200, where all devices can (")
    assert period.startswith("period_s = 1.5 of these devices (")
    told = list(admission.render(line))
    assert told[0].startswith("street  modbus-rtu /dev/x  ")
    assert "Meter 1 (D" in told[1]
    assert "would be read every " in told[1]
    assert "voltage" in told[1]
    assert told[-1] == f"  what would fit: {baud}; or {period}"


@pytest.mark.parametrize(("devices", "period_s"), [(20, 1.0), (9, 0.3), (60, 2.0)])
def test_what_is_said_to_fit_does_fit(weigh: Weigh, devices: int, period_s: float) -> None:
    line = weigh(devices, period_s)
    for remedy in line.remedies:
        key, _, rest = remedy.partition(" = ")
        value = rest.split()[0].strip(",")
        tried = weigh(devices, period_s, int(value)) if key == "baud" else weigh(devices, float(value))
        assert tried.fits, remedy


def test_what_was_learned_of_a_kind_counts(weigh: Weigh, tmp_path: Path) -> None:
    memory = Memory(tmp_path / "learned.json")
    memory.note([(catalog.BUILTIN["modbus-rtu"].load_model("meter_1p"), Learned(turnaround_ms=250.0))])
    fast, slow = weigh(devices=4, period_s=1), weigh(devices=4, period_s=1, memory=memory)
    assert fast.fits
    assert not slow.fits


def test_where_nothing_helps_a_line_of_their_own_is_advised(weigh: Weigh, tmp_path: Path) -> None:
    memory = Memory(tmp_path / "learned.json")
    memory.note([(catalog.BUILTIN["modbus-rtu"].load_model("meter_1p"), Learned(turnaround_ms=20_000.0))])
    line = weigh(devices=4, period_s=1, memory=memory)
    assert not line.remedies
    assert list(admission.render(line))[-1] == (
        "  nothing tried would fit: put some of these devices on a line of their own"
    )


def test_a_device_of_low_priority_gives_way_and_is_named_alone(write_config: Write, tmp_path: Path) -> None:
    path = write_config(devices=12, period_s=1)
    head, *devices = path.read_text().replace('"modbus-tcp"', '"modbus-rtu"').split("\n[[bus.device]]\n")
    devices[-1] += 'priority = "low"\nperiod_s = 2\n'
    devices[-1] = devices[-1].replace("period_s = 1\n", "", 1)
    path.write_text("\n[[bus.device]]\n".join([head, *devices]))
    built = site.build(config.load(path, {}, catalog.ALL))
    (line,) = admission.weigh(built, catalog.ALL, Memory(tmp_path / "none"))
    assert line.use is not None
    assert line.use.share < 1.05
    assert [miss.device.name for miss in line.use.misses] in ([], ["Meter 12"])


def test_a_driver_that_cannot_tell_is_not_guessed_at(write_config: Write, tmp_path: Path) -> None:
    path = write_config(devices=1)
    text = path.read_text().replace('"modbus-tcp"', '"nbiot"').replace('"127.0.0.1:1"', '"/dev/x"')
    path.write_text(
        text.replace('"meter_1p"', '"nb_modem"').replace("unit = 1", "") + '[bus.options]\ndialect = "bc95"\n'
    )
    code = citycode.mint("D", "1101149001000001").text
    assert code in path.read_text()
    built = site.build(config.load(path, {}, catalog.ALL))
    (line,) = admission.weigh(built, catalog.ALL, Memory(tmp_path / "none"))
    assert line.fits
    assert list(admission.render(line)) == ["street  nbiot /dev/x  its use cannot be told in advance"]


def test_a_line_of_another_distribution_s_driver_is_not_even_made(write_config: Write, tmp_path: Path) -> None:
    built = site.build(config.load(write_config(devices=1), {}, catalog.ALL))
    theirs: Any = object()
    strange = replace(built, config=replace(built.config, outsiders={"modbus-tcp": theirs}))
    (line,) = admission.weigh(strange, {"modbus-tcp": theirs}, Memory(tmp_path / "none"))
    assert line.use is None


def test_only_the_lines_that_are_asked_about_are_weighed(write_config: Write, tmp_path: Path) -> None:
    built = site.build(config.load(write_config(devices=1), {}, catalog.ALL))
    memory = Memory(tmp_path / "none")
    assert len(admission.weigh(built, catalog.ALL, memory, {"street"})) == 1
    assert admission.weigh(built, catalog.ALL, memory, {"tunnel"}) == []
