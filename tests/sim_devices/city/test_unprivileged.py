import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim_devices.city import unprivileged


def test_whoever_is_not_root_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unprivileged.means() == unprivileged.Means((), None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to be dropped")
def test_with_the_means_found_a_program_does_not_see_itself_as_root() -> None:
    prefix, account = unprivileged.means()
    user, group = account or (None, None)
    argv = [*prefix, sys.executable, "-c", "import os; print(os.geteuid())"]
    seen = subprocess.run(argv, capture_output=True, text=True, user=user, group=group, check=True).stdout
    assert int(seen) != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to be dropped")
def test_without_namespaces_it_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unprivileged, "_namespaces_work", lambda: False)
    prefix, account = unprivileged.means()
    assert prefix == ()
    assert account is not None
    assert account[0] != 0


def test_handing_over_to_oneself_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    unprivileged.hand_over(tmp_path, None)
    assert (tmp_path / "file").stat().st_uid == os.geteuid()
