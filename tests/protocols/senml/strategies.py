"""Packs that a sender may send."""

from decimal import Decimal

from hypothesis import strategies as st

from protocols.senml.numbers import from_float
from protocols.senml.record import Record

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
names = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9:./_-]{0,12}", fullmatch=True)
decimals = st.builds(
    lambda mantissa, exponent: Decimal(mantissa).scaleb(exponent), st.integers(-(2**63), 2**63), st.integers(-18, 18)
)
doubles = st.floats(allow_nan=False, allow_infinity=False).map(from_float)
numbers = st.integers(-(2**64), 2**64 - 1) | decimals | doubles
values = numbers | texts | st.booleans() | st.binary(max_size=20)


def optional(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


measuring = st.builds(
    Record,
    name=names,
    value=values,
    unit=optional(texts),
    sum=optional(numbers),
    time=optional(numbers),
    update_time=optional(numbers),
    base_name=optional(names),
    base_time=optional(numbers),
    base_unit=optional(texts),
    base_value=optional(numbers),
    base_sum=optional(numbers),
    base_version=st.sampled_from([None, 1, 5, 10]),
)
setting = st.builds(Record, base_name=names, base_value=optional(numbers))
packs = st.lists(measuring | setting, min_size=1, max_size=6)
