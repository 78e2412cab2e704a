import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.bus.device import AGAIN_MS, SILENT_EVERY, Device, Reader
from drivers import catalog
from drivers.base import LineConfig, Reading, Unreachable
from protocols.quality import Quality
from tests.agent.conftest import Peer

FAMILY = catalog.BUILTIN["modbus-tcp"]
METER = FAMILY.load_model("meter_1p")
DEVICE = Device(0, "D0", "Meter", 1, 1000, METER)
POINTS: Mapping[int, Any] = {point.channel: point for point in METER.points}
ADDRESSES = sorted({at for point in METER.points for at in range(point.address, point.address + point.length)})


async def ask(peer: Any, reader: Reader, times: int) -> list[dict[int, Reading]]:
    line = FAMILY.create_line(LineConfig("modbus-tcp", peer.address))
    await line.open()
    try:
        found = []
        for _ in range(times):
            readings = (await reader.read(line, 1.0, 0)).readings
            assert len({reading.channel for reading in readings}) == len(readings)
            found.append({reading.channel: reading for reading in readings})
        return found
    finally:
        await line.close()


@settings(max_examples=40, deadline=None)
@given(absent=st.sets(st.sampled_from([*ADDRESSES, 7, 8, 9]), max_size=8))
def test_whatever_a_device_lacks_every_other_channel_keeps_its_value(absent: set[int]) -> None:
    async def run() -> list[dict[int, Reading]]:
        peer = Peer()
        await peer.start()
        peer.absent[1] = absent
        try:
            return await ask(peer, Reader(DEVICE), 3)
        finally:
            await peer.stop()

    for readings in asyncio.run(run()):
        assert set(readings) == set(POINTS)
        for channel, point in POINTS.items():
            lacks = absent & set(range(point.address, point.address + point.length))
            wanted = Quality.BAD_CONFIGURATION_ERROR if lacks else Quality.GOOD
            assert readings[channel].quality == wanted, point


async def test_what_was_learned_saves_the_requests_that_would_be_refused(peer: Any) -> None:
    peer.absent[1] = {6}
    reader = Reader(DEVICE)
    await ask(peer, reader, 1)
    learning = len(peer.requests)
    await ask(peer, reader, 1)
    assert len(peer.requests) - learning < learning
    reader.start_over()
    peer.absent = {}
    (readings,) = await ask(peer, reader, 1)
    assert all(reading.quality == Quality.GOOD for reading in readings.values())


async def test_a_hole_between_channels_is_found_once_and_parts_only_its_neighbours(peer: Any) -> None:
    peer.absent[1] = {7}
    reader = Reader(DEVICE)
    await ask(peer, reader, 1)
    asked = len(peer.requests)
    await ask(peer, reader, 1)
    assert len(peer.requests) - asked == 2
    assert reader.learned.cuts == {("input", 10)}


async def poll(peer: Any, reader: Reader, ticks: Iterable[int]) -> list[tuple[int, int]]:
    """Of each poll: how many channels had a value, and how many requests it took."""
    line = FAMILY.create_line(LineConfig("modbus-tcp", peer.address))
    await line.open()
    try:
        outcomes = [await reader.read(line, 1.0, tick) for tick in ticks]
        return [(one.readings.qualities.count(Quality.GOOD), one.requests) for one in outcomes]
    finally:
        await line.close()


async def test_a_device_that_refuses_all_it_has_while_it_starts_gives_all_of_it_soon_after(peer: Any) -> None:
    peer.absent[1] = set(ADDRESSES)
    reader = Reader(DEVICE)
    await poll(peer, reader, range(1000, 4000, 1000))
    peer.absent = {}
    good = [good for good, _ in await poll(peer, reader, range(4000, 8000, 1000))]
    assert good[2:] == [len(POINTS)] * 2
    assert not reader.learned.absent


