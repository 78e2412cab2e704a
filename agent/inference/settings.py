"""A model beside a device's filters, as the configuration has it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InferenceConfig:
    """`file` is as written, relative to the configuration's folder; `sha256` is what makes it this model and no other.
    `window` and `hop` are in ticks of `channels`; `outputs` name what it says, beneath the first of them."""

    file: str
    sha256: str
    channels: tuple[str, ...]
    window: int
    hop: int
    outputs: tuple[str, ...]
