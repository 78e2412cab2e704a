import json
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.coap import settings
from drivers.coap.settings import Access, access, read_options


def test_without_any_proof_of_who_sends_nothing_is_set_up(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^oscore is missing"):
        read_options({}, tmp_path)


@pytest.mark.parametrize("given", ["all", "any", True, "0.0.0.0/0", ""])
def test_unproven_senders_are_possible_from_this_machine_alone(given: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'^plain is possible for "loopback" alone'):
        read_options({"plain": given}, tmp_path)


def test_contexts_are_found_beside_the_configuration(tmp_path: Path, context: Callable[..., Path]) -> None:
    context("gateway", b"\1", b"")
    given = read_options({"oscore": {"pole:1": "gateway"}, "plain": "loopback"}, tmp_path)
    assert access(given) == Access({"pole:1": tmp_path / "gateway"}, plain=True)
    assert access(read_options({"plain": "loopback"}, tmp_path)) == Access({}, plain=True)
    json.dumps(given)


def test_a_secret_that_others_may_read_is_refused_with_the_command_to_run(
    tmp_path: Path, context: Callable[..., Path]
) -> None:
    secret = context("gateway", b"\1", b"") / "secret.json"
    secret.chmod(0o640)
    with pytest.raises(ValueError, match=f"^oscore: others may read this secret; run: chmod 600 {secret}"):
        read_options({"oscore": {"pole:1": "gateway"}}, tmp_path)


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"oscore": {"pole:1": "nowhere"}}, "^oscore: there is no .*nowhere/secret.json"),
        ({"oscore": "gateway"}, "^oscore must be a table"),
        ({"oscore": {"pole:1": 5}}, "^oscore must be a table"),
        ({"oscore": {"pole:1": "x" * 300}}, "^oscore: cannot read .*File name too long"),
        ({"psk": "secret"}, "^psk is not known"),
    ],
)
def test_an_option_that_cannot_be_used_says_why(given: dict[str, object], cause: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=cause):
        read_options(given, tmp_path)


@pytest.mark.parametrize("held", ["", "[]", "null", "{}", '{"secret_hex": "5ec2e7", "sender-id_hex": 1}', "5ec2e7"])
def test_a_secret_that_holds_no_context_is_refused_and_not_quoted(
    held: str, tmp_path: Path, context: Callable[..., Path]
) -> None:
    (context("gateway", b"\1", b"") / "secret.json").write_text(held)
    with pytest.raises(ValueError, match=r"^oscore: .*secret.json is no JSON object with") as refused:
        read_options({"oscore": {"pole:1": "gateway"}}, tmp_path)
    assert "5ec2e7" not in str(refused.value)


def test_a_missing_library_is_told_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"^plain needs aiocoap.*pip install 'hutong\[coap\]'"):
        read_options({"plain": "loopback"}, tmp_path)
