from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fleet_server.ingest.sequences import PAGE, Digests, Ranges, page_of

SMALL = st.integers(1, 40)
PAIRS = st.lists(st.tuples(SMALL, st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=12)


def numbers(ranges: Ranges) -> set[int]:
    return {number for low, high in ranges for number in range(low, high + 1)}


@given(PAIRS)
def test_ranges_hold_what_was_added_in_order_and_apart(pairs: list[tuple[int, int]]) -> None:
    ranges = Ranges(pairs)
    assert numbers(ranges) == {number for low, high in pairs for number in range(low, high + 1)}
    listed = list(ranges)
    assert all(high + 1 < low for (_, high), (low, _) in pairwise(listed))
    assert ranges.size == len(numbers(ranges))
    assert ranges.highest == max(numbers(ranges), default=0)
    assert all((number in ranges) == (number in numbers(ranges)) for number in range(50))


@given(PAIRS, PAIRS, SMALL, SMALL)
def test_difference_and_window_are_those_of_sets(
    pairs: list[tuple[int, int]], other: list[tuple[int, int]], low: int, high: int
) -> None:
    assert numbers(Ranges(pairs).minus(Ranges(other))) == numbers(Ranges(pairs)) - numbers(Ranges(other))
    assert numbers(Ranges(pairs).within(low, high)) == numbers(Ranges(pairs)) & set(range(low, high + 1))


@given(
    st.dictionaries(
        st.integers(1, 3 * PAGE),
        st.binary(min_size=32, max_size=32).filter(lambda digest: any(digest[:8])),
        max_size=20,
    )
)
def test_a_digest_reads_back_from_its_stored_page(known: dict[int, bytes]) -> None:
    written, read = Digests(), Digests()
    for seq, digest in known.items():
        written.put(seq, digest)
    for page in written.changed:
        read.load(page, written.page(page))
    assert written.fresh == written.changed == {page_of(seq) for seq in known}
    assert {seq: read.get(seq) for seq in known} == {seq: digest[:8] for seq, digest in known.items()}


def test_a_seq_that_was_never_put_has_no_digest() -> None:
    digests = Digests()
    digests.put(5, bytes(range(1, 33)))
    assert digests.get(6) is None
    assert digests.get(5 + PAGE) is None
