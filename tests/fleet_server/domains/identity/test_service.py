import asyncio
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from argon2 import PasswordHasher

from fleet_server.domains.identity.models import (
    FREE_FAILURES,
    ROLES,
    SESSION_IDLE,
    SESSION_LONGEST,
    SET_UP_VALID,
    Role,
    SignedIn,
)
from fleet_server.domains.identity.service import Passwords
from fleet_server.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated

PASSWORD = "correct horse battery"
HERE = "192.0.2.7"


async def sign_in(city: Any, name: str = "wang", password: str = PASSWORD, **more: Any) -> SignedIn:
    signed_in: SignedIn = await city.identity.sign_in(name, password, **({"address": HERE} | more))
    return signed_in


# -- the first administrator


async def test_a_set_up_link_makes_one_administrator_once(city: Any) -> None:
    secret = await city.owners_identity.make_set_up_link()
    signed_in = await city.identity.set_up(secret, "Wang", PASSWORD, address=HERE)
    assert (signed_in.user.name, signed_in.user.role, signed_in.user.scope) == ("wang", Role.ADMINISTRATOR, ("bj",))
    assert await city.identity.by_session(signed_in.secret) == signed_in.user.principal
    with pytest.raises(NotFound):
        await city.identity.set_up(secret, "li", PASSWORD, address=HERE)
    with pytest.raises(Conflict):
        await city.owners_identity.make_set_up_link()


