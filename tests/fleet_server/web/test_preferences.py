import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.web.preferences import local_path


@pytest.mark.parametrize("target", ["/", "/devices?q=a&by=mount", "/set-up?key=abc"])
def test_a_path_of_this_site_is_gone_back_to(target: str) -> None:
    assert local_path(target) == target


@pytest.mark.parametrize(
    "target", ["//evil.test", "/\\evil.test", "https://evil.test", "", "javascript:x", "/a\nb", "/\t/evil.test"]
)
def test_anything_else_leads_home(target: str) -> None:
    assert local_path(target) == "/"


@given(st.text())
def test_no_target_names_another_host(target: str) -> None:
    safe = local_path(target)
    assert safe.startswith("/")
    assert not safe.startswith(("//", "/\\"))
