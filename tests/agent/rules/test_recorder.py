"""Captures in a running gateway, whose broker is away: from a register to bursts in the spool."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent import config, control, site, status
from agent.configuration.diff import compare
from agent.configuration.versions import content_of
from agent.supervisor import Agent
from drivers import catalog
from protocols import citycode
from protocols.edge.birth import decode_description
from protocols.edge.burst import Ending, Waveform
from protocols.edge.columns import Column
from protocols.edge.messages import Burst, Event, decode
from tests.agent.conftest import Peer, Until
from tests.agent.gateways import inside as gateway

Write = Callable[..., Path]
METER, OTHER = (citycode.mint("D", f"110114900100{number:04d}").text for number in (1, 2))
VOLTAGE, CURRENT = 0, 6  # input registers of meter_1p
RULE = f"""
[[rule]]
name = "overvoltage"
when = {{ device = "{METER}", channel = "voltage", above = 250, back = 245 }}
[[rule.event]]
kind = "overvoltage"
severity = 3
[[rule.capture]]
device = "{METER}"
channels = ["voltage"]
before_s = 0.6
after_s = 0.5
"""
# What a rule looks at may be smooth; what it captures never is.
SMOOTHED = "period_s = 0.1\nchannel.voltage.lowpass_hz = 0.5\n"


@asynccontextmanager
async def inside(path: Path) -> AsyncIterator[Agent]:
    async with gateway(path) as agent:
        await Until()(lambda: agent.buses[0].is_open)  # the spool is, by then
        yield agent


async def messages(agent: Agent) -> list[Any]:
    return [decode(row.payload) for row in await agent.spool.read(0, 10_000_000)]


async def bursts(agent: Agent) -> list[Burst]:
    return [one for one in await messages(agent) if isinstance(one, Burst)]


async def told(agent: Agent, kind: str = "overvoltage") -> list[Event]:
    return [one for one in await messages(agent) if isinstance(one, Event) and one.kind == kind]


def column(waveform: Waveform) -> tuple[list[int], Column]:
    """Times in ms after the firing, and the only column."""
    (found,) = waveform.group.columns
    return ((waveform.group.times - waveform.fired) // 1000).tolist(), found


async def test_a_firing_captures_what_was_read_before_and_after_it_unfiltered(
    peer: Peer, write_config: Write, until: Until
) -> None:
    peer.input[1] = {VOLTAGE: 2300}
    path = write_config(peer.address, devices=1, more=RULE)
    text = path.read_text().replace("period_s = 0.1\n", SMOOTHED)
    path.write_text(text)
    async with inside(path) as agent:
        await until(lambda: agent.buses[0].counters.devices[0].polls >= 8)
        peer.input[1][VOLTAGE] = 2900
        (burst,) = await until(lambda: bursts(agent))
        (event,) = await told(agent)
        waveform = burst.waveform
        assert event.data["capture"] == waveform.capture
        assert event.origin.seq < burst.origin.seq, "nobody looks for a capture before he knows of it"
        assert (waveform.rule, waveform.period, waveform.ending) == ("overvoltage", 100_000, Ending.WHOLE)
        assert abs(waveform.t0 // 1000 + waveform.fired // 1000 - event.data["at_ms"]) <= 1
        offsets, voltage = column(waveform)
        assert (offsets[0], offsets[-1]) == (-600, 500)
        assert set(np.diff(offsets)) == {100}
        description = decode_description(agent.site.description)
        assert description.channels[voltage.alias].name == "voltage"
        assert voltage.scale == -1
        # A low-pass at 0.5 Hz would show neither edge; what was read is one or the other.
        assert set(voltage.values.tolist()) == {2300, 2900}
        page = status.render(await asyncio.to_thread(control.ask, agent.data_dir, "report"))
        assert "1 captures" in page


@pytest.mark.long
async def test_polls_that_fail_are_told_with_their_quality_and_hold_nothing_up(
    peer: Peer, write_config: Write, until: Until
) -> None:
    peer.input[1] = {VOLTAGE: 2300}
    async with inside(
        write_config(peer.address, devices=1, more=RULE.replace("after_s = 0.5", "after_s = 1"))
    ) as agent:
        await until(lambda: agent.buses[0].counters.devices[0].polls >= 5)
        peer.input[1][VOLTAGE] = 2900
        await until(lambda: told(agent))
        peer.silent.add(1)
        (burst,) = await until(lambda: bursts(agent))
        offsets, voltage = column(burst.waveform)
        assert offsets[-1] <= 1000
        absent = np.flatnonzero(~voltage.present)
        assert len(absent), "polls were missed"
        assert all(voltage.quality[int(place)] & 0x8000 for place in absent)


@pytest.mark.long
async def test_what_a_stop_cuts_short_is_sent_as_far_as_it_goes(peer: Peer, write_config: Write, until: Until) -> None:
    peer.input[1] = {VOLTAGE: 2300}
    path = write_config(peer.address, devices=1, more=RULE.replace("after_s = 0.5", "after_s = 300"))
    async with inside(path) as agent:
        peer.input[1][VOLTAGE] = 2900
        (event,) = await until(lambda: told(agent))
    async with inside(path) as agent:
        (burst,) = await until(lambda: bursts(agent))
        assert burst.waveform.ending is Ending.STOPPED
        assert burst.waveform.capture == event.data["capture"]
        assert 2900 in column(burst.waveform)[1].values


@pytest.mark.long
async def test_another_configuration_cuts_short_only_what_it_changes(
    peer: Peer, write_config: Write, until: Until
) -> None:
    peer.input[1] = {VOLTAGE: 2300}
    rule = RULE.replace("after_s = 0.5", "after_s = 3")
    path = write_config(peer.address, devices=1, more=rule)
    async with inside(path) as agent:
        before = agent.site

        async def switch(text: str) -> None:
            """As agent.configuration.change does."""
            path.write_text(text)
            after = config.load(path, {}, catalog.BUILTIN)
            change = compare(content_of(agent.site.config), content_of(after))
            await agent.switch(site.build(after, agent.site, change.keeps), change)

        peer.input[1][VOLTAGE] = 2900
        (event,) = await until(lambda: told(agent))
        # The device stays, and so does what is captured of it, though the birth is another.
        more = f'\n[[bus.device]]\ncode = "{OTHER}"\nname = "Other"\nmodel = "meter_1p"\nunit = 2\nperiod_s = 0.1\n'
        await switch(path.read_text().replace(rule, more + rule).replace("back = 245", "back = 244"))
        assert not await bursts(agent)
        (burst,) = await until(lambda: bursts(agent))
        assert (burst.waveform.capture, burst.waveform.ending) == (event.data["capture"], Ending.WHOLE)
        assert before.description_hash != agent.site.description_hash == burst.waveform.birth


@pytest.mark.long
async def test_a_device_that_begins_anew_ends_its_capture(peer: Peer, write_config: Write, until: Until) -> None:
    peer.input[1] = {VOLTAGE: 2300}
    path = write_config(peer.address, devices=1, more=RULE.replace("after_s = 0.5", "after_s = 300"))
    async with inside(path) as agent:
        peer.input[1][VOLTAGE] = 2900
        await until(lambda: told(agent))
        path.write_text(path.read_text().replace("period_s = 0.1\n", SMOOTHED))
        after = config.load(path, {}, catalog.BUILTIN)
        change = compare(content_of(agent.site.config), content_of(after))
        await agent.switch(site.build(after, agent.site, change.keeps), change)
        (burst,) = await until(lambda: bursts(agent))
        assert burst.waveform.ending is Ending.CONFIGURATION


async def test_a_firing_within_a_capture_is_told_under_its_name(peer: Peer, write_config: Write, until: Until) -> None:
    peer.input[1] = {VOLTAGE: 2300}
    path = write_config(peer.address, devices=1, more=RULE.replace("after_s = 0.5", "after_s = 300"))
    async with inside(path) as agent:
        peer.input[1][VOLTAGE] = 2900
        (event,) = await until(lambda: told(agent))
        assert agent.recorder is not None
        again = agent.recorder.begin(agent.site.config.rules[0], agent.now().boottime_ms)
        assert again == event.data["capture"]
        assert agent.recorder.counts["overlapped"] == 1


async def test_a_spool_without_room_for_more_captures_takes_no_new_one_and_every_event(
    peer: Peer, write_config: Write, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.input[1] = {VOLTAGE: 2300}
    async with inside(write_config(peer.address, devices=1, more=RULE)) as agent:
        monkeypatch.setattr(agent, "has_room", lambda _: False)
        peer.input[1][VOLTAGE] = 2900
        (event,) = await until(lambda: told(agent))
        assert "capture" not in event.data
        assert agent.recorder is not None
        assert agent.recorder.counts["refused"] == 1


async def test_a_gateway_that_captures_nothing_taps_nothing(peer: Peer, write_config: Write) -> None:
    plain = RULE.partition("[[rule.capture]]")[0]
    async with inside(write_config(peer.address, devices=1, more=plain)) as agent:
        assert agent.recorder is None
        assert all(lane.tap is None for lane in agent.pipeline._devices.values())
