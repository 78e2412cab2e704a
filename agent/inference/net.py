"""A model that onnxruntime runs: one thread, no arena that grows, no operators from libraries.

onnxruntime is imported here, and only where a model is configured: it takes 35 MB.
"""

import re
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from agent.inference.onnx_file import NotUsable

Window: TypeAlias = npt.NDArray[np.float32]  # (ticks, channels)
Row: TypeAlias = npt.NDArray[np.float32]

INSTALL = "pip install 'hutong[inference]'"
INPUTS = {"tensor(float)": np.float32, "tensor(double)": np.float64}
OUTPUTS = ("float", "double", "int64", "int32", "bool")
_QUIET = 4  # severity of its own log: fatal. What goes wrong is an exception, and told by us


class Net:
    """`run()` in one thread at a time; `stop()` from any other."""

    def __init__(self, data: bytes, window: int, channels: int, outputs: int) -> None:
        """Raises NotUsable: no such model, or not one of that form. It is run once, on zeros, to be sure."""
        self._ort = _runtime()
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = self._ort.ExecutionMode.ORT_SEQUENTIAL
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        options.log_severity_level = _QUIET
        try:
            self._session = self._ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # it has a class of its own for each cause, without a common one
            raise NotUsable(f"onnxruntime refuses it: {_words(error)}") from None
        self._name, self._dtype, self._shape, self._turned = self._input(window, channels)
        for one in self._session.get_outputs():
            if one.type not in [f"tensor({kind})" for kind in OUTPUTS]:
                raise NotUsable(f"its output {one.name!r} is a {one.type}: wanted are tensors of numbers")
        self._options: Any = None
        self._stopped = False
        try:
            row = self.run(np.zeros((window, channels), np.float32))
        except Failed as error:
            raise NotUsable(f"it does not run: {error}") from None
        if len(row) != outputs:
            raise NotUsable(f"it gives {len(row)} numbers, and outputs names {outputs}")

    def run(self, window: Window) -> Row:
        """All its outputs, one after another. Raises Failed."""
        fed = np.ascontiguousarray((window.T if self._turned else window).reshape(self._shape), self._dtype)
        self._options = self._ort.RunOptions()
        self._options.terminate = self._stopped
        try:
            given = self._session.run(None, {self._name: fed}, self._options)
        except Exception as error:  # as above
            raise Failed(_words(error)) from None
        with np.errstate(over="ignore", invalid="ignore"):
            return np.concatenate([np.asarray(one).ravel().astype(np.float32) for one in given])

    def stop(self, stopped: bool = True) -> None:
        """What runs ends before its next operator, and so does all that is begun until stop(False)."""
        self._stopped = stopped
        if stopped and self._options is not None:
            self._options.terminate = True

    def _input(self, window: int, channels: int) -> tuple[str, Any, tuple[int, ...], bool]:
        """Its name, type and shape, and whether channels come before ticks there."""
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise NotUsable(f"it has {len(inputs)} inputs: wanted is one")
        one = inputs[0]
        if one.type not in INPUTS:
            raise NotUsable(f"its input is a {one.type}: wanted is {' or '.join(INPUTS)}")
        forms = [((1, window, channels), False), ((1, channels, window), True), ((1, window * channels), False)]
        for shape, turned in forms:
            if len(one.shape) == len(shape) and all(
                not isinstance(has, int) or has == size for has, size in zip(one.shape, shape, strict=True)
            ):
                return one.name, INPUTS[one.type], shape, turned
        shown = " x ".join(str(size) if isinstance(size, int) else "?" for size in one.shape)
        raise NotUsable(
            f"its input is {shown or 'one number'}, and {window} ticks of {channels} channels are"
            f" 1 x {window} x {channels}, 1 x {channels} x {window} or 1 x {prod((window, channels))}"
        )


class Failed(Exception):
    """A pass that gave nothing; why."""


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise NotUsable(f"models need onnxruntime ({error}); run: {INSTALL}") from None
    return onnxruntime


def _words(error: Exception) -> str:
    """One line of what onnxruntime says, without its own places in front."""
    line = " ".join(str(error).split())
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", line)[:200]
