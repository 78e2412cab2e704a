"""A charging post at the kerb: cars plug in, fill up, and draw on the street's feeder."""

import math

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options
from sim_devices.physics.mains import current
from sim_devices.physics.weather import bump, local_hour

AVAILABLE, CONNECTED, CHARGING, PAUSED, FAULT = range(5)
LEAST_A, MOST_A = 6, 32  # IEC 61851-1, annex A
STANDBY_W = 5.0
ARRIVE_S = 7200.0
TAPER_WH = 3000.0  # the last of it goes in ever more slowly
COUNT_DW_MS = 360_000_000  # 0.01 kWh
SESSION_DW_MS = 36_000_000  # 0.001 kWh
ROLLOVER = 100_000_000
HOT_C = 80.0


class EvCharger(RegisterDevice):
    """`energy` is exactly the sum of the `power` shown. A written `current_limit` acts at once; below 6 A it pauses."""

    MODEL = "ev_charger"
    LAYOUT = Layout(
        [
            Field("state", Table.HOLDING, 0, "u16"),
            Field("voltage", Table.HOLDING, 1, "u16", 0.1),
            Field("current", Table.HOLDING, 2, "u16", 0.01),
            Field("power", Table.HOLDING, 3, "u16"),
            Field("session_energy", Table.HOLDING, 4, "u32", 0.001, order="CDAB", sentinel=0xFFFFFFFF),
            Field("session_time", Table.HOLDING, 6, "u32", order="CDAB", sentinel=0xFFFFFFFF),
            Field("energy", Table.HOLDING, 8, "u32", order="CDAB"),
            Field("sessions", Table.HOLDING, 10, "u16"),
            Field("plug_temperature", Table.HOLDING, 11, "i16", 0.1, sentinel=0x8000),
            Field("status", Table.HOLDING, 12, "u16"),
            Field("current_limit", Table.HOLDING, 16, "u16", limits=(0, MOST_A)),
        ],
        writable=("current_limit",),
    )
    KEPT = ("current_limit", "energy_dw_ms", "sessions", "plugged", "wants_wh", "stays_s", "session_dw_ms",
            "session_ms", "plug", "fault_s")  # fmt: skip

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.current_limit = MOST_A
        self.energy_dw_ms = options.begin(int(rng.integers(50_000, 6_000_000))) * COUNT_DW_MS
        self.sessions = int(rng.integers(100, 9_000))
        self.plugged = False
        self.wants_wh = 0.0
        self.stays_s = 0.0
        self.session_dw_ms = 0
        self.session_ms = 0
        self.plug: float | None = None
        self.fault_s = 0.0
        self._power_w = 0

    def step(self, now: Moment) -> None:
        self._count(now.dt)
        self._come_and_go(now)
        self.fault_s = max(0.0, self.fault_s - now.dt)
        if self.plugged and self.happens(90_000.0 / max(self.options.wear, 1e-3), now.dt):
            self.fault_s = float(self.rng.uniform(20.0, 300.0))
        volts = self.mains.voltage(now.seconds, self.options.phase)
        state = self._state()
        amperes = 0.0
        if state == CHARGING:
            taper = max(LEAST_A / MOST_A, min(1.0, self.wants_wh / TAPER_WH))
            amperes = max(float(LEAST_A), min(self.current_limit, MOST_A * taper))
        self._power_w = round(amperes * volts * 0.99)
        self.load_w = STANDBY_W + self._power_w
        if self.plug is None:
            self.plug = now.sky.temperature
        warm = now.sky.temperature + 0.032 * amperes**2
        self.plug += (warm - self.plug) * (1.0 - math.exp(-now.dt / 600.0))
        leaking = self.fault_s > 0.0
        self.values = {
            "state": state,
            "voltage": self.noisy(volts, 0.1),
            "current": current(self._power_w, volts, 0.99),
            "power": self._power_w,
            "session_energy": self.session_dw_ms // SESSION_DW_MS / 1000.0 if self.plugged else None,
            "session_time": self.session_ms // 1000 if self.plugged else None,
            "energy": self.energy_dw_ms // COUNT_DW_MS % ROLLOVER,
            "sessions": self.sessions % 65_536,
            # The thermistor sits in the plug, and says nothing when that hangs in its holster.
            "plug_temperature": self.noisy(self.plug, 0.1) if self.plugged else None,
            "status": word(self.plugged, leaking, self.plug > HOT_C, state == CHARGING),
            "current_limit": self.current_limit,
        }

    def _state(self) -> int:
        if self.fault_s:
            return FAULT
        if not self.plugged:
            return AVAILABLE
        if self.wants_wh <= 0.0:
            return CONNECTED
        return CHARGING if self.current_limit >= LEAST_A else PAUSED

    def _count(self, dt: float) -> None:
        """What was shown held until now."""
        dw_ms = 10 * self._power_w * round(dt * 1000)
        self.energy_dw_ms += dw_ms
        if self.plugged:
            self.session_dw_ms += dw_ms
            self.session_ms += round(dt * 1000)
            self.wants_wh -= self._power_w * dt / 3600.0
            self.stays_s -= dt

    def _come_and_go(self, now: Moment) -> None:
        hour = local_hour(now.seconds)
        busy = 0.15 + bump(hour, 10.0, 3.0) + 1.3 * bump(hour, 19.5, 3.0)
        if not self.plugged and self.happens(ARRIVE_S / busy, now.dt):
            self.plugged = True
            self.sessions += 1
            self.wants_wh = float(self.rng.uniform(4_000.0, 45_000.0))
            self.stays_s = float(self.rng.uniform(1_800.0, 36_000.0))
            self.session_dw_ms = self.session_ms = 0
        elif self.plugged and self.stays_s <= 0.0:
            self.plugged = False
            self._power_w = 0
