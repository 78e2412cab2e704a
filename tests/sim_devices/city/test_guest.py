import tomllib
from pathlib import Path

import pytest

from sim_devices.city import block, guest
from sim_devices.city.program import StartFailed
from sim_devices.kit import scaffold


@pytest.mark.parametrize("kind", scaffold.KINDS)
def test_a_scaffolds_buses_are_taken_with_models_that_are_found_from_elsewhere(tmp_path: Path, kind: str) -> None:
    folder = scaffold.create("guest-gauge", kind, tmp_path)
    taken = tomllib.loads(guest.buses(folder / "gateway.toml"))
    model = taken["bus"][0]["device"][0]["model"]
    assert model == ("guest_gauge" if kind == "code" else str(folder / "guest_gauge.toml"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("bus = ", "Invalid value"),
        ("", r"has no \[\[bus\]\]"),
        ("[gateway]\ncode = 'D'\n[[bus]]\nname = 'x'", "it has gateway"),
    ],
)
def test_a_file_that_holds_anything_else_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "gateway.toml").write_text(text, "utf-8")
    with pytest.raises(StartFailed, match=why):
        guest.buses(tmp_path / "gateway.toml")


def test_a_missing_file_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"no\.toml"):
        guest.buses(tmp_path / "no.toml")


def test_the_guest_has_a_code_of_its_own() -> None:
    assert guest.GATEWAY.code not in {gateway.code for gateway in block.gateways()}
    assert guest.KEY not in {gateway.key for gateway in block.gateways()}
