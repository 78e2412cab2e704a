from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domains.identity.models import (
    FORGOTTEN_AFTER,
    FREE_FAILURES,
    LONGEST_BLOCK,
    Failures,
    after_attempt,
    check_name,
    check_password,
    network_of,
    new_secret,
)
from fleet_server.kernel.errors import Invalid

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize("password", ["", "eleven char", "x" * 257, "aaaaaaaaaaaaaaaa", "wangwangwangwang"])
def test_a_password_that_is_short_endless_or_one_word_again_and_again_is_refused(password: str) -> None:
    with pytest.raises(Invalid):
        check_password(password, "wang")


@pytest.mark.parametrize("password", ["twelve chars", "密码不需要大写字母或数字也行", "x" * 250 + "abcdef"])
def test_a_long_password_needs_no_special_characters(password: str) -> None:
    check_password(password, "wang")


@pytest.mark.parametrize("name", ["", " ", "a b", "a\tb", "x" * 65, "a\0b"])
def test_a_name_that_cannot_be_told_apart_by_eye_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        check_name(name)


@given(st.lists(st.integers(0, 7200), max_size=40), st.sampled_from(["user", "address"]))
def test_a_wait_never_exceeds_its_longest_and_grows_while_failures_keep_coming(pauses: list[int], kind: str) -> None:
    failures: Failures | None = None
    now, wait_before = NOW, timedelta()
    for pause in pauses:
        now += timedelta(seconds=pause)
        forgotten = failures is None or now - failures.last_at > FORGOTTEN_AFTER
        failures = after_attempt(kind, failures, now)
        wait = failures.blocked_until - now
        assert timedelta() <= wait <= LONGEST_BLOCK[kind]
        if forgotten:
            assert failures.count == 1
        else:
            assert wait >= wait_before
        assert (wait > timedelta()) == (failures.count > FREE_FAILURES[kind])
        wait_before = wait


def test_two_secrets_differ_and_carry_256_bits() -> None:
    (one, digest), (two, _) = new_secret("hut_"), new_secret("hut_")
    assert one != two
    assert len(one.removeprefix("hut_")) == 43
    assert one.encode() not in digest


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
        ("unknown", "unknown"),
    ],
)
def test_failures_from_one_household_of_ipv6_are_counted_together(address: str, network: str) -> None:
    assert network_of(address) == network
