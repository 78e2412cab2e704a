"""A fire alarm panel: one zone a compartment, smoke and dusty detectors, and two buttons to press from afar."""

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options
from sim_devices.physics.compartment import Compartment

ZONES = 8
SMOKE_DB_M, HEAT_C = 0.15, 58.0  # GB 4715's optical detectors answer between 0.1 and 0.6 dB/m; class A2 heat
ZONE_MA = 14.0
RESTART_S = 8.0


class FirePanel(RegisterDevice):
    """Watches the compartments of the devices on its circuit, by their sections' names. An alarm stays until `reset`
    is written while its cause is gone; `silence` quiets the sounders until the next one."""

    MODEL = "fire_panel"
    RANK = 2
    LAYOUT = Layout(
        [
            Field("alarm_zones", Table.INPUT, 0, "u16"),
            Field("fault_zones", Table.INPUT, 1, "u16"),
            Field("loop_current", Table.INPUT, 2, "u16", 0.1, sentinel=0xFFFF),
            Field("battery", Table.INPUT, 3, "u16", 0.01),
            Field("alarms", Table.INPUT, 4, "u16"),
            Field("events", Table.INPUT, 5, "u32", order="CDAB"),
            Field("status", Table.INPUT, 7, "u16"),
            Field("silence", Table.COIL, 0),
            Field("reset", Table.COIL, 1),
        ],
        writable=("silence", "reset"),
    )
    KEPT = ("alarm_zones", "fault_s", "alarms", "events", "silenced")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.silence = self.reset = False
        self.silenced = False
        self.alarm_zones = 0
        self.fault_s = [0.0] * ZONES
        self.alarms = int(rng.integers(0, 60))
        self.events = int(rng.integers(1_000, 40_000))
        self.load_w = 25.0
        self._dusty_s = [0.0] * ZONES
        self._restart_s = 0.0

    def step(self, now: Moment) -> None:
        zones = self._compartments()
        self._restart_s = max(0.0, self._restart_s - now.dt)
        if self.silence:
            self.silenced, self.silence = True, False
            self.events += 1
        if self.reset:
            self.alarm_zones, self.reset, self.silenced = 0, False, False
            self._restart_s = RESTART_S
            self.events += 1
        self._wear(len(zones), now.dt)
        burning = 0
        for zone, air in enumerate(zones):
            hot = air.smoke > SMOKE_DB_M or air.temperature > HEAT_C or self._dusty_s[zone] > 0.0
            burning |= (hot and not self.fault_s[zone]) << zone
        fresh = 0 if self._restart_s else burning & ~self.alarm_zones
        if fresh:
            self.alarm_zones |= fresh
            self.alarms += fresh.bit_count()
            self.events += fresh.bit_count()
            self.silenced = False
        broken = word(*(each > 0.0 for each in self.fault_s))
        zone_ma = ZONE_MA * (len(zones) - broken.bit_count()) + 22.0 * self.alarm_zones.bit_count()
        self.values = {
            "alarm_zones": self.alarm_zones,
            "fault_zones": broken,
            "loop_current": None if self._restart_s else max(0.0, self.noisy(zone_ma, 0.3)),
            "battery": self.noisy(27.3, 0.01),
            "alarms": self.alarms % 65_536,
            "events": self.events % 2**32,
            "status": word(self.alarm_zones != 0, broken != 0, self.silenced, False),
            "silence": self.silence,
            "reset": self.reset,
        }

    def _compartments(self) -> list[Compartment]:
        found = {each.options.section: each.compartment for each in (self, *self.loads) if each.compartment is not None}
        return [found[section] for section in sorted(found)][:ZONES]

    def _wear(self, zones: int, dt: float) -> None:
        """Loops break and are mended; dust sets a detector off."""
        wear = max(self.options.wear, 1e-3)
        for zone in range(zones):
            was = self.fault_s[zone] > 0.0
            self.fault_s[zone] = max(0.0, self.fault_s[zone] - dt)
            self._dusty_s[zone] = max(0.0, self._dusty_s[zone] - dt)
            if self.happens(200_000.0 / wear, dt):
                self.fault_s[zone] = float(self.rng.uniform(60.0, 1800.0))
            elif self.happens(300_000.0 / wear, dt):
                self._dusty_s[zone] = float(self.rng.uniform(20.0, 120.0))
            self.events += (self.fault_s[zone] > 0.0) != was
