"""docs/domains.md says what is mounted, and docs/operations.md every setting of the server."""

from pathlib import Path

from fleet_server.config import Settings
from fleet_server.domains.catalogue_doc import PATH, document


def test_the_page_of_domains_is_current() -> None:
    assert PATH.read_text("utf-8") == document(), "run: python -m fleet_server.domains.catalogue_doc"


def test_every_setting_of_the_server_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "operations.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    missing = [
        f"{section}.{key}"
        for section, keys in Settings().model_dump().items()
        for key in keys
        if not any(f"`{section}.{key}`" in row or (f"`{section}." in row and f"`.{key}`" in row) for row in rows)
    ]
    assert missing == []
