from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.drivers.nbiot.field import Field, modem_field


class MakeField(Protocol):
    """`async with modem("bc95") as field`, with the options of modem_field."""

    def __call__(self, family: str, **options: Any) -> AbstractAsyncContextManager[Field]: ...


@pytest.fixture
def modem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeField:
    monkeypatch.setattr("drivers.nbiot.channel.QUIET_S", 0.04)
    return partial(modem_field, tmp_path)
