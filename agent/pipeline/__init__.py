"""From readings to columns: quality, filters, dead band; pure (docs/filters.md)."""

from agent.pipeline.filters import FilterConfig, problems
from agent.pipeline.pipeline import Counters, Part, Pipeline
from agent.pipeline.plan import ChannelPlan, DevicePlan, Inference, describe_channels, late_ms, outputs

__all__ = [
    "ChannelPlan",
    "Counters",
    "DevicePlan",
    "FilterConfig",
    "Inference",
    "Part",
    "Pipeline",
    "describe_channels",
    "late_ms",
    "outputs",
    "problems",
]
