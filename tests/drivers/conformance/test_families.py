"""Our own families under the checks for outsiders' drivers, on ptys and over TCP, against our simulators."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from drivers.base import Number, Unit
from drivers.catalog import BUILTIN
from drivers.conformance import DriverUnderTest, Golden, Later
from drivers.conformance.plugin import ConformanceCheck, conformance_check
from sim_devices.kit.peer import Simulated, standing_still
from sim_devices.lines import BUILTIN as PROTOCOLS
from sim_devices.models.base import Value
from sim_devices.models.catalog import BUILTIN as MODELS

__all__ = ["conformance_check"]  # the plugin's fixture, whether or not hutong is installed with its entry points

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Case:
    """`values` are the simulator's, `later` what changes; `expect` and `then` what must arrive."""

    family: str
    protocol: str
    kind: str
    model: str
    unit: Unit
    values: Mapping[str, Value]
    expect: Mapping[str, Number | None]
    later: Mapping[str, Value]
    then: Mapping[str, Number | None]
    checksum: bool = True

    def subject(self) -> DriverUnderTest:
        family = BUILTIN[self.family]
        return DriverUnderTest(
            family=family,
            model=family.load_model(self.model),
            unit=family.unit(self.unit),
            device=self._device(self.values),
            expect=self.expect,
            later=Later(self._device({**self.values, **self.later}), {**self.expect, **self.then}),
            checksum=self.checksum,
        )

    def _device(self, values: Mapping[str, Value]) -> Simulated:
        return Simulated(PROTOCOLS[self.protocol], self.kind, {self.unit: standing_still(MODELS[self.model], values)})


METER = Case(
    "modbus-tcp", "modbus", "tcp", "meter_1p", 3,
    {"voltage": 231.4, "current": 1.234, "power": 271.3, "power_factor": 0.95, "frequency": 50.02,
     "energy": 55_667_701, "poll_count": 7},
    {"voltage": 2314, "current": 1234, "power": 2713, "power_factor": 950, "frequency": 5002, "energy": 55_667_701},
    {"voltage": 229.8, "energy": 55_667_702},
    {"voltage": 2298, "energy": 55_667_702},
    checksum=False,
)  # fmt: skip
DATA_METER = Case(
    "dlt645", "dlt645", "serial-over-tcp", "dlt645_meter_1p", "000000000161",
    {"energy": 55_667_701, "energy_reverse": 0, "voltage": 231.4, "current": None, "power": 1.2345,
     "power_factor": 0.95, "frequency": 50.02},
    {"energy": 55_667_701, "energy_reverse": 0, "voltage": 2314, "current": None, "power": 12345, "frequency": 5002},
    {"energy": 55_667_702, "voltage": 229.8},
    {"energy": 55_667_702, "voltage": 2298},
)  # fmt: skip
WATER = Case(
    "cjt188", "cjt188", "serial-over-tcp", "water_meter", "78330011223344",
    {"total": 55_667_701, "settlement": 55_000_000, "valve": 0, "battery": 1},
    {"total": 55_667_701, "settlement": 55_000_000, "valve": 0, "battery": 1},
    {"total": 55_667_702},
    {"total": 55_667_702},
)  # fmt: skip
MBUS = Case(
    "mbus", "mbus", "serial-over-tcp", "mbus_water_meter", 5,
    {"volume": 55_667_701, "target": 55_000_000, "flow": 1.234, "temperature": None, "fault": 0, "battery": 0},
    {"volume": 55_667_701, "target": 55_000_000, "flow": 1234, "temperature": None, "fault": 0},
    {"volume": 55_667_702},
    {"volume": 55_667_702},
)  # fmt: skip
CASES = [
    METER,
    replace(METER, family="modbus-rtu", kind="rtu-over-tcp", checksum=True),
    replace(METER, family="modbus-rtu-over-tcp", kind="rtu-over-tcp", checksum=True),
    *(
        replace(case, family=f"{case.family}{suffix}")
        for case in (DATA_METER, WATER, MBUS)
        for suffix in ("", "-over-tcp")
    ),
]
# CR alone: with LF behind it the answer would be whole without its last byte.
PROMPTED = Golden({b"?01\r": b"01=3.482m,15.2C\r"}, elsewhere={b"?01\r": b"02=3.482m,15.2C\r"})


@pytest.mark.parametrize("case", CASES, ids=[case.family for case in CASES])
def test_a_family_conforms(case: Case, conformance_check: ConformanceCheck) -> None:
    conformance_check(case.subject())


@pytest.mark.parametrize("name", ["lines", "lines-over-tcp"])
def test_a_family_of_lines_conforms_as_far_as_text_without_a_check_can(
    name: str,
    conformance_check: ConformanceCheck,
) -> None:
    family = BUILTIN[name]
    model = family.load_model("distance_gauge")
    expect = {"distance": 3482, "temperature": 152}
    conformance_check(DriverUnderTest(family, model, "01", PROMPTED, expect, checksum=False))


def test_every_family_with_frames_of_its_own_is_among_them() -> None:
    told = {case.family for case in CASES} | {"lines", "lines-over-tcp"}
    # A modem is a gateway's own uplink and takes what sensors send: it has no unit, and no answer to ask for twice.
    assert set(BUILTIN) - told == {"nbiot"}
