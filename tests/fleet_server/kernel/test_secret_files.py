from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fleet_server.kernel.secret_files import SecretsError, keep, seal, unseal, write

KEY = bytes(range(32))


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "key"
    key = keep(path)
    assert keep(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["key"]


def test_all_who_make_a_secret_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(keep, [tmp_path / "key"] * 32))) == 1


@pytest.mark.parametrize("content", ["", "zz", "00" * 31, "00" * 33])
def test_a_spoilt_secret_is_named_and_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(SecretsError, match="key"):
        keep(path)
    assert path.read_text() == content


def test_a_file_that_is_replaced_is_private_even_if_it_was_not(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("old")
    path.chmod(0o644)
    write(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)


def test_a_sealed_value_opens_with_its_key_and_purpose_alone() -> None:
    sealed = seal(KEY, b"value", b"row 1")
    assert unseal(KEY, sealed, b"row 1") == b"value"
    assert b"value" not in sealed
    for key, box, purpose in [
        (bytes(32), sealed, b"row 1"),
        (KEY, sealed, b"row 2"),
        (KEY, sealed[:-1] + bytes([sealed[-1] ^ 1]), b"row 1"),
        (KEY, sealed[:10], b"row 1"),
        (KEY, b"", b"row 1"),
    ]:
        with pytest.raises(SecretsError):
            unseal(key, box, purpose)


def test_sealing_twice_gives_different_bytes() -> None:
    assert seal(KEY, b"value", b"row") != seal(KEY, b"value", b"row")
