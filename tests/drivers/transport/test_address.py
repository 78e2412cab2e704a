import pytest

from drivers.transport.address import split_address


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("meter.lan:1502", ("meter.lan", 1502)),
        ("10.0.0.7", ("10.0.0.7", 502)),
        ("[fd00::7]:1502", ("fd00::7", 1502)),
        ("[fd00::7]", ("fd00::7", 502)),
    ],
)
def test_an_address_has_a_host_and_perhaps_a_port(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address, 502) == parts


@pytest.mark.parametrize("address", ["", ":502", "host:", "host:0", "host:65536", "host:x", "[fd00::7", "[fd00::7]x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    if address == "host:":
        assert split_address(address, 502) == ("host", 502)
        return
    with pytest.raises(ValueError, match="is not"):
        split_address(address, 502)
