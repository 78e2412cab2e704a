"""What `hutong-sim new driver` writes works as it stands, and nothing is written that should not be."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from drivers.catalog import BUILTIN
from drivers.outside import installed
from sim_devices.kit import scaffold

ROOT = Path(__file__).parents[3]
KINDS = scaffold.KINDS


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_no_placeholder_is_left_in_a_file_or_its_name(tmp_path: Path, kind: str) -> None:
    folder = scaffold.create("acme-gauge", kind, tmp_path)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 6
    assert [
        path for path in files if "@@" in path.read_text("utf-8") or "PACKAGE" in str(path.relative_to(folder))
    ] == []
    assert [path for path in files if path.name.endswith(scaffold.SUFFIX)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_formatted_and_lint_free_as_our_own_code(tmp_path: Path, kind: str) -> None:
    folder = scaffold.create("acme-gauge", kind, tmp_path)
    config = ("--config", str(ROOT / "ruff.toml"), "--no-cache")
    for words in (("format", "--check", *config, "."), ("check", *config, "--ignore", "S101", ".")):
        done = run(folder, "ruff", *words)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_its_model_has_every_title_in_both_languages(tmp_path: Path, kind: str) -> None:
    folder = scaffold.create("acme-gauge", kind, tmp_path)
    (path,) = folder.rglob("acme_gauge.toml")
    model = tomllib.loads(path.read_text("utf-8"))
    assert [each["name"] for each in (model, *model["channel"]) if set(each["title"]) != {"en", "zh"}] == []
    if kind == "template":
        assert BUILTIN["modbus-tcp"].load_model(str(path)).name == "acme_gauge"


def test_the_names_of_its_drivers_are_such_as_a_gateway_takes(tmp_path: Path) -> None:
    longest = "a" * scaffold.LONGEST
    folder = scaffold.create(longest, "code", tmp_path)
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    offered = project["project"]["entry-points"][installed.GROUP]
    assert set(offered) == {longest, f"{longest}-over-tcp"}
    assert max(map(len, offered)) <= 40
    allowed = tomllib.loads((folder / "gateway.toml").read_text("utf-8"))["drivers"]["allow"]
    assert set(allowed) <= set(offered)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Acme Tank", r"'acme-tank' would do"),
        ("9volt", r"'volt' would do"),
        ("a" * 31, "at most 30"),
        ("", "is no name"),
        ("../up", r"'up' would do"),
        ("电表", "is no name"),
        ("class", "a word of Python's own"),
        ("json", "a word of Python's own"),
        ("modbus", "one of hutong's own"),
        ("gas_head", "one of hutong's own"),
        ("numpy", "is installed here already"),
        ("drivers", "is installed here already"),
    ],
)
def test_a_name_that_would_not_work_is_refused_with_what_would(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(scaffold.Refused, match=why):
        scaffold.create(name, "code", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "acme-gauge").mkdir()
    with pytest.raises(scaffold.Refused, match="is there already"):
        scaffold.create("acme-gauge", "code", tmp_path)
    assert list((tmp_path / "acme-gauge").iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_steps_name_files_that_are_there(tmp_path: Path, kind: str) -> None:
    folder = scaffold.create("acme-gauge", kind, tmp_path)
    told = scaffold.next_steps(folder, kind)
    named = {word.strip(",:()") for word in told.split()}
    files = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    assert {"bench.toml", "gateway.toml"} <= named & files
    assert [word for word in named if word.endswith((".py", ".toml")) and word not in files] == []
    assert [word for word in named if word.startswith("docs/") and not (ROOT / word.rstrip(".")).exists()
            and not (ROOT / word).exists()] == []  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_its_tests_are_green_at_once(tmp_path: Path, kind: str) -> None:
    folder = scaffold.create("acme-gauge", kind, tmp_path)
    done = run(folder, "pytest", "-q", "-p", "drivers.conformance.plugin", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


@pytest.mark.long
def test_its_code_passes_strict_types(tmp_path: Path) -> None:
    folder = scaffold.create("acme-gauge", "code", tmp_path)
    done = run(folder, "mypy", "--strict", "--explicit-package-bases", "--cache-dir", str(tmp_path / "cache"),
               "--follow-imports", "silent", "acme_gauge", "tests")  # fmt: skip
    assert done.returncode == 0, done.stdout
