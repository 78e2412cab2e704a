"""Loops in two lanes: how many vehicles pass, how fast, how much of the time one is there."""

import numpy as np

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Field, Layout, Table, word
from sim_devices.models.base import Moment, Options
from sim_devices.physics.traffic import CAPACITY_H, Traffic

LANES = (1, 2)
AVERAGE_S = 60.0
LORRIES = 0.09
CAR_M, LORRY_M, LOOP_M = 4.6, 10.5, 2.0
FREE, DENSE, CONGESTED = range(3)


class VehicleDetector(RegisterDevice):
    """Lane 1 has its peak in the morning, lane 2 in the evening. A loop that breaks counts nothing for a while."""

    MODEL = "vehicle_detector"
    LAYOUT = Layout([
        *(
            field
            for base, lane in ((0, "lane_1"), (10, "lane_2"))
            for field in (
                Field(f"{lane}_cars", Table.INPUT, base, "u32", order="BADC"),
                Field(f"{lane}_lorries", Table.INPUT, base + 2, "u16"),
                Field(f"{lane}_speed", Table.INPUT, base + 3, "u16", 0.1, sentinel=0xFFFF),
                Field(f"{lane}_occupancy", Table.INPUT, base + 4, "u16", 0.1, sentinel=0xFFFF),
                Field(f"{lane}_flow", Table.INPUT, base + 5, "u16", sentinel=0xFFFF),
            )
        ),
        Field("status", Table.INPUT, 20, "u16"),
    ])  # fmt: skip
    KEPT = ("cars", "lorries", "broken_s")

    def __init__(self, code: str, options: Options, rng: np.random.Generator) -> None:
        super().__init__(code, options, rng)
        self.cars = [int(each) for each in rng.integers(100_000, 4_000_000, 2)]
        self.lorries = [int(each) for each in rng.integers(60_000, 65_536, 2)]
        self.broken_s = [0.0, 0.0]
        self.load_w = 8.0
        seed = int(rng.integers(2**31))
        self._lanes = [Traffic(seed, f"lane-{lane}", inbound=lane == 1) for lane in LANES]
        self._flow: list[float | None] = [None, None]  # the last minute's, an hour
        self._wrong_way_s = 0.0

    def step(self, now: Moment) -> None:
        self._wrong_way_s = max(0.0, self._wrong_way_s - now.dt)
        if self.happens(40_000.0, now.dt):
            self._wrong_way_s = float(self.rng.uniform(5.0, 20.0))  # a delivery rider, mostly
        for lane, traffic in enumerate(self._lanes):
            self._pass(now, lane, traffic)
        broken = [each > 0.0 for each in self.broken_s]
        dense = max(flow or 0.0 for flow in self._flow) / CAPACITY_H
        congestion = CONGESTED if dense > 0.95 else DENSE if dense > 0.7 else FREE
        self.values["status"] = word(*broken) | congestion << 4 | (self._wrong_way_s > 0.0) << 6

    def _pass(self, now: Moment, lane: int, traffic: Traffic) -> None:
        self.broken_s[lane] = max(0.0, self.broken_s[lane] - now.dt)
        if self.happens(200_000.0 / max(self.options.wear, 1e-3), now.dt):
            self.broken_s[lane] = float(self.rng.uniform(60.0, 900.0))
        flow = traffic.flow(now.seconds)
        name = f"lane_{lane + 1}"
        broken = self.broken_s[lane] > 0.0
        if not broken:
            passed = int(self.rng.poisson(flow * now.dt / 3600.0))
            large = int(self.rng.binomial(passed, LORRIES))
            self.cars[lane] += passed - large
            self.lorries[lane] += large
            seen = flow if self._flow[lane] is None else passed * 3600.0 / now.dt if now.dt else flow
            last = self._flow[lane]
            self._flow[lane] = seen if last is None else last + (seen - last) * min(1.0, now.dt / AVERAGE_S)
        counted = self._flow[lane] or 0.0
        speed = max(4.0, self.noisy(traffic.speed(flow, now.sky.rain), 0.6))
        length = (1.0 - LORRIES) * CAR_M + LORRIES * LORRY_M + LOOP_M
        self.values |= {
            f"{name}_cars": self.cars[lane] % 2**32,
            f"{name}_lorries": self.lorries[lane] % 65_536,
            f"{name}_speed": None if broken or counted < 10.0 else speed,
            f"{name}_occupancy": None if broken else min(100.0, 100.0 * counted * length / (1000.0 * speed)),
            f"{name}_flow": None if broken else counted,
        }
