from collections.abc import Callable
from pathlib import Path

from agent import config
from agent.configuration.boot import choose
from agent.configuration.store import Record, Store
from agent.configuration.versions import Version, content_of, hash_of
from agent.settings import Config
from drivers import catalog

Write = Callable[..., Path]


def prepared(path: Path) -> tuple[Config, Config]:
    """What was good, and what the file says since a trial of it was cut off."""
    good = config.load(path, {}, catalog.BUILTIN)
    path.write_text(path.read_text().replace("unit = 1\n", "unit = 9\n"))
    tried = config.load(path, {}, catalog.BUILTIN)
    good.gateway.data_dir.mkdir()
    versions = [Version(number, hash_of(content_of(one))) for number, one in enumerate((good, tried), 1)]
    Store(good.gateway.data_dir).keep(Record(versions[0], good.text, versions[1], None, 2))
    return good, tried


def test_what_failed_its_trial_is_not_started_with(write_config: Write) -> None:
    good, tried = prepared(write_config())
    assert content_of(choose(tried, {}, catalog.BUILTIN)) == content_of(good)


def test_a_file_edited_after_its_refusal_is_started_with(write_config: Write) -> None:
    path = write_config()
    prepared(path)
    path.write_text(path.read_text().replace("unit = 9\n", "unit = 8\n"))
    edited = config.load(path, {}, catalog.BUILTIN)
    assert choose(edited, {}, catalog.BUILTIN) is edited


def test_a_good_one_that_cannot_be_read_any_more_stands_back(write_config: Write) -> None:
    good, tried = prepared(write_config())
    store = Store(good.gateway.data_dir)
    store.keep(Record(store.record.good, "[gateway", store.record.trial, None, 2))
    assert choose(tried, {}, catalog.BUILTIN) is tried


def test_a_file_that_was_about_to_be_exchanged_gives_way_to_what_was_kept(write_config: Write) -> None:
    path = write_config()
    old = config.load(path, {}, catalog.BUILTIN)
    kept = config.load(path, {}, catalog.BUILTIN, path.read_text().replace("unit = 1\n", "unit = 9\n"))
    old.gateway.data_dir.mkdir()
    good = Version(2, hash_of(content_of(kept)))
    Store(old.gateway.data_dir).keep(Record(good, kept.text, last=2, installing=hash_of(content_of(old))))
    assert content_of(choose(old, {}, catalog.BUILTIN)) == content_of(kept)
    path.write_text(path.read_text().replace("unit = 1\n", "unit = 7\n"))
    edited = config.load(path, {}, catalog.BUILTIN)
    assert choose(edited, {}, catalog.BUILTIN) is edited, "whoever edited it since has decided"
