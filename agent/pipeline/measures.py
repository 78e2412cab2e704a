"""What is measured in a chain's windows; each measure is loaded only where it is asked for."""

from agent.dsp.window import Measure
from agent.pipeline.derived import band, tone
from agent.pipeline.filters import FilterConfig


def measures(filters: FilterConfig, channels: int, period_ms: int) -> list[Measure]:
    """The filters have a `window_s`. Their figures are named as agent.pipeline.derived names the channels."""
    samples = round((filters.window_s or 0.0) * 1000) // period_ms
    rate_hz = 1000 / period_ms
    made: list[Measure] = []
    if filters.statistics:
        from agent.dsp.moments import Moments

        made.append(Moments(channels, filters.statistics))
    if filters.tones_hz:
        from agent.dsp.tones import Tones

        made.append(Tones(channels, {tone(hz): hz for hz in filters.tones_hz}, rate_hz, samples))
    if filters.bands_hz:
        from agent.dsp.bands import Bands

        made.append(Bands(channels, {band(*one): one for one in filters.bands_hz}, rate_hz, samples))
    return made
