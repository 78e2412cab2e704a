from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.inference import onnx_file
from agent.inference.onnx_file import NotUsable
from tests.agent.inference import models


def refused(path: Path, sha256: str) -> str:
    with pytest.raises(NotUsable) as caught:
        onnx_file.read(path, sha256)
    return str(caught.value).replace(f"{path.parent}/", "")


def outside(name: str) -> bytes:
    """A tensor whose numbers stand in another file."""
    place = models.inside(13, models.inside(1, "location") + models.inside(2, "/etc/passwd"))
    return models.tensor(name, models.FLOAT, (1,), b"", place, models.number(14, 1))


def test_the_very_file_is_read_and_one_that_was_swapped_is_not(tmp_path: Path) -> None:
    data = models.mean((1, 4, 1))
    sha256 = models.write(tmp_path, data)
    assert onnx_file.read(tmp_path / "model.onnx", sha256) == data
    models.write(tmp_path, models.mean((1, 5, 1)))
    assert refused(tmp_path / "model.onnx", sha256).startswith("model.onnx is not the file of that digest")


def test_no_file_a_folder_and_a_file_of_any_size_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(tmp_path / "none.onnx", "0" * 64) == "there is no file none.onnx"
    (tmp_path / "folder").mkdir()
    assert refused(tmp_path / "folder", "0" * 64) == "there is no file folder"
    monkeypatch.setattr(onnx_file, "MAX_BYTES", 1 << 20)
    sha256 = models.write(tmp_path, bytes((1 << 20) + 1))
    assert refused(tmp_path / "model.onnx", sha256) == "model.onnx is longer than 1 MB"


@pytest.mark.parametrize("place", ["graph", "inner graph", "constant", "sparse"])
def test_a_model_that_would_open_other_files_is_refused_wherever_it_names_them(tmp_path: Path, place: str) -> None:
    tensors, nodes = [], []
    if place == "graph":
        tensors = [outside("w")]
    elif place == "inner graph":
        nodes = [models.node("If", ["c"], ["y"], models.sub_graph("then", models.graph([], [], [], [outside("w")])))]
    elif place == "constant":
        nodes = [models.node("Constant", [], ["y"], models.inside(1, "value") + models.inside(5, outside("w")))]
    body = models.graph(nodes, [], [], tensors)
    if place == "sparse":
        body += models.inside(15, models.inside(1, outside("w")))
    sha256 = models.write(tmp_path, models.model(body))
    assert refused(tmp_path / "model.onnx", sha256).endswith("keeps weights in other files: export it whole")


def test_graphs_within_graphs_without_an_end_are_refused(tmp_path: Path) -> None:
    body = models.graph([], [], [])
    for _ in range(onnx_file.MAX_DEPTH):
        body = models.graph([models.node("If", ["c"], ["y"], models.sub_graph("then", body))], [], [])
    sha256 = models.write(tmp_path, models.model(body))
    assert refused(tmp_path / "model.onnx", sha256) == "model.onnx is no ONNX model"


@given(st.data())
def test_bytes_of_any_kind_are_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = models.endless(4)
    cut = data.draw(st.integers(0, len(whole)))
    given_bytes = whole[:cut] + data.draw(st.binary(max_size=40)) + data.draw(st.sampled_from([b"", whole[cut:]]))
    folder = tmp_path_factory.getbasetemp()
    sha256 = models.write(folder, given_bytes, "any.onnx")
    with suppress(NotUsable):
        assert onnx_file.read(folder / "any.onnx", sha256) == given_bytes
