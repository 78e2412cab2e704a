import pytest

from drivers.base import ReportingFamily, Unit
from drivers.coap.family import COAP
from tests.drivers.coap.conftest import METER


def test_it_is_a_family_of_devices_that_report() -> None:
    assert isinstance(COAP, ReportingFamily)
    assert COAP.load_model("climate_sensor").name == "climate_sensor"


def test_a_unit_is_what_the_names_of_records_begin_with() -> None:
    assert COAP.unit(METER) == METER


@pytest.mark.parametrize("given", [1, "", "-a", "a b", "温度", "a" * 300])
def test_what_no_name_can_begin_with_is_no_unit(given: Unit) -> None:
    with pytest.raises(ValueError, match="names of its records begin with"):
        COAP.unit(given)
