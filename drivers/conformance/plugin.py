"""The pytest plugin. A test module says what is under test, and asks for each check:

@pytest.fixture
def driver_under_test() -> DriverUnderTest: ...

def test_conforms(driver_under_test: DriverUnderTest, conformance_check: ConformanceCheck) -> None:
    conformance_check(driver_under_test)
"""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from drivers.conformance.bench import NotApplicable
from drivers.conformance.checks import CHECKS
from drivers.conformance.subject import DriverUnderTest

ConformanceCheck: TypeAlias = Callable[[DriverUnderTest], None]


@pytest.fixture(params=CHECKS, ids=[check.name for check in CHECKS])
def conformance_check(request: pytest.FixtureRequest) -> ConformanceCheck:
    """One check after another; `pytest -k late-replies` runs that one. Skipped where it is not applicable."""
    check: ConformanceCheck = request.param

    def run(subject: DriverUnderTest) -> None:
        __tracebackhide__ = True
        try:
            check(subject)
        except NotApplicable as reason:
            pytest.skip(str(reason))

    return run