async def test_what_was_refused_once_is_asked_for_again_and_costs_one_request_a_minute(peer: Any) -> None:
    peer.absent[1] = {6, 10}
    reader = Reader(DEVICE)
    await poll(peer, reader, (1000, 2000))
    told = await poll(peer, reader, range(3000, 10 * AGAIN_MS, 1000))
    requests = [requests for _, requests in told]
    assert sum(requests) - min(requests) * len(requests) == len(told) * 1000 // AGAIN_MS
    peer.absent = {}
    told = await poll(peer, reader, range(10 * AGAIN_MS, 11 * AGAIN_MS + 3000, 1000))
    assert told[-1][0] == len(POINTS)


async def test_what_another_of_the_kind_lacked_is_asked_once_more_and_costs_its_neighbours_nothing(peer: Any) -> None:
    peer.absent[1] = {6}
    first = Reader(DEVICE)
    await ask(peer, first, 2)
    del peer.requests[:]
    (readings,) = await ask(peer, reader := Reader(DEVICE, first.learned), 1)
    refused = [request for request in peer.requests if request[2] <= 6 < request[2] + request[3]]
    assert refused == [(1, 4, 6, 1)]
    assert sum(reading.quality != Quality.GOOD for reading in readings.values()) == 1
    del peer.requests[:]
    await ask(peer, reader, 1)
    assert not [request for request in peer.requests if request[2] <= 6 < request[2] + request[3]]


async def test_a_device_that_has_what_others_of_its_kind_lack_is_read_like_any(peer: Any) -> None:
    peer.absent[1] = {6}
    await ask(peer, first := Reader(DEVICE), 2)
    peer.absent = {}
    readings, _ = await ask(peer, reader := Reader(DEVICE, first.learned), 2)
    assert {reading.quality for reading in readings.values()} == {Quality.GOOD}
    assert not reader.learned.absent


async def test_a_slower_channel_rides_along_at_its_own_ticks_and_costs_no_request_of_its_own(peer: Any) -> None:
    slow = {channel for channel in POINTS if channel % 2}
    device = replace(DEVICE, slower=dict.fromkeys(slow, 5000))
    line = FAMILY.create_line(LineConfig("modbus-tcp", peer.address))
    await line.open()
    reader, told = Reader(device), []
    for tick in range(10_000, 22_000, 1000):
        outcome = await reader.read(line, 1.0, tick)
        told.append((tick, set(outcome.readings.channels), outcome.requests))
    await line.close()
    for tick, channels, requests in told:
        assert channels == (set(POINTS) if tick % 5000 == 0 else set(POINTS) - slow)
        assert requests == 1


async def test_a_slower_channel_that_alone_was_not_answered_is_read_at_the_next_tick(peer: Any) -> None:
    lamp = FAMILY.load_model("lamp_controller")
    slow = {point.channel for point in lamp.points if point.space == "input"}
    reader = Reader(replace(DEVICE, model=lamp, slower=dict.fromkeys(slow, 3_600_000)))
    line = FAMILY.create_line(LineConfig("modbus-tcp", peer.address))
    await line.open()
    peer.deaf[1] = {4}
    first = (await reader.read(line, 0.1, 1000)).readings
    peer.deaf = {}
    second, third = [set((await reader.read(line, 1.0, tick)).readings.channels) for tick in (2000, 3000)]
    await line.close()
    assert Quality.GOOD in first.qualities
    assert slow <= second
    assert not slow & third


async def test_a_slower_channel_whose_tick_was_missed_is_read_at_the_next_one(peer: Any) -> None:
    device = replace(DEVICE, slower={0: 5000})
    line = FAMILY.create_line(LineConfig("modbus-tcp", peer.address))
    await line.open()
    reader = Reader(device)
    told = [0 in (await reader.read(line, 1.0, tick)).readings.channels for tick in (9000, 11_000, 12_000, 15_000)]
    await line.close()
    assert told == [True, True, False, True]


async def test_what_cannot_wait_is_done_between_two_requests(peer: Any) -> None:
    line = FAMILY.create_line(LineConfig("modbus-tcp", peer.address))
    await line.open()
    seen: list[int] = []

    async def between() -> None:
        seen.append(len(peer.requests))

    outcome = await Reader(Device(0, "D0", "Pump", 1, 1000, PUMP)).read(line, 1.0, 0, between)
    await line.close()
    assert outcome.requests == 3
    assert seen == [1, 2]


