import builtins
import threading
from typing import Any

import numpy as np
import pytest

from agent.inference.net import Failed, Net
from agent.inference.onnx_file import NotUsable
from tests.agent.inference import models

WINDOW = np.arange(8, dtype=np.float32).reshape(4, 2)


def refused(data: bytes, *form: int) -> str:
    with pytest.raises(NotUsable) as caught:
        Net(data, *form)
    return str(caught.value)


@pytest.mark.parametrize("shape", [(1, 4, 2), ("batch", "time", 2), (1, 2, 4), ("batch", 8)])
@pytest.mark.parametrize("kind", [models.FLOAT, 11])
def test_a_window_goes_in_as_the_model_declares_its_input(shape: tuple[int | str, ...], kind: int) -> None:
    assert Net(models.mean(shape, kind), 4, 2, 1).run(WINDOW).tolist() == [3.5]


def test_time_comes_first_and_channels_stand_beside_each_other() -> None:
    assert Net(models.first_and_last(4, 2), 4, 2, 2).run(WINDOW).tolist() == [0, 7]


def test_what_is_no_model_or_not_one_of_that_form_is_refused_with_what_it_is() -> None:
    assert refused(b"abc", 4, 2, 1).startswith("onnxruntime refuses it: ")
    assert refused(models.mean((1, 5, 2)), 4, 2, 1) == (
        "its input is 1 x 5 x 2, and 4 ticks of 2 channels are 1 x 4 x 2, 1 x 2 x 4 or 1 x 8"
    )
    assert refused(models.mean((1, 4, 2)), 4, 2, 3) == "it gives 1 numbers, and outputs names 3"
    assert refused(models.mean((1, 4, 2), models.INT64), 4, 2, 1) == (
        "its input is a tensor(int64): wanted is tensor(float) or tensor(double)"
    )


def test_a_model_with_operators_of_its_own_is_refused() -> None:
    body = models.graph(
        [models.node("Phone", ["x"], ["y"])],
        [models.value("x", models.FLOAT, (1, 4, 1))],
        [models.value("y", models.FLOAT, (1, 1))],
    )
    assert "Phone" in refused(models.model(body), 4, 1, 1)


def test_a_pass_without_an_end_is_broken_off_and_the_next_one_runs() -> None:
    net = Net(models.endless(4), 4, 1, 1)
    above = np.ones((4, 1), np.float32)
    timer = threading.Timer(0.05, net.stop)
    timer.start()
    with pytest.raises(Failed, match="terminate"):
        net.run(above)
    timer.join()
    net.stop(False)
    assert net.run(-above).tolist() == [-1]


def test_without_onnxruntime_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "onnxruntime":
            raise ImportError("No module named 'onnxruntime'")
        return usual(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert refused(models.mean((1, 4, 2)), 4, 2, 1) == (
        "models need onnxruntime (No module named 'onnxruntime'); run: pip install 'hutong[inference]'"
    )