async def test_two_people_with_two_links_become_one_administrator(city: Any) -> None:
    links = [await city.owners_identity.make_set_up_link() for _ in range(2)]
    results = await asyncio.gather(
        *(city.identity.set_up(link, f"user{n}", PASSWORD, address=HERE) for n, link in enumerate(links)),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["NotFound", "SignedIn"]


async def test_a_set_up_link_ends_after_a_day(city: Any, clock: Any) -> None:
    secret = await city.owners_identity.make_set_up_link()
    clock.advance(SET_UP_VALID - timedelta(seconds=1))
    await city.identity.check_set_up(secret)
    clock.advance(seconds=1)
    with pytest.raises(NotFound):
        await city.identity.check_set_up(secret)


async def test_a_link_that_was_never_made_opens_nothing(city: Any) -> None:
    with pytest.raises(NotFound):
        await city.identity.set_up("guess", "wang", PASSWORD, address=HERE)


async def test_a_weak_password_does_not_use_the_link_up(city: Any) -> None:
    secret = await city.owners_identity.make_set_up_link()
    with pytest.raises(Invalid):
        await city.identity.set_up(secret, "wang", "short", address=HERE)
    await city.identity.set_up(secret, "wang", PASSWORD, address=HERE)


# -- sessions


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(city: Any) -> None:
    await city.user("wang")
    answers = []
    for name, password in [("wang", "wrong password"), ("nobody", PASSWORD)]:
        with pytest.raises(Unauthenticated) as caught:
            await sign_in(city, name, password)
        answers.append(caught.value.detail)
    assert answers[0] == answers[1]
    assert len(await city.audited("identity.sign-in-failed")) == 2


async def test_an_unknown_name_costs_as_much_as_a_known_one() -> None:
    passwords = Passwords(PasswordHasher(time_cost=8, memory_cost=8192, parallelism=1))
    stored = await passwords.hash(PASSWORD)
    await passwords.verify(None, "warm")

    async def median(known: str | None) -> float:
        spent = []
        for _ in range(7):
            start = time.thread_time() + time.process_time()
            assert not await passwords.verify(known, "wrong")
            spent.append(time.thread_time() + time.process_time() - start)
        return sorted(spent)[3]

    known, unknown = await median(stored), await median(None)
    assert 0.5 < known / unknown < 2


async def test_a_session_ends_when_idle_and_after_its_longest_time_in_any_case(city: Any, clock: Any) -> None:
    await city.user("wang")
    idle = await sign_in(city)
    clock.advance(SESSION_IDLE)
    assert await city.identity.by_session(idle.secret) is None
    busy = await sign_in(city)
    for _ in range(SESSION_LONGEST // timedelta(hours=8) - 1):
        clock.advance(hours=8)
        assert await city.identity.by_session(busy.secret) is not None
    clock.advance(hours=8)
    assert await city.identity.by_session(busy.secret) is None


async def test_signing_in_replaces_the_session_the_browser_came_with(city: Any) -> None:
    await city.user("wang")
    first = await sign_in(city)
    second = await sign_in(city, replaces=first.secret)
    assert first.secret != second.secret
    assert await city.identity.by_session(first.secret) is None
    assert await city.identity.by_session(second.secret) is not None


async def test_signing_out_ends_one_session_and_everywhere_ends_all(city: Any) -> None:
    user = await city.user("wang")
    one, two, three = [await sign_in(city) for _ in range(3)]
    await city.identity.sign_out(one.secret)
    assert await city.identity.by_session(one.secret) is None
    assert await city.identity.by_session(two.secret) is not None
    assert await city.identity.sign_out_everywhere(user.principal, user.id) == 2
    assert await city.identity.by_session(three.secret) is None


async def test_no_secret_is_in_the_database(city: Any) -> None:
    user = await city.user("wang")
    signed_in = await sign_in(city)
    made = await city.identity.create_token(user.principal, "script", ["ledger:read"], 1)
    async with city.owner.system() as connection:
        dump = ""
        for table in ("user_account", "user_session", "api_token", "audit", "set_up_link", "sign_in_failure"):
            dump += str(await connection.fetchval(f"SELECT json_agg(t)::text FROM {table} t"))  # noqa: S608
    for secret in (signed_in.secret, made.secret, PASSWORD):
        assert secret not in dump
    assert "$argon2id$" in dump


async def test_a_disabled_user_is_out_at_once_with_sessions_and_tokens(city: Any) -> None:
    user = await city.user("wang")
    signed_in = await sign_in(city)
    made = await city.identity.create_token(user.principal, "script", ["ledger:read"], 1)
    await city.identity.change_user(city.root, user.id, status="disabled")
    assert await city.identity.by_session(signed_in.secret) is None
    assert await city.identity.by_token(made.secret) is None
    with pytest.raises(Unauthenticated):
        await sign_in(city)


# -- guessing


async def test_wrong_passwords_make_the_name_wait_longer_and_longer(city: Any, clock: Any) -> None:
    await city.user("wang")
    waits = []
    for n in range(12):
        try:
            await sign_in(city, password="wrong password", address=f"192.0.2.{n}")
        except TooMany as blocked:
            waits.append(blocked.retry_after_s)
            clock.advance(seconds=blocked.retry_after_s)
        except Unauthenticated:
            pass
    assert len(waits) >= 4
    assert waits == sorted(waits)
    assert waits[0] < 5 < waits[-1]


async def test_the_right_password_waits_too_and_then_clears_the_count(city: Any, clock: Any) -> None:
    await city.user("wang")
    for _ in range(FREE_FAILURES["user"] + 1):
        with pytest.raises(Unauthenticated):
            await sign_in(city, password="wrong password")
    with pytest.raises(TooMany):
        await sign_in(city)
    clock.advance(seconds=10)
    await sign_in(city)
    for _ in range(FREE_FAILURES["user"]):
        with pytest.raises(Unauthenticated):
            await sign_in(city, password="wrong password")


async def test_an_address_that_tries_many_names_waits(city: Any) -> None:
    for n in range(FREE_FAILURES["address"] + 1):
        with pytest.raises(Unauthenticated):
            await sign_in(city, f"name{n}")
    with pytest.raises(TooMany):
        await sign_in(city, "another")
    with pytest.raises(Unauthenticated):
        await sign_in(city, "another", address="198.51.100.1")


async def test_a_success_does_not_earn_guesses_at_other_names(city: Any) -> None:
    await city.user("wang")
    for n in range(FREE_FAILURES["address"] + 1):
        with pytest.raises(Unauthenticated):
            await sign_in(city, f"name{n}")
        if n < FREE_FAILURES["address"]:
            await sign_in(city)
    with pytest.raises(TooMany):
        await sign_in(city, "another")


async def test_a_crowd_of_guesses_at_once_is_counted_one_by_one(city: Any) -> None:
    await city.user("wang")
    results = await asyncio.gather(
        *(sign_in(city, password="wrong password", address=f"192.0.2.{n}") for n in range(12)), return_exceptions=True
    )
    looked_at = sum(isinstance(result, Unauthenticated) for result in results)
    assert looked_at == FREE_FAILURES["user"] + 1


# -- users


async def test_nobody_gives_more_than_they_have(city: Any) -> None:
    district = (await city.user("zhao", Role.ADMINISTRATOR, ["bj.110114"])).principal
    with pytest.raises(Invalid, match="outside your scope"):
        await city.identity.create_user(district, "li", PASSWORD, Role.VIEWER, ["bj"])
    with pytest.raises(Invalid, match="scope is empty"):
        await city.identity.create_user(district, "li", PASSWORD, Role.VIEWER, [])
    made = await city.identity.create_user(district, "li", PASSWORD, Role.VIEWER, ["bj.110114.110114011"])
    with pytest.raises(Forbidden):
        await city.identity.create_user(made.principal, "sun", PASSWORD, Role.VIEWER, ["bj.110114.110114011"])


async def test_a_district_administrator_neither_sees_nor_changes_people_beyond_the_district(city: Any) -> None:
    district = (await city.user("zhao", Role.ADMINISTRATOR, ["bj.110114"])).principal
    inside = await city.user("inside", scope=["bj.110114.110114011"])
    outside = await city.user("outside", scope=["bj"])
    both = await city.user("both", scope=["bj.110114", "bj.110101"])
    assert [user.name for user in await city.identity.users(district)] == ["inside", "zhao"]
    assert (await city.identity.change_user(district, inside.id, role=Role.OPERATOR)).role is Role.OPERATOR
    for user in (outside, both):
        with pytest.raises(NotFound):
            await city.identity.change_user(district, user.id, password="another password")
        with pytest.raises(NotFound):
            await city.identity.sign_out_everywhere(district, user.id)


async def test_the_last_administrator_stays_one(city: Any) -> None:
    only = await city.user("wang", Role.ADMINISTRATOR)
    for change in ({"role": Role.VIEWER}, {"status": "disabled"}):
        with pytest.raises(Conflict, match="last administrator"):
            await city.identity.change_user(city.root, only.id, **change)
    await city.user("li", Role.ADMINISTRATOR)
    await city.identity.change_user(city.root, only.id, role=Role.VIEWER)


async def test_two_administrators_cannot_demote_one_another_at_once(city: Any) -> None:
    users = [await city.user(name, Role.ADMINISTRATOR) for name in ("wang", "li")]
    results = await asyncio.gather(
        *(city.identity.change_user(city.root, user.id, role=Role.VIEWER) for user in users), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "User"]


async def test_a_name_is_one_whatever_its_case(city: Any) -> None:
    await city.user("Wang")
    with pytest.raises(Conflict):
        await city.user("WANG ")
    assert (await sign_in(city, "WANG")).user.name == "wang"


async def test_a_changed_user_signs_in_anew_and_the_change_is_audited_without_the_password(city: Any) -> None:
    user = await city.user("wang")
    signed_in = await sign_in(city)
    await city.identity.change_user(city.root, user.id, password="another password")
    assert await city.identity.by_session(signed_in.secret) is None
    with pytest.raises(Unauthenticated):
        await sign_in(city)
    await sign_in(city, password="another password")
    (row,) = await city.audited("identity.change-user")
    assert row["detail"] == '{"password": "changed"}' or row["detail"] == {"password": "changed"}


async def test_ones_own_password_is_changed_by_knowing_it(city: Any) -> None:
    user = await city.user("wang")
    with pytest.raises(Invalid):
        await city.identity.change_password(user.principal, "wrong password", "another password")
    await city.identity.change_password(user.principal, PASSWORD, "another password")
    await sign_in(city, password="another password")


async def test_a_user_who_does_not_exist_is_not_found(city: Any) -> None:
    with pytest.raises(NotFound):
        await city.identity.user(city.root, uuid4())


# -- tokens


async def test_a_token_does_what_it_was_given_as_long_as_its_owner_may(city: Any) -> None:
    user = await city.user("wang", Role.OPERATOR, ["bj.110114"])
    made = await city.identity.create_token(user.principal, "script", ["ledger:read", "commands:send"], 30)
    assert made.secret.startswith("hut_")
    principal = await city.identity.by_token(made.secret)
    assert principal is not None
    assert (principal.kind, principal.scope) == ("token", ("bj.110114",))
    assert principal.permissions == {"ledger:read", "commands:send"}
    await city.identity.change_user(city.root, user.id, role=Role.VIEWER)
    principal = await city.identity.by_token(made.secret)
    assert principal is not None
    assert principal.permissions == {"ledger:read"}


async def test_a_token_ends_when_it_expires_or_is_revoked(city: Any, clock: Any) -> None:
    user = await city.user("wang")
    short, revoked = [await city.identity.create_token(user.principal, "t", ["ledger:read"], 1) for _ in range(2)]
    await city.identity.revoke_token(user.principal, revoked.token.id)
    assert await city.identity.by_token(revoked.secret) is None
    assert await city.identity.by_token(short.secret) is not None
    clock.advance(days=1)
    assert await city.identity.by_token(short.secret) is None


async def test_a_token_cannot_exceed_its_owner_nor_make_tokens(city: Any) -> None:
    user = await city.user("wang")
    with pytest.raises(Invalid, match="commands:send"):
        await city.identity.create_token(user.principal, "t", ["commands:send"], 1)
    with pytest.raises(Invalid, match="Unknown"):
        await city.identity.create_token(user.principal, "t", ["ledger:drop"], 1)
    made = await city.identity.create_token(user.principal, "t", ["ledger:read"], 1)
    with pytest.raises(Forbidden):
        await city.identity.create_token(await city.identity.by_token(made.secret), "t", ["ledger:read"], 1)


async def test_someone_elses_token_is_not_there(city: Any) -> None:
    wang, li = await city.user("wang"), await city.user("li")
    made = await city.identity.create_token(wang.principal, "t", ["ledger:read"], 1)
    with pytest.raises(NotFound):
        await city.identity.revoke_token(li.principal, made.token.id)
    assert await city.identity.tokens(li.principal) == []


async def test_what_is_over_is_pruned(city: Any, clock: Any) -> None:
    await city.user("wang")
    await sign_in(city)
    with pytest.raises(Unauthenticated):
        await sign_in(city, password="wrong password")
    clock.advance(days=8)
    await city.identity.prune()
    async with city.owner.system() as connection:
        assert await connection.fetchval("SELECT count(*) FROM user_session") == 0
        assert await connection.fetchval("SELECT count(*) FROM sign_in_failure") == 0


def test_every_role_is_within_the_administrators() -> None:
    assert all(ROLES[role] <= ROLES[Role.ADMINISTRATOR] for role in Role)


async def test_a_password_that_an_administrator_sets_ends_the_tokens_too(city: Any) -> None:
    user = await city.user("wang")
    made = await city.identity.create_token(user.principal, "script", ["ledger:read"], 30)
    await city.identity.change_user(city.root, user.id, scope=["bj.110114"])
    assert await city.identity.by_token(made.secret) is not None
    await city.identity.change_user(city.root, user.id, password="another password")
    assert await city.identity.by_token(made.secret) is None
    *_, row = await city.audited("identity.change-user")
    assert row["detail"] == {"password": "changed", "tokens_revoked": 1}
