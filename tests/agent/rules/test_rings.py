from agent.rules.rings import SLACK_MS, RingConfig, rings_of
from protocols.rules import Capture, Compare, Op, Rule


def rule(name: str, *captures: Capture, channel: str = "gas") -> Rule:
    return Rule(name, Compare("D1", channel, Op.ABOVE, 50.0, 40.0), captures=captures)


def test_one_ring_holds_what_all_rules_want_of_a_device() -> None:
    first = rule("a", Capture("D2", ("x", "y"), 1000, 0))
    second = rule("b", Capture("D2", ("y", "z"), 0, 3000), Capture("D3", ("x",), 500, 500))
    held = rings_of([first, second], {}, {"D2": 100, "D3": 1000})
    assert held["D2"] == RingConfig(("x", "y", "z"), (3000 + SLACK_MS) // 100 + 1)
    assert held["D2"].samples == 3 * held["D2"].ticks
    assert held["D3"].ticks == (1000 + SLACK_MS) // 1000 + 1


def test_a_rule_that_its_filters_delay_looks_back_further() -> None:
    one = rule("a", Capture("D2", ("x",), 1000, 0), channel="gas.mean")
    late = {"D1": {"gas.mean": 60_000}}
    assert rings_of([one], late, {"D2": 1000})["D2"].ticks == (61_000 + SLACK_MS) // 1000 + 1


def test_rules_that_capture_nothing_hold_nothing() -> None:
    assert rings_of([rule("a")], {}, {}) == {}
