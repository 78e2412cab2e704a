"""Others' code relies on what docs/public-modules.md lists."""

import ast
import importlib

import pytest

from tests.architecture.public_names import RECORD, modules, names, source


@pytest.mark.parametrize("module", modules())
def test_a_public_module_is_there_and_says_what_it_is(module: str) -> None:
    assert ast.get_docstring(ast.parse(source(module).read_text("utf-8")))
    importlib.import_module(module)


def test_no_public_name_has_gone_without_its_release_of_deprecation() -> None:
    gone = sorted(set(RECORD.read_text("utf-8").split()) - set(names()))
    assert gone == [], (
        "others may use these. Put them back: as they were, or raising a DeprecationWarning that names the new way, "
        "with a line in the CHANGELOG. When they have been deprecated for a whole minor release, record anew: "
        "python -m tests.architecture.public_names"
    )


def test_every_new_public_name_is_recorded() -> None:
    new = sorted(set(names()) - set(RECORD.read_text("utf-8").split()))
    assert new == [], "if these are meant to be public: python -m tests.architecture.public_names; else begin with '_'"


def test_the_record_names_classes_their_members_and_constants() -> None:
    recorded = set(RECORD.read_text("utf-8").split())
    assert {"drivers.base:Line.read", "drivers.base:NO_READINGS", "drivers.conformance:Golden"} <= recorded
    assert not [name for name in recorded if "._" in name or ":_" in name]
