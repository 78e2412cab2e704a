"""The flat import names are ours alone (ADR 1), and the tree keeps its own rules."""

import re
import textwrap
from importlib.metadata import packages_distributions
from pathlib import Path

from protocols import citycode

ROOT = Path(__file__).parents[2]
OURS = ("agent", "drivers", "firmware", "fleet_server", "protocols", "sim_devices")


def test_no_other_distribution_provides_our_import_names() -> None:
    providers = packages_distributions()
    assert {name: providers.get(name, []) for name in OURS if set(providers.get(name, [])) - {"hutong"}} == {}


def test_every_test_file_names_an_existing_module() -> None:
    strays = []
    for folder in OURS:
        for path in (ROOT / "tests" / folder).rglob("test_*.py"):
            relative = path.relative_to(ROOT / "tests")
            module = ROOT / relative.parent / relative.name.removeprefix("test_")
            if not (module.exists() or module.with_suffix("").is_dir() or (ROOT / relative.parent).is_dir()):
                strays.append(str(relative))
    assert strays == []


def test_no_file_names_a_registry_host_or_a_path_of_this_machine() -> None:
    hosts = re.compile(r'"resolved": *"http|--(?:extra-)?index-url|^registry *=|pypi\.org/simple', re.MULTILINE)
    found = [
        str(path.relative_to(ROOT))
        for path in [*ROOT.glob("locks/*.txt"), *ROOT.glob("fleet_server/web/*.json"), ROOT / "Makefile"]
        if hosts.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_locked_versions_agree_between_the_extras() -> None:
    pins: dict[str, set[frozenset[str]]] = {}  # a lock may pin one version for each range of Pythons
    for lock in ROOT.glob("locks/*.txt"):
        versions: dict[str, set[str]] = {}
        for name, version in re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", lock.read_text(encoding="utf-8"), re.M):
            versions.setdefault(name, set()).add(version)
        for name, found in versions.items():
            pins.setdefault(name, set()).add(frozenset(found))
    assert {name: found for name, found in pins.items() if len(found) > 1} == {}


def test_every_locked_requirement_has_a_hash() -> None:
    for lock in ROOT.glob("locks/*.txt"):
        requirements = re.split(r"\n(?=[a-z])", lock.read_text(encoding="utf-8").strip())
        assert [r.split("\n")[0] for r in requirements if "--hash=sha256:" not in r] == []


def test_protocols_hold_no_clock_and_no_print() -> None:
    banned = re.compile(r"\b(?:time\.time|time\.monotonic|datetime\.now|print|open)\(")
    found = [
        str(path) for path in (ROOT / "protocols").rglob("*.py") if banned.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


SHOWN = ("*.md", "*.py", "*.toml", "*.html", "*.js", "*.jinja")
CODE = re.compile(r"\b[BD][0-9]{16}[0-9A-Z]\b")


def test_every_city_code_that_people_are_shown_is_a_valid_one() -> None:
    wrong = set()
    for name in ["README.md", "docs", *OURS]:
        root = ROOT / name
        for path in [root] if root.is_file() else [one for shape in SHOWN for one in root.rglob(shape)]:
            if "node_modules" in path.parts:
                continue
            for code in set(CODE.findall(path.read_text(encoding="utf-8"))):
                try:
                    citycode.parse(code)
                except citycode.CodeError as error:
                    wrong.add(f"{path.relative_to(ROOT)}: {code}: {error}")
    assert wrong == set()


def test_the_first_simulation_that_the_help_proposes_is_a_valid_one(tmp_path: Path) -> None:
    from sim_devices import cli, config

    text = cli.EXAMPLE.split("<<END")[1].split("\n  END")[0]
    (tmp_path / "bench.toml").write_text(textwrap.dedent(text), encoding="utf-8")
    assert [bus.name for bus in config.load(tmp_path / "bench.toml").buses] == ["bench"]
