import asyncpg
import pytest

from fleet_server.ingest.faults import blames_a_message
from fleet_server.kernel.errors import Unavailable


@pytest.mark.parametrize(
    "error",
    [asyncpg.NumericValueOutOfRangeError(""), asyncpg.UniqueViolationError(""), asyncpg.ProgramLimitExceededError(""),
     OverflowError(), KeyError("alias"), AttributeError("x"), RecursionError()],
)  # fmt: skip
def test_errors_of_the_data_make_us_look_for_the_message(error: Exception) -> None:
    assert blames_a_message(error)


@pytest.mark.parametrize(
    "error",
    [asyncpg.DeadlockDetectedError(""), asyncpg.DiskFullError(""), asyncpg.UndefinedTableError(""),
     asyncpg.ReadOnlySQLTransactionError(""), asyncpg.QueryCanceledError(""), Unavailable(""), ConnectionResetError(),
     asyncpg.InterfaceError("")],
)  # fmt: skip
def test_errors_that_any_message_would_meet_blame_none(error: Exception) -> None:
    assert not blames_a_message(error)
