from pathlib import Path

import pytest

from drivers.base import ModelError
from drivers.template import files


def test_every_folder_of_templates_holds_some_and_each_is_found_by_its_name() -> None:
    folders = sorted(path.name for path in files.TEMPLATES.iterdir() if path.is_dir())
    assert "modbus" in folders
    for folder in folders:
        assert files.names(folder), folder
        for name in files.names(folder):
            assert files.read(folder, name)[1] == f"{name}.toml"


def test_a_name_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"no model 'meter_1q' \(did you mean 'meter_1p'\?\); there are "):
        files.read("modbus", "meter_1q")


def test_a_file_that_cannot_be_read_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        files.read("modbus", str(tmp_path / "gone.toml"))
