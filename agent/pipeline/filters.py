"""What a channel's filters are, and what is wrong with them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from agent.dsp import Median5
from agent.pipeline.derived import derived
from agent.settings import USUAL_STATISTICS, Band, FilterSettings
from drivers.base import Channel
from protocols.edge.birth import Kind

DESPIKERS = ("median", "hampel")
STATISTICS = (*USUAL_STATISTICS, "rms", "peak", "peak_to_peak", "crest", "kurtosis")
MAX_ORDER = 8
MAX_NAME = 64  # docs/protocols/edge.md: a channel's name in a birth
MAX_TAPS = 1001
TAPS_PER_KEPT = 16  # of the anti-alias filter: flat to 0.3 of the new rate, -53 dB from half of it
MAX_ANTIALIAS = 250  # more taps than 4001 are no filter for a gateway: decimate what was decimated
LONGEST_SPECTRUM = 1 << 20  # samples to a window with tones or bands: sums over more lose what they are for


@dataclass(frozen=True)
class FilterConfig(FilterSettings):
    """The settings, and what follows from them."""

    @property
    def despiker(self) -> str | None:
        return "median" if self.despike is True else self.despike or None

    @property
    def smooths(self) -> bool:
        """Whether values are computed, and so leave as f32, instead of being passed on as they were read."""
        return bool(
            self.despike
            or self.notch_hz
            or self.antialias
            or any(hz is not None for hz in (self.fir_hz, *(corners for _, corners in self.recursive())))
        )

    @property
    def despike_ticks(self) -> int:
        """How many ticks behind its own time a value leaves the despiker."""
        if self.despiker != "hampel":
            return Median5.DELAY if self.despiker else 0
        from agent.dsp.hampel import Hampel

        return Hampel.DELAY

    @property
    def fir_ticks(self) -> int:
        """How many more it is behind where a FIR filter smooths it."""
        if self.antialias:
            return TAPS_PER_KEPT * self.decimate // 2
        return 0 if self.fir_hz is None else (self.fir_taps - 1) // 2

    @property
    def watches(self) -> bool:
        return self.steepest is not None or self.stuck_s is not None

    def recursive(self) -> Iterator[tuple[str, Band | tuple[float] | None]]:
        """The Butterworth filters by key, in their order."""
        yield "highpass_hz", None if self.highpass_hz is None else (self.highpass_hz,)
        yield "bandpass_hz", self.bandpass_hz
        yield "bandstop_hz", self.bandstop_hz
        yield "lowpass_hz", None if self.lowpass_hz is None else (self.lowpass_hz,)


_DEFAULTS = FilterConfig()
_STEADY = (
    *("despike", "highpass_hz", "bandpass_hz", "bandstop_hz", "notch_hz", "lowpass_hz", "fir_hz"),
    *("antialias", "decimate", "window_s"),
)


def problems(filters: FilterConfig, channel: Channel, period_ms: int, *, steady: bool = True) -> list[str]:
    """What is wrong with these filters for this channel, in words for whoever wrote the configuration.

    `steady` is off for a device that reports when it likes. Each begins with the key it is about, where it is of one.
    """
    found = []
    if not steady:
        found += [
            f"{key} needs samples at a steady period, and this device reports when it likes; deadband does not"
            for key in _STEADY
            if getattr(filters, key) != getattr(_DEFAULTS, key)
        ]
    asks = filters != FilterConfig(unwrap=filters.unwrap, heartbeat_s=filters.heartbeat_s)
    if asks and channel.kind is not Kind.GAUGE:
        found.append(f"{channel.name} is a {channel.kind.name.lower()}: only gauges are filtered")
    if filters.unwrap and channel.kind is not Kind.COUNTER:
        found.append(f"unwrap is for counters, and {channel.name} is a {channel.kind.name.lower()}")
    elif filters.unwrap and channel.rollover is None:
        found.append(f"unwrap needs to know where {channel.name} begins again at 0, and its model does not say")
    found += [*_values(filters), *_corners(filters, 500.0 / period_ms), *_windows(filters, period_ms)]
    return found or list(_names(filters, channel))


def _values(filters: FilterConfig) -> Iterator[str]:
    if filters.steepest is not None and not 0 < filters.steepest < math.inf:
        yield "steepest must be more than 0, in the channel's unit per second"
    if filters.stuck_s is not None and not filters.stuck_s > 0:
        yield "stuck_s must be more than 0"
    if filters.decimate < 1:
        yield "decimate must be 1 (keep all) or more"
    if filters.deadband is not None and not (filters.deadband >= 0 and math.isfinite(filters.deadband)):
        yield "deadband must be 0 or more, in the channel's unit"
    if not filters.heartbeat_s > 0:
        yield "heartbeat_s must be more than 0"


def _corners(filters: FilterConfig, nyquist_hz: float) -> Iterator[str]:
    asked = [(key, corners) for key, corners in filters.recursive() if corners is not None]
    asked += [("notch_hz", (hz,)) for hz in filters.notch_hz]
    if filters.fir_hz is not None:
        asked.append(("fir_hz", (filters.fir_hz,)))
    for key, corners in asked:
        if not all(0 < corner < nyquist_hz for corner in corners):
            yield f"{key} must lie between 0 and {nyquist_hz:g}, half the rate of samples"
        elif len(corners) == 2 and not corners[0] < corners[1]:
            yield f"{key} must be [lowest, highest]"
    if not filters.notch_q > 0:
        yield "notch_q must be more than 0"
    if not 1 <= filters.order <= MAX_ORDER:
        yield f"order must lie between 1 and {MAX_ORDER}"
    if filters.fir_taps % 2 == 0 or not 3 <= filters.fir_taps <= MAX_TAPS:
        yield f"fir_taps must be odd, between 3 and {MAX_TAPS}: its delay is then whole"
    if filters.antialias and filters.fir_hz is not None:
        yield "antialias is a filter like fir_hz with a corner of its own: only one of them"
    elif filters.antialias and not 1 < filters.decimate <= MAX_ANTIALIAS:
        yield f"antialias needs a decimate between 2 and {MAX_ANTIALIAS}"


def _windows(filters: FilterConfig, period_ms: int) -> Iterator[str]:
    if filters.window_s is None:
        for key in ("statistics", "tones_hz", "bands_hz"):
            if getattr(filters, key) != getattr(_DEFAULTS, key):
                yield f"{key} needs a window_s"
        return
    if not filters.window_s * 1000 >= period_ms:
        yield f"window_s must be at least the period of {period_ms / 1000:g} s"
        return
    for name in filters.statistics:
        if name not in STATISTICS:
            yield f"statistics has {name!r}, which is not known; one of {', '.join(STATISTICS)}"
    for key in ("statistics", "tones_hz", "bands_hz"):
        given = getattr(filters, key)
        if len(set(given)) != len(given):
            yield f"{key} has one twice"
    if filters.tones_hz or filters.bands_hz:
        yield from _spectra(filters, filters.window_s, period_ms)


def _names(filters: FilterConfig, channel: Channel) -> Iterator[str]:
    """Of channels beside this one; the filters are right otherwise."""
    names = [f"{channel.name}.{one.name}" for one in derived(filters)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"window_s would make two channels called {name}"
    for name in names:
        if len(name) > MAX_NAME:
            yield f"window_s would make a channel {name}, and a name has at most {MAX_NAME} characters"


def _spectra(filters: FilterConfig, window_s: float, period_ms: int) -> Iterator[str]:
    from agent.dsp.bands import SEGMENTS, SHORTEST, segment_length

    samples, rest = divmod(round(window_s * 1000), period_ms)
    rate_hz = 1000 / period_ms
    if rest or samples > LONGEST_SPECTRUM:
        yield f"window_s must be a multiple of {period_ms / 1000:g} s, the period, for tones_hz and bands_hz"
        return
    for hz in filters.tones_hz:
        if not 1 / window_s <= hz < rate_hz / 2:
            yield f"tones_hz must lie between {1 / window_s:g}, a cycle a window, and {rate_hz / 2:g}, half the rate"
    if not filters.bands_hz:
        return
    length = segment_length(samples)
    if not length:
        yield f"bands_hz needs {SEGMENTS * SHORTEST} samples a window, and there are {samples}"
        return
    for low, high in filters.bands_hz:
        if not (0 <= low < high <= rate_hz / 2):
            yield f"bands_hz must be [lowest, highest] between 0 and {rate_hz / 2:g}, half the rate of samples"
        elif high - low < rate_hz / length:
            yield f"bands_hz must be {rate_hz / length:g} Hz wide, which is what such a window tells apart"
