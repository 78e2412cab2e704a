"""The tables [[bus.device.inference]] of a configuration. Imports neither numpy nor onnxruntime before it must."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from agent.inference.settings import InferenceConfig
from agent.toml import Table, nearest

if TYPE_CHECKING:
    from agent.inference.net import Net
    from agent.settings import ChannelConfig
    from drivers.base import Described

MOST = 16  # models of a device
MOST_CHANNELS = MOST_OUTPUTS = 32
MOST_VALUES = 65_536  # of a window: 256 KB
LONGEST_MS = 86_400_000  # as window_s
LONGEST_HOP = 1_000_000
SHA256 = re.compile("[0-9a-f]{64}")
OUTPUT = re.compile("[a-z][a-z0-9_]{0,31}")


class InferenceReader:
    """`base` is the configuration's folder. Equal models are loaded once."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self.nets: dict[InferenceConfig, Net] = {}

    def read(
        self,
        device: Table,
        model: "Described | None",
        channels: "Mapping[str, ChannelConfig]",
        period_ms: int,
        *,
        steady: bool,
    ) -> tuple[InferenceConfig, ...]:
        """`model` is the device's, None where none was looked for; no file is opened then."""
        tables = device.tables("inference")
        if len(tables) > MOST:
            tables[MOST].complain(None, f"a device has at most {MOST} of them")
            return ()
        pairs = [(table, self._one(table)) for table in tables]
        if model is not None and pairs:
            taken = {one.name for one in model.channels}
            if not device.document.is_wrong:  # filters that are none have no names
                taken |= {name for given, settings in channels.items() for name in _derived(given, settings)}
            for table, one in pairs:
                if one is not None:
                    self._check(table, one, model, channels, period_ms, taken, steady=steady)
        return tuple(one for _, one in pairs if one is not None)

    def _one(self, table: Table) -> InferenceConfig | None:
        """None where the form is wrong already."""
        before = table.document.complaints
        sha256 = table.text("sha256")
        window = table.integer("window", low=1, high=MOST_VALUES)
        one = InferenceConfig(
            file=table.text("file"),
            sha256=sha256.lower(),
            channels=_listed(table, "channels", MOST_CHANNELS),
            window=window,
            hop=table.integer("hop", window, low=1, high=LONGEST_HOP),
            outputs=_listed(table, "outputs", MOST_OUTPUTS),
        )
        if sha256 and SHA256.fullmatch(one.sha256) is None:
            table.complain("sha256", "expected the 64 hexadecimal digits that `sha256sum` prints")
        for name in one.outputs:
            if OUTPUT.fullmatch(name) is None:
                table.complain("outputs", f"{name!r} is no name: a small letter, then such letters, digits and _")
        if len(one.channels) * window > MOST_VALUES:
            table.complain("window", f"a model sees at most {MOST_VALUES} values: ticks times channels")
        table.done()
        return one if table.document.complaints == before else None

    def _check(
        self,
        table: Table,
        one: InferenceConfig,
        model: "Described",
        channels: "Mapping[str, ChannelConfig]",
        period_ms: int,
        taken: set[str],
        *,
        steady: bool,
    ) -> None:
        if not steady:
            table.complain(None, "a model needs samples at a steady period, and this device reports when it likes")
        known = [channel.name for channel in model.channels]
        for name in one.channels:
            if name not in known:
                table.complain("channels", f"model {model.name!r} has no channel {name!r}{nearest(name, known)}")
        periods = {(channels[name].period_ms if name in channels else None) or period_ms for name in one.channels}
        if len(periods) > 1:
            table.complain("channels", "they are not read equally often: give them one period_s")
        elif max(one.window, one.hop) * min(periods) > LONGEST_MS:
            table.complain("window", "it must not last longer than a day, and so must the hop")
        for name in (f"{one.channels[0]}.{output}" for output in one.outputs):
            if name in taken:
                table.complain("outputs", f"there would be two channels called {name}")
            taken.add(name)
        if not table.document.is_wrong and one not in self.nets:
            self._load(table, one)

    def _load(self, table: Table, one: InferenceConfig) -> None:
        from agent.inference import onnx_file
        from agent.inference.net import Net

        try:
            data = onnx_file.read(self._base / one.file, one.sha256)
            self.nets[one] = Net(data, one.window, len(one.channels), len(one.outputs))
        except onnx_file.NotUsable as error:
            table.complain("file", str(error))


def _listed(table: Table, key: str, most: int) -> tuple[str, ...]:
    names = table.texts(key)
    if not names:
        table.complain(key if table.has(key) else None, f"{key!r} names one or more")
    elif len(names) > most:
        table.complain(key, f"at most {most}, not {len(names)}")
    elif len(set(names)) < len(names):
        table.complain(key, "has one twice")
    return names


def _derived(name: str, settings: "ChannelConfig") -> Iterator[str]:
    """What its filters make beside a channel."""
    from agent.pipeline.derived import derived
    from agent.pipeline.filters import FilterConfig

    filters = {key: value for key, value in asdict(settings).items() if key != "period_ms"}
    for one in derived(FilterConfig(**filters)):
        yield f"{name}.{one.name}"
