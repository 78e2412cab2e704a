"""The published answers of frames.toml, and pyMeterBus to compare with."""

import importlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from protocols.mbus.decoder import FrameDecoder
from protocols.mbus.frame import LongFrame
from protocols.mbus.telegram import Telegram, parse_telegram

with (Path(__file__).parent / "frames.toml").open("rb") as file:
    FRAMES = tomllib.load(file)


def published(name: str) -> bytes:
    return bytes.fromhex(FRAMES["pymeterbus"].get(name) or FRAMES["own"][name])


def long_frame(raw: bytes) -> LongFrame:
    decoder = FrameDecoder()
    decoder.receive_data(raw)
    frame = decoder.next_frame()
    assert isinstance(frame, LongFrame)
    return frame


def telegram(raw: bytes) -> Telegram:
    parsed = parse_telegram(long_frame(raw))
    assert isinstance(parsed, Telegram)
    return parsed


@pytest.fixture(scope="session")
def meterbus() -> Any:
    """pyMeterBus (BSD), from the dev extra; it has no types."""
    return importlib.import_module("meterbus")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "published_name" in metafunc.fixturenames:
        metafunc.parametrize("published_name", FRAMES["pymeterbus"])
