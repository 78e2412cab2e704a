import json
from dataclasses import replace
from decimal import Decimal

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.edge.requirement import Requirement
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.rules.form import AtLeast, Compare, Missing, Not, Op, Rule, Tell, Write
from protocols.rules.wire import MAX_BYTES, decode, decode_json, encode, encode_json, rule_hash

texts = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=12)
numbers = st.floats(-1e18, 1e18).map(lambda value: value + 0.0)
ms = st.integers(0, 30 * 86_400_000)
exact = numbers.map(lambda value: Decimal(repr(value)))


@st.composite
def comparisons(draw: st.DrawFn) -> Compare:
    op = draw(st.sampled_from(Op))
    one, other = sorted((draw(numbers), draw(numbers)))
    on, back = {Op.ABOVE: (other, one), Op.BELOW: (one, other), Op.EQUALS: (one, one)}[op]
    return Compare(
        *(draw(texts), draw(texts), op, on, back, draw(st.booleans()), draw(st.sampled_from(Missing))),
        uncertain=draw(st.booleans()),
        max_age_ms=draw(st.none() | st.integers(1, 86_400_000)),
    )


def nested(levels: int) -> st.SearchStrategy[Compare | AtLeast | Not]:
    if levels == 1:
        return comparisons()
    inner = nested(levels - 1)
    several = st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda parts: st.builds(AtLeast, st.integers(1, len(parts)), st.just(tuple(parts)))
    )
    return comparisons() | st.builds(Not, inner) | several


@st.composite
def needs(draw: st.DrawFn) -> Requirement:
    low, high = sorted((draw(exact), draw(exact)))
    return Requirement(draw(texts), draw(texts), low, high)


writes = st.builds(Write, texts, texts, exact, st.integers(100, 86_400_000), st.lists(needs(), max_size=2).map(tuple))
tells = st.builds(Tell, texts, st.integers(0, 4))
rules = st.builds(
    Rule,
    texts,
    nested(3),
    st.lists(tells, min_size=1, max_size=2).map(tuple),
    st.lists(writes, max_size=2).map(tuple),
    ms,
    ms,
    st.integers(1000, 86_400_000),
)
RULE = Rule("r", Compare("D1", "gas", Op.ABOVE, 50.0, 40.0), (Tell("gas", 3),))


@given(rules)
def test_a_rule_comes_back_as_it_was_from_both_forms(rule: Rule) -> None:
    assert decode(encode(rule)) == rule
    assert decode_json(encode_json(rule)) == rule
    assert encode(decode_json(encode_json(rule))) == encode(rule)


@given(rules, st.randoms())
def test_the_hash_does_not_depend_on_the_order_of_keys(rule: Rule, chance: object) -> None:
    backwards = json.dumps(dict(reversed(json.loads(encode_json(rule)).items())))
    assert rule_hash(decode_json(backwards)) == rule_hash(rule)


def test_the_hash_is_the_same_in_every_program_and_version() -> None:
    assert rule_hash(RULE).hex() == "3a147704d67a35b2773585ec93e87c6565b865e052fbbf4b289232f70c7ed73b"


def test_rules_that_differ_in_one_millisecond_have_other_hashes() -> None:
    assert rule_hash(replace(RULE, hold_ms=1)) != rule_hash(RULE)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_in_words(data: bytes) -> None:
    for read in (decode, decode_json):
        with pytest.raises(RemoteProtocolError):
            read(data)


@given(rules, st.data())
def test_a_rule_with_a_wrong_byte_is_another_rule_or_none(rule: Rule, data: st.DataObject) -> None:
    good = bytearray(encode(rule))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        other = decode(bytes(good))
    except RemoteProtocolError:
        return
    assert decode(encode(other)) == other


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "when", "all", "any", "not", "of", "at_least", "device", "channel", "above", "event", "write"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(plain)
def test_whatever_stands_where_a_rule_should_is_refused_in_words(item: object) -> None:
    try:
        rule = decode(cbor2.dumps(item))
    except RemoteProtocolError:
        return
    assert decode(encode(rule)) == rule


@pytest.mark.parametrize("text", ["{", '{"name": 1, "name": 2}', '{"name": NaN}', "[" * 5000, "null", "1e999"])
def test_json_that_is_none_or_says_a_thing_twice_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_json(text)


def test_a_rule_that_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(RemoteProtocolError, match="longest allowed"):
        decode(bytes(MAX_BYTES + 1))


def test_a_rule_that_no_form_can_say_is_not_sent() -> None:
    for wrong in (
        replace(RULE, name=""),
        replace(RULE, hold_ms=-1),
        replace(RULE, writes=(Write("D1", "v", Decimal("0.12345678901234567890"), 1000),), repeat_ms=1000),
    ):
        with pytest.raises(LocalProtocolError):
            encode(wrong)
