"""The tables [[rule]] of a configuration: every mistake with its line, and what it may have meant."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from agent.rules.rings import MAX_SAMPLES, RingConfig, rings_of
from agent.settings import Config
from agent.toml import Table, nearest
from protocols.errors import LocalProtocolError
from protocols.rules import FormError, Rule, compares, from_plain, with_ages

if TYPE_CHECKING:
    from agent.commands import Targets  # numpy comes with it
    from protocols.edge.birth import ChannelDescription

MAX_RULES = 256
AGE_PERIODS, AGE_MS = 5, 2000  # beside what filters delay: a few polls may fail, and there is the way through


class Reach(NamedTuple):
    """What a gateway's rules can see, by device code and channel name, how late that leaves its filters, what they can
    write, and how often each device is read."""

    channels: "Mapping[str, Mapping[str, ChannelDescription]]"
    late_ms: "Mapping[str, Mapping[str, int]]"
    targets: "Targets"
    periods_ms: Mapping[str, int]


def reach(config: Config) -> Reach:
    """Of a gateway whose models are loaded."""
    from agent.commands import Target
    from agent.pipeline import describe_channels, late_ms, outputs
    from agent.site import device_plan

    channels, late, targets, periods = {}, {}, {}, {}
    for device in (device for bus in config.buses for device in bus.devices):
        model = config.models[device.driver, device.model]
        plan = device_plan(device, model)
        described = describe_channels([plan])
        channels[device.code] = {one.name: one for one in described}
        late[device.code] = {
            one.name: late_ms(output, plan) for one, output in zip(described, outputs([plan]), strict=True)
        }
        targets[device.code] = {one.name: Target(0, 0, number, one) for number, one in enumerate(model.channels)}
        periods[device.code] = device.period_ms
    return Reach(channels, late, targets, periods)


def read(tables: Sequence[Table]) -> tuple[tuple[Table, Rule], ...]:
    """The rules whose form is right, each with its table; no two of one name."""
    found: list[tuple[Table, Rule]] = []
    names: dict[str, int] = {}
    for number, table in enumerate(tables):
        try:
            rule = from_plain(table.raw())
        except FormError as error:
            hint = next(filter(None, (nearest(key, error.known) for key in error.given)), "")
            table.document.complain((*table.where, *error.path), f"{error.message}{hint}")
            continue
        if rule.name in names:
            table.complain("name", f"{rule.name!r} stands twice; the other is number {names[rule.name]}")
        names.setdefault(rule.name, number)
        found.append((table, rule))
    if len(found) > MAX_RULES:
        found[MAX_RULES][0].complain(None, f"a gateway has at most {MAX_RULES} rules")
    return tuple(found)


def check(read_rules: Iterable[tuple[Table, Rule]], reach: Reach) -> tuple[Rule, ...]:
    """The rules with an age limit everywhere. Complains of channels that are not there or have no period for the limit,
    of writes that the executor would refuse, and of rules that would drive each other round."""
    pairs = tuple(read_rules)
    for table, rule in pairs:
        for one in compares(rule.when):
            problem = _unseen(one.device, one.channel, reach.channels)
            if problem:
                table.complain("when", problem)
            elif one.max_age_ms is not None:
                period = reach.channels[one.device][one.channel].period_ms
                late = reach.late_ms[one.device][one.channel]
                if one.max_age_ms < period + late:
                    behind = f", {late / 1000:g} s late by its filters" if late else ""
                    least = f"{(period + late) / 1000:g}" if late else "that"
                    table.complain(
                        "when",
                        f"{one.channel} comes every {period / 1000:g} s{behind}: max_age_s must be at least {least}",
                    )
        for number, write in enumerate(rule.writes):
            for device, channel in ((need.device, need.channel) for need in write.requires):
                if problem := _unseen(device, channel, reach.targets):
                    table.document.complain((*table.where, "write", number, "requires"), problem)
            if problem := _unwritable(rule, number, reach.targets):
                table.document.complain((*table.where, "write", number), problem)
    for table, circle in _circles(pairs):
        table.complain("write", f"it would drive itself, by way of what it writes: {' -> '.join(circle)}")

    def age(device: str, channel: str) -> int:
        seen = reach.channels.get(device, {}).get(channel)
        if seen is None:
            return AGE_MS
        return AGE_MS + AGE_PERIODS * seen.period_ms + reach.late_ms[device][channel]

    return tuple(with_ages(rule, age) for _, rule in pairs)


def check_captures(read_rules: Iterable[tuple[Table, Rule]], reach: Reach) -> Mapping[str, RingConfig]:
    """What of each device is held for captures, by its code. Complains of channels that are not there, of what filters
    make, which is not what was read, and of more than a gateway holds."""
    pairs = [(table, rule) for table, rule in read_rules if rule.captures]
    wrong, total = False, 0
    for table, rule in pairs:
        for number, capture in enumerate(rule.captures):
            for channel in capture.channels:
                problem = _unseen(capture.device, channel, reach.targets)
                if problem and channel in reach.channels.get(capture.device, {}):
                    problem = (
                        f"{channel!r} is what a filter makes; a capture has what was read: name the channel itself"
                    )
                if problem:
                    table.document.complain((*table.where, "capture", number, "channels"), problem)
                    wrong = True
    if wrong:
        return {}
    for place, (table, rule) in enumerate(pairs):
        held = rings_of([one for _, one in pairs[: place + 1]], reach.late_ms, reach.periods_ms)
        total = sum(ring.samples for ring in held.values())
        if total > MAX_SAMPLES:
            longest = max(range(len(rule.captures)), key=lambda at: rule.captures[at].before_ms)
            key = "before_s" if rule.captures[longest].before_ms else "after_s"
            table.document.complain(
                (*table.where, "capture", longest, key),
                f"with this one {total} samples would be held in memory; a gateway holds at most {MAX_SAMPLES}",
            )
            break
    return rings_of([rule for _, rule in pairs], reach.late_ms, reach.periods_ms)


def _unseen(device: str, channel: str, known: Mapping[str, Mapping[str, object]]) -> str:
    if device not in known:
        return f"this gateway has no device {device}{nearest(device, known)}"
    if channel not in known[device]:
        return f"device {device} has no channel {channel!r}{nearest(channel, known[device])}"
    return ""


def _unwritable(rule: Rule, number: int, targets: "Targets") -> str:
    from agent.commands import Result, gate
    from agent.rules.orders import order
    from protocols.edge.messages import encode

    write = rule.writes[number]
    if problem := _unseen(write.device, write.channel, targets):
        return problem
    command = order(rule, write, gateway="", incarnation=1, now_utc_ms=0)
    answer = gate(command, targets)
    if isinstance(answer, Result):
        return answer.detail
    try:
        encode(command)  # as the intent on disk
    except LocalProtocolError as error:
        return str(error)
    return ""


def _circles(pairs: Sequence[tuple[Table, Rule]]) -> Iterable[tuple[Table, list[str]]]:
    """Each circle of rules in which one writes the very channel that the next looks at, once."""
    readers: dict[tuple[str, str], list[int]] = {}
    for index, (_, rule) in enumerate(pairs):
        # A channel's statistics follow the channel.
        for seen in {(one.device, one.channel.partition(".")[0]) for one in compares(rule.when)}:
            readers.setdefault(seen, []).append(index)
    follow = [
        sorted({after for write in rule.writes for after in readers.get((write.device, write.channel), ())})
        for _, rule in pairs
    ]
    done: set[int] = set()
    for start in range(len(pairs)):
        path = [] if start in done else _way_back(start, follow)
        done.update(path)
        if path:
            yield pairs[start][0], [pairs[index][1].name for index in (*path, start)]


def _way_back(start: int, follow: Sequence[Sequence[int]]) -> list[int]:
    """The shortest way from `start` to itself, without the return; empty if there is none."""
    ways, seen = [[start]], set[int]()
    for way in ways:
        for after in follow[way[-1]]:
            if after == start:
                return way
            if after not in seen:
                seen.add(after)
                ways.append([*way, after])
    return []
