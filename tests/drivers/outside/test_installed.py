from pathlib import Path

import pytest

from drivers.outside.installed import Installed, NotUsable, find, offers
from tests.outsider import install


def test_a_driver_is_found_by_its_distribution_s_metadata_without_importing_it(package: Path) -> None:
    (package / "driver.py").write_text("raise SystemExit")
    assert find("acme") == Installed("acme", "acme.driver:FAMILY", "acme-hutong", "1.2")
    assert str(find("acme")) == "driver acme (acme-hutong 1.2)"


def test_what_nobody_offers_and_what_two_offer_is_told_with_what_to_do(tmp_path: Path, package: Path) -> None:
    assert offers("nobody") == []
    with pytest.raises(NotUsable, match="-m pip install DISTRIBUTION"):
        find("nobody")
    install(tmp_path / "site", distribution="other", package="other")
    with pytest.raises(NotUsable, match="acme-hutong and other both offer a driver 'acme'"):
        find("acme")
