from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError
from protocols.quality import Quality
from protocols.rules.evaluator import Effect, Evaluator, Happened, Observation, Remembered, State, Tick
from protocols.rules.form import AtLeast, Compare, Missing, Not, Op, Rule, Tell

D = "D1101149001000001"
AGE = 10_000
HIGH = Compare(D, "gas", Op.ABOVE, 50.0, 40.0, max_age_ms=AGE)
WET = Compare(D, "water", Op.EQUALS, 1.0, 1.0, max_age_ms=AGE)
RULE = Rule("r", HIGH, (Tell("gas", 3),))
FIRED, CLEARED = Happened.FIRED, Happened.CLEARED


def tick(now: int, gas: float | None = None, quality: int = 0, water: float | None = None) -> Tick:
    seen = [Observation(D, "gas", now, gas, quality)] if gas is not None or quality else []
    seen += [Observation(D, "water", now, water)] if water is not None else []
    return Tick(now, tuple(seen))


def run(rule: Rule, *ticks: Tick, remembered: Remembered | None = None) -> list[tuple[Happened, int]]:
    evaluator = Evaluator([rule])
    state = evaluator.start(0, {} if remembered is None else {rule.name: remembered})
    happened: list[Effect] = []
    for one in ticks:
        state, effects = evaluator.evaluate(state, one)
        happened += effects
    return [(effect.happened, effect.at) for effect in happened]


def test_a_rule_fires_once_while_its_condition_stays_true() -> None:
    assert run(RULE, tick(1, 51.0), tick(2, 60.0), tick(3, 51.0)) == [(FIRED, 1)]


def test_a_value_between_the_thresholds_neither_fires_nor_clears() -> None:
    assert run(RULE, tick(1, 45.0)) == []
    assert run(RULE, tick(1, 51.0), tick(2, 45.0), tick(3, 51.0), tick(4, 40.0), tick(5, 45.0)) == [
        (FIRED, 1),
        (CLEARED, 4),
    ]


def test_below_is_the_mirror_of_above() -> None:
    cold = replace(RULE, when=replace(HIGH, op=Op.BELOW, on=5.0, back=7.0))
    assert run(cold, tick(1, 5.0), tick(2, 4.9), tick(3, 6.9), tick(4, 7.0)) == [(FIRED, 2), (CLEARED, 4)]


def test_a_hold_ends_at_its_own_moment_and_not_at_the_next_tick() -> None:
    held = replace(RULE, hold_ms=500)
    assert run(held, tick(100, 51.0), tick(5000, 51.0)) == [(FIRED, 600)]


def test_a_dip_begins_the_hold_anew() -> None:
    held = replace(RULE, hold_ms=500)
    assert run(held, tick(100, 51.0), tick(500, 39.0), tick(600, 51.0), tick(1099, 51.0)) == []


def test_it_clears_only_after_its_condition_was_false_for_long_enough() -> None:
    slow = replace(RULE, clear_ms=300)
    assert run(slow, tick(1, 51.0), tick(100, 0.0), tick(300, 51.0), tick(400, 0.0), tick(900)) == [
        (FIRED, 1),
        (CLEARED, 700),
    ]


def test_a_firing_that_comes_too_soon_waits_and_is_not_lost() -> None:
    rare = replace(RULE, repeat_ms=1000)
    assert run(rare, tick(1, 51.0), tick(2, 0.0), tick(3, 51.0), tick(5000)) == [
        (FIRED, 1),
        (CLEARED, 2),
        (FIRED, 1001),
    ]


def test_a_bad_value_changes_nothing_until_the_last_good_one_is_too_old() -> None:
    bad = Quality.BAD_TIMEOUT
    assert run(replace(RULE, hold_ms=500), tick(1, 51.0), tick(200, 0.0, bad), tick(501, 0.0, bad)) == [(FIRED, 501)]
    held = replace(RULE, hold_ms=AGE + 1)
    assert run(held, tick(1, 51.0), tick(200, 0.0, bad), tick(3 * AGE)) == []


