import os
from pathlib import Path

import protocols.edge.birth
from drivers.outside import sources


def test_a_module_is_made_of_all_code_of_its_top_package() -> None:
    files = sources.of_module("protocols.edge.birth")
    assert Path(protocols.edge.birth.__file__) in files
    assert Path(protocols.__path__[0], "modbus", "frame.py") in files
    assert {file.suffix for file in files} <= set(sources.SUFFIXES)


def test_a_change_a_new_content_and_a_missing_file_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "driver.py"
    file.write_text("x = 1")
    before = sources.stamps([str(file)])
    assert not sources.changed(before)
    os.utime(file, ns=(0, before[str(file)][0] + 1))
    assert sources.changed(before)
    before = sources.stamps([str(file)])
    file.unlink()
    assert sources.changed(before)
    assert sources.stamps([str(file)]) == {str(file): (0, -1)}
