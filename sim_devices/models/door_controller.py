"""A door with a card reader: people with cards, people without, and a lock that somebody may open from afar."""

from collections.abc import Sequence

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options
from sim_devices.physics.weather import bump, local_hour

HELD_S = 60.0
VISIT_S = 900.0


class DoorController(RegisterDevice):
    """A written `unlock` opens the lock for `unlock_time` seconds and takes itself back; so does a known card."""

    MODEL = "door_controller"
    LAYOUT = Layout(
        [
            Field("unlock", Table.COIL, 0),
            Field("door_open", Table.DISCRETE, 0),
            Field("locked", Table.DISCRETE, 1),
            Field("exit_button", Table.DISCRETE, 2),
            Field("cards_granted", Table.INPUT, 0, "u32"),
            Field("cards_denied", Table.INPUT, 2, "u16"),
            Field("supply_voltage", Table.INPUT, 3, "u16", 0.01),
            Field("reader_temperature", Table.INPUT, 4, "i16", 0.1, sentinel=0x8000),
            Field("status", Table.INPUT, 5, "u16"),
            Field("unlock_time", Table.HOLDING, 0, "u16", limits=(1, 60)),
        ],
        writable=("unlock", "unlock_time"),
    )
    KEPT = ("unlock_time", "granted", "denied", "reader_fault_s")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.unlock = False
        self.unlock_time = 5
        self.granted = int(rng.integers(200, 40_000))
        self.denied = int(rng.integers(65_400, 65_536))
        self.reader_fault_s = 0.0
        self.load_w = 6.0
        self._unlocked_s = 0.0
        self._open_s = 0.0  # how long it still stays open
        self._stood_s = 0.0  # how long it has been open
        self._forced = False

    def write(self, table: Table, address: int, raws: Sequence[int]) -> None:
        super().write(table, address, raws)
        if table is Table.COIL:
            self._unlocked_s = float(self.unlock_time) if self.unlock else 0.0

    def step(self, now: Moment) -> None:
        was_open = self._open_s > 0.0
        self._unlocked_s = max(0.0, self._unlocked_s - now.dt)
        self._open_s = max(0.0, self._open_s - now.dt)
        self.reader_fault_s = max(0.0, self.reader_fault_s - now.dt)
        wear = max(self.options.wear, 1e-3)
        if self.happens(150_000.0 / wear, now.dt):
            self.reader_fault_s = float(self.rng.uniform(60.0, 900.0))
        leaving = self._visit(now, was_open)
        self.unlock = self._unlocked_s > 0.0
        is_open = self._open_s > 0.0
        self._stood_s = self._stood_s + now.dt if is_open else 0.0
        self._forced = self._forced and is_open
        if self.compartment is not None and is_open != was_open:
            self.compartment.open_doors = max(0, self.compartment.open_doors + (1 if is_open else -1))
        faulty = self.reader_fault_s > 0.0
        warmth = now.sky.temperature if self.compartment is None else self.compartment.temperature
        self.values = {
            "unlock": self.unlock,
            "door_open": is_open,
            "locked": not self.unlock and not is_open,
            "exit_button": leaving,
            "cards_granted": self.granted % 2**32,
            "cards_denied": self.denied % 65_536,
            "supply_voltage": self.noisy(12.3 - (0.4 if self.unlock else 0.0), 0.01),
            "reader_temperature": None if faulty else self.noisy(warmth + 4.0, 0.1),
            "status": word(self._forced, self._stood_s > HELD_S, faulty, self._forced),
            "unlock_time": self.unlock_time,
        }

    def _visit(self, now: Moment, was_open: bool) -> bool:
        """Someone comes by card, leaves by the button, or breaks in. Returns whether the button is pressed."""
        busy = 0.02 + bump(local_hour(now.seconds), 13.0, 5.0)
        if self._unlocked_s and not was_open:
            self._open_s = float(self.rng.uniform(3.0, 40.0))
        if was_open or not self.happens(VISIT_S / busy, now.dt):
            return False
        leaving = bool(self.rng.random() < 0.4)
        if not leaving:
            if self.reader_fault_s:
                return False
            if self.rng.random() < 0.12:
                self.denied += 1
                # At night somebody who has no card may try it with a lever.
                if self.rng.random() < 0.2 * (1.0 - min(1.0, busy)):
                    self._forced, self._open_s = True, float(self.rng.uniform(30.0, 300.0))
                return False
            self.granted += 1
        self._unlocked_s = float(self.unlock_time)
        self._open_s = float(self.rng.uniform(3.0, 90.0))
        return leaving
