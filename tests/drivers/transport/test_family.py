from collections.abc import Mapping

import pytest

from drivers.catalog import BUILTIN
from drivers.transport.family import StreamFamily, no_options, whole_unit


@pytest.mark.parametrize("given", [0, 248, -1, "1", 1.0])
def test_a_unit_out_of_range_or_of_another_kind_is_refused_with_the_range(given: int) -> None:
    with pytest.raises(ValueError, match="is not between 1 and 247"):
        whole_unit(given, 1, 247)


@pytest.mark.parametrize("given", [{"pattern": "x"}, {"a": 1, "b": 2}])
def test_a_family_without_options_names_the_one_that_is_not_known(given: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(given))} is not known"):
        no_options(given)


def test_a_family_behind_a_terminal_server_has_no_serial_settings_to_make() -> None:
    near, far = BUILTIN["modbus-rtu"], BUILTIN["modbus-rtu-over-tcp"]
    assert isinstance(near, StreamFamily)
    assert near.serial == near.settings
    assert far.serial is None
