from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.ingest.samples import to_double


@given(st.integers(-(2**53), 2**53), st.integers(-18, 3))
def test_a_decimal_becomes_the_double_nearest_to_it(mantissa: int, scale: int) -> None:
    exact = Decimal(mantissa).scaleb(scale)
    if scale <= 0 or abs(exact) <= 2**53:
        assert to_double(np.array([mantissa]), np.array([scale]))[0] == float(exact)


def test_the_counter_that_f32_would_round_is_kept() -> None:
    assert to_double(np.array([55_667_701]), np.array([-2]))[0] == 556677.01
