import pytest

from protocols.cjt188.units import CODES, NO_UNIT, UNITS


@pytest.mark.parametrize(("code", "text"), [(0x2C, "m3"), (0x05, "kWh"), (0x08, "MWh"), (0x17, "kW"), (0x35, "m3/h")])
def test_codes_that_published_frames_and_sources_show(code: int, text: str) -> None:
    assert UNITS[code] == text
    assert CODES[text] == code


def test_every_unit_has_one_code_and_none_is_taken_for_no_unit() -> None:
    assert len(CODES) == len(UNITS)
    assert NO_UNIT not in UNITS