async def test_the_first_silence_ends_the_poll_and_every_channel_says_so(peer: Any) -> None:
    model = FAMILY.load_model("sump_pump")  # three tables: three requests at least
    peer.silent = {1}
    line = FAMILY.create_line(LineConfig("modbus-tcp", peer.address))
    await line.open()
    outcome = await Reader(Device(0, "D0", "Pump", 1, 1000, model)).read(line, 0.05, 0)
    await line.close()
    assert outcome.requests == len(peer.requests) == 1
    assert not outcome.answered
    assert isinstance(outcome.error, Unreachable)
    assert {reading.quality for reading in outcome.readings} == {Quality.BAD_TIMEOUT}
    assert {reading.channel for reading in outcome.readings} == set(range(len(model.channels)))
    assert [cause for cause, _ in outcome.faults] == ["timeout"]


PUMP = FAMILY.load_model("sump_pump")  # functions 1, 2 and 4: three requests


@pytest.mark.parametrize("deaf", [{1}, {2}, {4}, {1, 4}])
async def test_what_a_device_is_silent_about_does_not_make_it_look_dead_and_soon_costs_nothing(
    peer: Any, deaf: set[int]
) -> None:
    peer.deaf[1] = deaf
    spaces = {"coil": 1, "discrete": 2, "input": 4}
    silent = {point.channel for point in PUMP.points if spaces[point.space] in deaf}
    line = FAMILY.create_line(LineConfig("modbus-tcp", peer.address))
    await line.open()
    reader = Reader(Device(0, "D0", "Pump", 1, 1000, PUMP))
    outcomes = [await reader.read(line, 0.02, 0) for _ in range(8)]
    for outcome in outcomes:
        assert sorted(reading.channel for reading in outcome.readings) == list(range(len(PUMP.channels)))
    for outcome in outcomes[3:]:
        assert outcome.answered
        bad = {reading.channel for reading in outcome.readings if reading.quality == Quality.BAD_TIMEOUT}
        assert bad == silent
    asked = len(peer.requests)
    outcomes = [await reader.read(line, 0.02, 0) for _ in range(2 * SILENT_EVERY)]
    waited = [outcome for outcome in outcomes if outcome.faults]
    assert len(waited) <= 4
    assert all(outcome.answered for outcome in outcomes)
    assert {request[1] for request in peer.requests[asked:]} & deaf, "it is still asked now and then"
    peer.deaf = {}
    outcomes = [await reader.read(line, 1.0, 0) for _ in range(2 * SILENT_EVERY)]
    await line.close()
    assert {reading.quality for reading in outcomes[-1].readings} == {Quality.GOOD}


async def test_a_device_is_found_again_by_whatever_it_answers(peer: Any) -> None:
    peer.silent = {1}
    line = FAMILY.create_line(LineConfig("modbus-tcp", peer.address))
    await line.open()
    reader = Reader(Device(0, "D0", "Pump", 1, 1000, PUMP))
    assert not [outcome for _ in range(3) if (outcome := await reader.probe(line, 0.02)).answered]
    peer.silent, peer.deaf[1] = set(), {1, 2}
    outcomes = [(await reader.probe(line, 0.02)).answered for _ in range(3)]
    await line.close()
    assert True in outcomes


async def test_a_line_that_is_lost_in_between_is_told_apart_from_a_silent_device(peer: Any) -> None:
    line = FAMILY.create_line(LineConfig("modbus-tcp", peer.address))
    await line.open()
    await peer.stop()
    outcome = await Reader(DEVICE).read(line, 1.0, 0)
    await line.close()
    assert outcome.quality == Quality.BAD_NOT_CONNECTED
    assert [cause for cause, _ in outcome.faults] == ["line down"]


async def test_one_channel_is_read_alone(peer: Any) -> None:
    peer.input[1] = {6: 4998}
    channel = next(number for number, one in enumerate(METER.channels) if one.name == "frequency")
    line = FAMILY.create_line(LineConfig("modbus-tcp", peer.address))
    await line.open()
    assert await Reader(DEVICE).read_channel(line, channel, 1.0) == Reading(channel, 4998, Quality.GOOD)
    await line.close()
    assert peer.requests == [(1, 4, 6, 1)]
