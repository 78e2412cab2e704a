"""The numpy core: pure functions and streaming filters over time-major (samples, channels) blocks.

Every filter gives the same answer however its stream is cut into blocks. None of them knows a missing value: Hold
comes first, and hands on finite numbers only (docs/filters.md).
"""

from agent.dsp.biquad import Cascade
from agent.dsp.deadband import DeadBand
from agent.dsp.decimate import kept_ticks
from agent.dsp.design import Pass, Section, butterworth
from agent.dsp.hold import Held, Hold
from agent.dsp.median import Median5
from agent.dsp.window import Window, Windows

__all__ = [
    "Cascade",
    "DeadBand",
    "Held",
    "Hold",
    "Median5",
    "Pass",
    "Section",
    "Window",
    "Windows",
    "butterworth",
    "kept_ticks",
]
