import re
from pathlib import Path

import pytest

import fleet_server

ROOT = Path(fleet_server.__file__).parent
TEMPLATES = [*ROOT.glob("web/templates/*.html"), *ROOT.glob("domains/*/templates/*.html")]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parent.parent.name}/{path.name}")
def test_a_template_has_no_inline_script_or_style_which_the_policy_would_refuse(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", text)
    for attributes in re.findall(r"<script([^>]*)>", text):
        assert "src=" in attributes or 'type="application/json"' in attributes


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parent.parent.name}/{path.name}")
def test_a_template_holds_no_words_of_its_own(template: Path) -> None:
    text = re.sub(
        r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}|<!--.*?-->|<(script|code|kbd)[^>]*>.*?</\1>",
        " ",
        template.read_text("utf-8"),
        flags=re.S,
    )
    words = re.findall(r"[A-Za-z\u4e00-\u9fff]{2,}", re.sub(r"<[^>]*>", " ", text))
    assert set(words) <= {"hutong", "URN", "ms", "URL"}
