"""An outsider's driver as drivers.catalog lists its own: a drivers.base.Family, with nothing of the driver imported."""

from collections.abc import Mapping
from pathlib import Path

from drivers.base import LineConfig, Unit
from drivers.outside.installed import Installed
from drivers.outside.interview import Interview, NoAnswer
from drivers.outside.line import OutsideLine
from drivers.outside.told import LONGEST_TEXT, OutsideModel, read_about, read_model
from drivers.outside.watch import Watch
from protocols.edge.cbor import is_text


class OutsideFamily:
    """Raises ValueError if the driver cannot be loaded. Questions are asked of one child, until close(); lines have
    children of their own."""

    def __init__(self, driver: Installed, memory_bytes: int) -> None:
        self._interview = Interview(driver, memory_bytes)
        self._models: dict[str, OutsideModel] = {}
        try:
            self.serial, files = read_about(self._interview.about)
        except BaseException:
            self.close()
            raise
        self.watch = Watch(driver, memory_bytes, files)

    def unit(self, given: Unit) -> Unit:
        unit = self._interview.ask("unit", given)
        if type(unit) is not int and not (is_text(unit, LONGEST_TEXT) and unit.isprintable()):
            raise NoAnswer(f"{self.watch.driver} calls a device {unit!r:.100}: units are whole numbers or short texts")
        return unit

    def options(self, given: Mapping[str, object], base: Path) -> Mapping[str, object]:
        """For create_line(): what the driver makes of them stays in its child."""
        self._interview.ask("options", dict(given), str(base))
        return {"given": dict(given), "base": str(base)}

    def load_model(self, source: str) -> OutsideModel:
        if source not in self._models:
            self._models[source] = read_model(self._interview.ask("model", source), source)
        return self._models[source]

    def create_line(self, config: LineConfig) -> OutsideLine:
        return OutsideLine(self.watch, config, self._models)

    def close(self) -> None:
        """Nothing more is asked."""
        self._interview.close()
