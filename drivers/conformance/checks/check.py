"""What a check is."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from drivers.conformance import trial
from drivers.conformance.subject import DriverUnderTest


class Check(NamedTuple):
    """`promise` is what holds of a driver that passes."""

    name: str
    promise: str
    body: Callable[[DriverUnderTest], Awaitable[None]]

    def __call__(self, subject: DriverUnderTest) -> None:
        """Raises NotConforming, or NotApplicable. Not to be called where an event loop runs already."""
        trial.run(self.body, subject)
