import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import config, site
from agent.configuration.diff import compare
from agent.configuration.versions import content_of
from agent.settings import Config
from agent.toml import ConfigError
from drivers import catalog
from protocols.edge.birth import Kind, decode_description
from tests.agent.inference import models

Write = Callable[..., Path]
TABLE = """
[[bus.device.inference]]
file = "model.onnx"
sha256 = "{sha256}"
channels = ["voltage", "current"]
window = 4
hop = 2
outputs = ["anomaly"]
"""


@pytest.fixture
def write(write_config: Write, tmp_path: Path) -> Write:
    """A configuration whose second meter has a model; `changes` are of its table."""
    sha256 = models.write(tmp_path, models.mean((1, 4, 2)))

    def written(*changes: tuple[str, str], more: str = "") -> Path:
        text = TABLE.format(sha256=sha256)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return write_config(more=more + text)

    return written


def load(path: Path) -> Config:
    return config.load(path, {}, catalog.BUILTIN)


def test_a_model_is_read_and_its_outputs_are_channels_of_the_birth(write: Write) -> None:
    loaded = load(write())
    first, second = loaded.buses[0].devices
    (one,) = second.inferences
    assert first.inferences == ()
    assert (one.channels, one.window, one.hop, one.outputs) == (("voltage", "current"), 4, 2, ("anomaly",))
    assert list(loaded.nets) == [one]
    description = decode_description(site.build(loaded).description)
    (made,) = (channel for channel in description.channels if channel.name == "voltage.anomaly")
    assert (made.device, made.kind, made.unit, made.period_ms) == (1, Kind.GAUGE, "", 200)
    assert made.limits is None
    assert not made.writable


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("model.onnx", "none.onnx", "file: there is no file "),
        ('sha256 = "', 'sha256 = "0', "sha256: expected the 64 hexadecimal digits that `sha256sum` prints"),
        ('"current"]', '"curent"]', "channels: model 'meter_1p' has no channel 'curent'; did you mean 'current'?"),
        ('"current"]', '"voltage"]', "channels: has one twice"),
        ('["voltage", "current"]', "[]", "channels: 'channels' names one or more"),
        ("window = 4", "window = 5", "file: its input is 1 x 4 x 2, and 5 ticks of 2 channels are "),
        ("window = 4", "window = 40000", "window: a model sees at most 65536 values: ticks times channels"),
        ("hop = 2", "hop = 0", "hop: 0 is not between 1 and "),
        ("hop = 2", "hop = 1000000", "window: it must not last longer than a day, and so must the hop"),
        ("hop = 2", "hopp = 2", "hopp: there is no such key here; did you mean 'hop'?"),
        ('["anomaly"]', '["a", "b"]', "file: it gives 1 numbers, and outputs names 2"),
        ('["anomaly"]', '["No"]', "outputs: 'No' is no name: "),
    ],
)
def test_what_is_wrong_is_told_at_its_line_and_key(write: Write, old: str, new: str, said: str) -> None:
    path = write((old, new))
    with pytest.raises(ConfigError) as caught:
        load(path)
    (problem,) = caught.value.problems
    key = said.partition(":")[0]
    lines = path.read_text().splitlines()
    line = next(at for at, text in enumerate(lines, 1) if text.startswith(f"{key} ="))
    assert problem.startswith(f"{path}:{line}: bus[0].device[1].inference[0].{said}")


def test_another_file_under_the_name_is_refused(write: Write, tmp_path: Path) -> None:
    path = write()
    models.write(tmp_path, models.mean((1, 4, "channels")))
    with pytest.raises(ConfigError, match="is not the file of that digest"):
        load(path)


def test_a_name_that_a_filter_has_taken_is_refused(write: Write) -> None:
    path = write(('"anomaly"', '"mean"'), more="[bus.device.channel.voltage]\nwindow_s = 1.0\n")
    with pytest.raises(ConfigError, match=r"outputs: there would be two channels called voltage\.mean"):
        load(path)


def test_channels_that_are_read_at_different_times_are_no_window(write: Write) -> None:
    path = write(more="[bus.device.channel.current]\nperiod_s = 0.2\n")
    with pytest.raises(ConfigError, match=r"channels: they are not read equally often"):
        load(path)


def test_another_digest_restarts_the_device_that_uses_the_model_and_no_other(write: Write, tmp_path: Path) -> None:
    path = write()
    old = content_of(load(path))
    before = models.write(tmp_path, models.mean((1, 4, 2)))
    after = models.write(tmp_path, models.mean(("batch", 4, 2)))
    path.write_text(path.read_text().replace(before, after))
    (bus,) = compare(old, content_of(load(path))).buses
    assert [device.restarts for device in bus.devices] == [False, True]


def test_equal_models_are_loaded_once(write: Write) -> None:
    path = write()
    head, first, second = path.read_text().split("[[bus.device]]")
    table = second[second.index("[[bus.device.inference]]") :]
    path.write_text(f"{head}[[bus.device]]{first}{table}\n[[bus.device]]{second}")
    loaded = load(path)
    assert [len(device.inferences) for device in loaded.buses[0].devices] == [1, 1]
    assert len(loaded.nets) == 1


def test_onnxruntime_is_loaded_only_where_a_model_is_configured(write: Write, write_config: Write) -> None:
    code = (
        "import os, sys; from pathlib import Path; from agent import config, supervisor; from drivers import catalog\n"
    )
    code += "config.load(Path(sys.argv[1]), {}, catalog.ALL); sys.exit(10 + ('onnxruntime' in sys.modules))"
    for make, status in ((write, 11), (write_config, 10)):
        assert subprocess.run([sys.executable, "-c", code, str(make())], check=False).returncode == status
