from protocols.at.dialects import DIALECTS
from sim_devices.modem.families import FAMILIES


def test_there_is_a_simulated_module_of_every_family_that_has_a_dialect() -> None:
    assert FAMILIES.keys() == DIALECTS.keys()
