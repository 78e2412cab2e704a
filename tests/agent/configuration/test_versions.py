from collections.abc import Callable
from pathlib import Path

from agent import config
from agent.configuration.versions import content_of, hash_of
from drivers import catalog

Write = Callable[..., Path]


def named(path: Path, environ: dict[str, str] | None = None) -> str:
    return hash_of(content_of(config.load(path, environ or {}, catalog.BUILTIN)))


def test_comments_white_space_and_spelled_out_defaults_make_no_other_version(write_config: Write) -> None:
    path = write_config()
    before = named(path)
    path.write_text("# Street\n\n" + path.read_text().replace("unit = 1\n", 'unit   = 1 # here\npriority = "normal"\n'))
    assert named(path) == before


def test_a_value_an_order_or_a_variable_makes_another_version(write_config: Write) -> None:
    path = write_config()
    text = path.read_text()
    head, first, second = text.split("[[bus.device]]")
    versions = {named(path), named(path, {"HUTONG_SPOOL_QUOTA_MB": "7"})}
    for other in (text.replace("unit = 1\n", "unit = 9\n"), f"{head}[[bus.device]]{second}[[bus.device]]{first}"):
        path.write_text(other)
        versions.add(named(path))
    assert len(versions) == 4


def test_another_register_map_under_the_same_name_is_another_version(write_config: Write) -> None:
    path = write_config()
    source = Path("drivers/templates/modbus/meter_1p.toml")
    source = source if source.exists() else next(Path("drivers/templates").rglob("meter_1p.toml"))
    (path.parent / "own.toml").write_text(source.read_text())
    path.write_text(path.read_text().replace('"meter_1p"', '"own.toml"'))
    before = named(path)
    (path.parent / "own.toml").write_text(source.read_text() + "\n# read anew\n")
    assert named(path) != before