def test_a_held_value_makes_nothing_younger() -> None:
    held = Quality.UNCERTAIN_LAST_USABLE
    late = replace(RULE, when=replace(HIGH, uncertain=True), hold_ms=AGE + 10)
    assert run(late, tick(1, 51.0), tick(AGE, 51.0, held), tick(2 * AGE, 51.0, held)) == []


def test_an_uncertain_value_counts_only_where_the_rule_says_so() -> None:
    assert run(RULE, tick(1, 51.0, Quality.UNCERTAIN)) == []
    assert run(replace(RULE, when=replace(HIGH, uncertain=True)), tick(1, 51.0, Quality.UNCERTAIN)) == [(FIRED, 1)]


@pytest.mark.parametrize(
    ("missing", "happened"),
    [
        (Missing.UNKNOWN, [(FIRED, 1)]),
        (Missing.HOLD, [(FIRED, 1)]),
        (Missing.TRUE, [(FIRED, 1)]),
        (Missing.FALSE, [(FIRED, 1), (CLEARED, AGE + 2)]),
    ],
)
def test_a_silent_sensor_means_what_the_rule_says(missing: Missing, happened: list[tuple[Happened, int]]) -> None:
    assert run(replace(RULE, when=replace(HIGH, missing=missing)), tick(1, 51.0), tick(5 * AGE)) == happened


def test_a_sensor_that_never_spoke_fires_nothing_unless_its_silence_means_danger() -> None:
    for when in (HIGH, Not(HIGH), Not(replace(HIGH, missing=Missing.UNKNOWN))):
        assert run(replace(RULE, when=when), tick(1), tick(9 * AGE)) == []
    silent = replace(RULE, when=replace(HIGH, missing=Missing.TRUE))
    assert run(silent, tick(AGE)) == []
    assert run(silent, tick(AGE + 50)) == [(FIRED, AGE + 1)]


def test_what_is_unknown_stays_so_unless_the_rest_decides() -> None:
    either, both = AtLeast(1, (HIGH, WET)), AtLeast(2, (HIGH, WET))
    assert run(replace(RULE, when=either), tick(1, water=1.0)) == [(FIRED, 1)]
    assert run(replace(RULE, when=both), tick(1, water=1.0)) == []
    assert run(replace(RULE, when=Not(both)), tick(1, water=0.0)) == [(FIRED, 1)]
    assert run(replace(RULE, when=Not(either)), tick(1, water=0.0)) == []


def test_two_of_three_is_neither_any_nor_all() -> None:
    third = replace(HIGH, on=70.0, back=70.0)
    vote = replace(RULE, when=AtLeast(2, (HIGH, WET, third)))
    assert run(vote, tick(1, 60.0, water=0.0)) == []
    assert run(vote, tick(1, 71.0, water=0.0)) == [(FIRED, 1)]
    assert run(vote, tick(1, 60.0, water=1.0)) == [(FIRED, 1)]


def test_a_rate_is_the_change_per_second_between_two_good_values() -> None:
    rising = replace(RULE, when=replace(HIGH, rate=True, on=2.0, back=2.0))
    assert run(rising, tick(1000, 10.0), tick(3000, 14.0)) == []
    assert run(rising, tick(1000, 10.0), tick(3000, 14.1)) == [(FIRED, 3000)]
    assert run(rising, tick(1000, 10.0), tick(1001 + AGE, 1e9)) == []


def test_a_rate_of_one_value_is_unknown_and_not_missing_so_that_a_start_fires_nothing() -> None:
    rising = replace(RULE, when=replace(HIGH, rate=True, missing=Missing.TRUE))
    assert run(rising, tick(1, 20.0)) == []
    assert run(rising, tick(1, 20.0), tick(1001, 21.0), tick(2001, 22.0)) == []
    assert run(rising, tick(1, 20.0), tick(20_000)) == [(FIRED, 1 + AGE + 1)]


def test_a_value_older_than_the_newest_of_its_channel_is_left_out() -> None:
    late = Tick(20, (Observation(D, "gas", 10, 99.0),))
    assert run(RULE, tick(15, 0.0), late) == []


def test_time_never_runs_backwards() -> None:
    assert run(RULE, tick(20, 0.0), Tick(10, (Observation(D, "gas", 25, 99.0),))) == [(FIRED, 20)]


