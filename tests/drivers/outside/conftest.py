"""What the tests of outsiders' drivers share: one that is installed, its family, a line of it."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.base import LineConfig
from drivers.outside.family import OutsideFamily
from drivers.outside.installed import Installed, find
from drivers.outside.line import OutsideLine
from tests.agent.conftest import Until
from tests.outsider import install

MEMORY = 128 << 20


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path / "site")
    return install(tmp_path / "site")


@pytest.fixture
def acme(package: Path) -> Installed:
    return find("acme")


@pytest.fixture
def family(acme: Installed) -> Iterator[OutsideFamily]:
    made = OutsideFamily(acme, MEMORY)
    yield made
    made.close()


@pytest.fixture
def behave(tmp_path: Path) -> Callable[[str], Any]:
    """Says how the driver behaves from now on: tests.outsider lists the ways."""
    file = tmp_path / "mode"
    file.write_text("well")
    return file.write_text


@pytest.fixture
async def line(family: OutsideFamily, behave: object, tmp_path: Path) -> AsyncIterator[OutsideLine]:
    family.load_model("gauge")
    options = family.options({"mode": "mode"}, tmp_path)
    family.close()
    yield family.create_line(LineConfig("acme", "10.0.0.1:1", options=options))
    await family.watch.end()


@pytest.fixture
def until() -> Until:
    return Until()
