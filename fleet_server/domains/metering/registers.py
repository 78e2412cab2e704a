"""Which channels of a device are meters' registers, and which one of them stands for the meter in a list. Pure."""

import re
from collections.abc import Iterable
from enum import StrEnum

from fleet_server.kernel.ports import ChannelNow

# LwM2M objects of the OMA registry, as births name quantities; units as SenML and its kin write them.
_GAS, _WATER = "3423", "3424"
_ENERGY_UNITS = frozenset({"J", "kJ", "MJ", "GJ", "Wh", "kWh", "MWh", "GWh"})
_VOLUME_UNITS = frozenset({"m3", "dm3", "l", "L"})
# Parts and counterparts of what was drawn in all; they stand on the meter's own page.
_PART = re.compile(
    r"export|reverse|returned|fed_back|reactive|apparent|rate_?\d|tariff|sharp|peak|flat|valley|phase|uncorrected"
    r"|_(?:a|b|c|l1|l2|l3|t\d)$"
)


class Kind(StrEnum):
    """In the order of a list."""

    ELECTRICITY = "electricity"
    WATER = "water"
    GAS = "gas"
    HEAT = "heat"
    VOLUME = "volume"  # of what the birth does not say


def kind_of(channel: ChannelNow) -> Kind | None:
    """None for what is no counter of energy or volume: run hours, requests, cards, cars, reactive energy."""
    if channel.kind != "counter":
        return None
    if channel.unit in _ENERGY_UNITS:
        # A birth has one object for energy; thermal energy in joules, or by its name.
        return Kind.HEAT if channel.unit.endswith("J") or "heat" in channel.name else Kind.ELECTRICITY
    if channel.unit in _VOLUME_UNITS:
        return {_GAS: Kind.GAS, _WATER: Kind.WATER}.get(channel.quantity, Kind.VOLUME)
    return None


def chief_counters(channels: Iterable[ChannelNow]) -> list[tuple[Kind, ChannelNow]]:
    """The total of each kind; a heat meter's volume is a register of it, no meter of water."""
    found: dict[Kind, ChannelNow] = {}
    for channel in channels:
        kind = kind_of(channel)
        if kind is None:
            continue
        known = found.get(kind)
        if known is None or (_PART.search(known.name) and not _PART.search(channel.name)):
            found[kind] = channel
    if Kind.HEAT in found:
        found = {kind: channel for kind, channel in found.items() if kind in (Kind.HEAT, Kind.ELECTRICITY)}
    return [(kind, found[kind]) for kind in Kind if kind in found]