def test_a_rule_that_was_active_tells_again_or_clears_after_a_restart() -> None:
    was = Remembered(active=True, fired_at=None)
    assert run(RULE, tick(1), remembered=was) == []
    assert run(RULE, tick(1, 51.0), remembered=was) == [(FIRED, 1)]
    assert run(RULE, tick(1, 39.0), remembered=was) == [(CLEARED, 1)]
    assert run(RULE, tick(1, 45.0), remembered=replaced(was)) == [(FIRED, 1)]


def replaced(was: Remembered) -> Remembered:
    """It had said that the value was above."""
    return was._replace(latches=(True,))


def test_the_pause_between_two_firings_outlives_a_restart() -> None:
    rare = replace(RULE, repeat_ms=1000)
    assert run(rare, tick(1, 51.0), tick(2000), remembered=Remembered(True, -400)) == [(FIRED, 600)]


def test_rules_that_stay_when_others_come_and_go_do_not_notice() -> None:
    held, wet = replace(RULE, hold_ms=500), replace(RULE, name="wet", when=WET)
    before, after = Evaluator([held, RULE]), Evaluator([wet, RULE, held])
    old, effects = before.evaluate(before.start(0, {}), tick(100, 51.0))
    assert [effect.rule for effect in effects] == [1]
    state = after.carry(after.start(300, {"r": Remembered(True, 100)}), before, old)
    _, effects = after.evaluate(state, tick(700, 51.0))
    assert effects == (Effect(FIRED, 2, 600),)


def test_a_silent_sensor_is_given_no_more_time_when_other_rules_come() -> None:
    silent = replace(RULE, when=replace(HIGH, missing=Missing.TRUE), hold_ms=60_000)
    before, after = Evaluator([silent]), Evaluator([silent, replace(silent, name="new")])
    old, _ = before.evaluate(before.start(0, {}), tick(50_000))
    state = after.carry(after.start(50_000, {}), before, old)
    _, effects = after.evaluate(state, tick(200_000))
    assert effects == (Effect(FIRED, 0, AGE + 1 + 60_000), Effect(FIRED, 1, 50_000 + AGE + 1 + 60_000))


def test_a_comparison_without_an_age_limit_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="no age limit"):
        Evaluator([replace(RULE, when=replace(HIGH, max_age_ms=None))])


def test_what_is_due_is_none_once_every_value_is_too_old() -> None:
    evaluator = Evaluator([RULE])
    state, _ = evaluator.evaluate(evaluator.start(0, {}), tick(5, 1.0))
    assert evaluator.due(state) == 5 + AGE + 1
    state, _ = evaluator.evaluate(state, Tick(5 + AGE + 1))
    assert evaluator.due(state) is None


values = st.sampled_from([0.0, 39.9, 40.0, 40.1, 45.0, 50.0, 50.1, 80.0])
qualities = st.sampled_from([0, 0, 0, Quality.BAD_TIMEOUT, Quality.UNCERTAIN, Quality.UNCERTAIN_LAST_USABLE])
steps = st.lists(st.tuples(st.integers(1, 6000), values, qualities, st.sampled_from([None, 0.0, 1.0])), max_size=40)
leaves = st.builds(
    lambda base, missing, rate, uncertain: replace(base, missing=missing, rate=rate, uncertain=uncertain),
    st.sampled_from([HIGH, WET, replace(HIGH, op=Op.BELOW, on=40.0, back=45.0, max_age_ms=700)]),
    st.sampled_from(Missing),
    st.booleans(),
    st.booleans(),
)
conditions = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Not, inner)
        | st.lists(inner, min_size=1, max_size=3).flatmap(
            lambda parts: st.builds(AtLeast, st.integers(1, len(parts)), st.just(tuple(parts)))
        )
    ),
    max_leaves=6,
)
spans = st.sampled_from([0, 1, 100, 3000, 20_000])
rules = st.builds(lambda when, h, c, r: Rule("r", when, (), (), h, c, r), conditions, spans, spans, spans)


