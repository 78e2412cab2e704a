"""What the documentation sends its reader to is there."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_checkout_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    dead = [target for target in targets if ":" not in target and not (page.parent / target).exists()]
    assert dead == []


def test_every_make_command_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    command = re.compile(r"(?:^|`)make ([a-z-]+)(?= *(?:`|#|[A-Z]))", re.M)  # in a sentence, or in a block of its own
    named = {name for page in PAGES for name in command.findall(page.read_text(encoding="utf-8"))}
    assert named - targets == set()
    assert {"run", "test"} <= named


def test_make_alone_lists_its_commands_and_builds_nothing() -> None:
    shown = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    assert {"make run", "make test", "make check"} <= {" ".join(line.split()[:2]) for line in shown.splitlines()}
