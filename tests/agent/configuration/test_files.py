import stat
from pathlib import Path

import pytest

from agent.configuration.files import discard, exchange, stage


def test_an_exchange_puts_the_new_text_in_place_and_keeps_the_old_one_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("old")
    path.chmod(0o640)
    stage(path, "新")
    assert path.read_text() == "old"
    exchange(path)
    assert path.read_text("utf-8") == "新"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert (tmp_path / "gateway.toml.before").read_text() == "old"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["gateway.toml", "gateway.toml.before"]


def test_what_was_staged_and_is_not_wanted_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("old")
    stage(path, "new")
    discard(path)
    discard(path)
    assert [one.name for one in tmp_path.iterdir()] == ["gateway.toml"]


def test_a_link_stays_a_link_and_what_it_names_is_exchanged(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "gateway.toml"
    real.write_text("old")
    link.symlink_to(real)
    stage(link, "new")
    exchange(link)
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_nothing_is_written_through_a_link_that_was_laid_where_it_is_staged(tmp_path: Path) -> None:
    path, victim = tmp_path / "gateway.toml", tmp_path / "victim"
    path.write_text("old")
    victim.write_text("precious")
    (tmp_path / "gateway.toml.desired").symlink_to(victim)
    with pytest.raises(OSError, match=r"gateway\.toml\.desired"):
        stage(path, "new")
    assert victim.read_text() == "precious"