def ticks_of(given_steps: list[tuple[int, float, int, float | None]]) -> list[Tick]:
    now, ticks = 0, []
    for pause, gas, quality, water in given_steps:
        now += pause
        ticks.append(tick(now, gas, quality, water))
    return [*ticks, Tick(now + 100_000)]


@given(rules, steps, st.lists(st.integers(0, 200_000), max_size=30))
def test_other_cuts_of_the_same_time_give_the_same_firings(
    rule: Rule, taken: list[tuple[int, float, int, float | None]], cuts: list[int]
) -> None:
    ticks = ticks_of(taken)
    moments = {one.now for one in ticks}
    between = [Tick(cut) for cut in cuts if cut not in moments and cut < ticks[-1].now]
    assert run(rule, *ticks) == run(rule, *sorted([*ticks, *between], key=lambda one: one.now))


@given(rules, steps)
def test_meeting_each_deadline_as_it_comes_due_gives_the_same_firings(
    rule: Rule, taken: list[tuple[int, float, int, float | None]]
) -> None:
    evaluator = Evaluator([rule])
    state = evaluator.start(0, {})
    happened: list[Effect] = []
    for one in ticks_of(taken):
        while (due := evaluator.due(state)) is not None and due < one.now:
            assert due > state.now or state.now == 0
            state, effects = evaluator.evaluate(state, Tick(due))
            happened += effects
        state, effects = evaluator.evaluate(state, one)
        happened += effects
    assert [(effect.happened, effect.at) for effect in happened] == run(rule, *ticks_of(taken))


@given(rules, steps)
def test_firing_and_clearing_take_turns_and_keep_every_pause(
    rule: Rule, taken: list[tuple[int, float, int, float | None]]
) -> None:
    happened = run(rule, *ticks_of(taken))
    assert [kind for kind, _ in happened] == [FIRED, CLEARED] * (len(happened) // 2) + [FIRED] * (len(happened) % 2)
    assert [at for _, at in happened] == sorted(at for _, at in happened)
    fired = [at for kind, at in happened if kind is FIRED]
    assert all(later - sooner >= rule.repeat_ms for sooner, later in pairwise(fired))
    for (_, sooner), (kind, later) in pairwise(happened):
        assert later - sooner >= (rule.hold_ms if kind is FIRED else rule.clear_ms)


def truth(at: int, ticks: list[Tick], latched: bool) -> bool | None:
    """What HIGH says at a moment, told slowly."""
    good = [one for t in ticks for one in t.observations if one.channel == "gas" and not one.quality and one.t <= at]
    if not good or at - good[-1].t > AGE:
        return None
    value = good[-1].value
    assert value is not None
    return value > 50.0 or (latched and value > 40.0)


@given(steps, st.integers(0, 8000))
def test_nothing_fires_unless_the_condition_was_true_all_through_the_hold(
    taken: list[tuple[int, float, int, float | None]], hold: int
) -> None:
    ticks = ticks_of(taken)
    for _, at in [one for one in run(replace(RULE, hold_ms=hold), *ticks) if one[0] is FIRED]:
        latched = False
        for moment in sorted({one.now for one in ticks if one.now <= at} | {at - hold, at}):
            said = truth(moment, ticks, latched)
            latched = latched if said is None else said
            assert moment < at - hold or said is True


@given(st.lists(st.floats(40.1, 50.0), min_size=1, max_size=50))
def test_noise_between_the_thresholds_never_chatters(noise: list[float]) -> None:
    quiet = [tick(10 * (n + 1), value) for n, value in enumerate(noise)]
    assert run(RULE, *quiet) == []
    assert run(RULE, tick(1, 51.0), *quiet) == [(FIRED, 1)]


@given(steps)
def test_rules_do_not_see_each_other(taken: list[tuple[int, float, int, float | None]]) -> None:
    each = [RULE, replace(RULE, name="wet", when=WET), replace(RULE, name="slow", hold_ms=3000)]
    evaluator = Evaluator(each)
    state: State = evaluator.start(0, {})
    together: list[Effect] = []
    for one in ticks_of(taken):
        state, effects = evaluator.evaluate(state, one)
        together += effects
    for number, rule in enumerate(each):
        assert [(e.happened, e.at) for e in together if e.rule == number] == run(rule, *ticks_of(taken))
