import pytest

from tests import interop


@pytest.mark.long  # not for its time: of tests that run side by side no process knows all
def test_docs_interop_tells_what_the_tests_show(every_test: list[pytest.Item] | None) -> None:
    if every_test is None:
        pytest.skip("a part of the suite says nothing about the whole page")
    assert interop.PATH.read_text("utf-8") == interop.render(every_test), "run .venv/bin/pytest --write-interop"
