from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from fleet_server.web.static_files import StaticAssets, tree_hash


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "css").mkdir()
    (tmp_path / "css/a.css").write_text("a {}")
    (tmp_path / "b.js").write_text("b")
    return tmp_path


async def get(assets: StaticAssets, path: str) -> httpx.Response:
    app = FastAPI()
    app.mount("/static", assets)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get(path)


async def test_a_file_under_the_present_hash_is_kept_for_a_year(folder: Path) -> None:
    assets = StaticAssets(folder)
    answer = await get(assets, assets.url("css/a.css"))
    assert answer.text == "a {}"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_a_file_under_an_old_hash_answers_and_is_not_kept(folder: Path) -> None:
    answer = await get(StaticAssets(folder), "/static/000000000000/css/a.css")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")


async def test_no_path_leads_out_of_the_folder(folder: Path) -> None:
    assets = StaticAssets(folder / "css")
    for path in ("../b.js", "%2e%2e/b.js", "..%2fb.js"):
        assert (await get(assets, assets.url(path))).status_code == 404


def test_the_hash_changes_with_content_and_name_and_not_with_time(folder: Path) -> None:
    before = tree_hash(folder)
    (folder / "b.js").write_text("b")
    assert tree_hash(folder) == before
    (folder / "b.js").rename(folder / "c.js")
    renamed = tree_hash(folder)
    (folder / "c.js").write_text("c")
    assert len({before, renamed, tree_hash(folder)}) == 3
