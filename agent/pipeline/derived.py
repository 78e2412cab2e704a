"""The channels that a channel's filters make beside it: their names, and what they say."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agent.pipeline.filters import FilterConfig

TOTAL = "total"


class Derived(NamedTuple):
    """`name` is behind the channel's own; `ratio`: of no unit; `within`: the channel's limits hold for it too; `model`:
    the number of the device's model that says it."""

    name: str
    words: Mapping[str, str]
    ratio: bool = False
    within: bool = False
    model: int | None = None


_STATISTICS = {
    "mean": Derived("mean", {"en": "mean", "zh": "均值"}, within=True),
    "min": Derived("min", {"en": "lowest", "zh": "最小值"}, within=True),
    "max": Derived("max", {"en": "highest", "zh": "最大值"}, within=True),
    "std": Derived("std", {"en": "deviation", "zh": "标准差"}),
    "rms": Derived("rms", {"en": "effective value", "zh": "有效值"}),
    "peak": Derived("peak", {"en": "peak", "zh": "峰值"}),
    "peak_to_peak": Derived("peak_to_peak", {"en": "peak to peak", "zh": "峰峰值"}),
    "crest": Derived("crest", {"en": "crest factor", "zh": "波峰因数"}, ratio=True),
    "kurtosis": Derived("kurtosis", {"en": "kurtosis", "zh": "峭度"}, ratio=True),
}


def derived(filters: "FilterConfig") -> tuple[Derived, ...]:
    if filters.unwrap:
        return (Derived(TOTAL, {"en": "counted on", "zh": "累计"}),)
    if filters.window_s is None:
        return ()
    return (
        *(_STATISTICS[name] for name in filters.statistics),
        *(Derived(tone(hz), {"en": f"at {hz:g} Hz", "zh": f"{hz:g} Hz 幅值"}) for hz in filters.tones_hz),
        *(
            Derived(band(low, high), {"en": f"{low:g} to {high:g} Hz", "zh": f"{low:g}–{high:g} Hz 有效值"})
            for low, high in filters.bands_hz
        ),
    )


RATIOS = frozenset(name for name, one in _STATISTICS.items() if one.ratio)


def tone(hz: float) -> str:
    return f"{hz:g}hz"


def band(low: float, high: float) -> str:
    return f"{low:g}-{high:g}hz"
