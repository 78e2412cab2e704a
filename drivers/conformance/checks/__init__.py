"""The checks, by the name that a test report shows."""

from drivers.conformance.checks import connection, frames, meaning, timing
from drivers.conformance.checks.check import Check

CHECKS: tuple[Check, ...] = (*meaning.CHECKS, *frames.CHECKS, *timing.CHECKS, *connection.CHECKS)
