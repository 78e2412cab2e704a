"""Readings as text for other programs: CSV (RFC 4180) and JSON lines, every decimal exact. Pure."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fleet_server.domains.telemetry.models import decimal_text, float_text
from fleet_server.ingest.samples import NOT_DECIMAL, Samples
from protocols.quality import Quality

HEADER = ("time", "channel", "value", "unit", "quality")
QUALITIES: Mapping[int, str] = {
    int(quality): "".join(part.capitalize() for part in quality.name.split("_")) for quality in Quality
}

Row = tuple[str, str, str, str, str]


def rows(channels: Sequence[Mapping[str, Any]], samples: Samples) -> Iterator[Row]:
    """In order of time, then channel. `channels` is the device's list; `value` is "" where a reading has none."""
    order = np.lexsort((samples.channel, samples.t))
    told = samples.take(order)
    times = np.datetime_as_string(told.t.astype("datetime64[ms]"), unit="ms", timezone="UTC").tolist()
    columns = (told.channel, told.value, told.mantissa, told.scale, told.quality)
    for time, index, value, mantissa, scale, quality in zip(times, *(c.tolist() for c in columns), strict=True):
        channel = channels[index]
        if scale != NOT_DECIMAL:
            text = decimal_text(mantissa, scale)
        else:
            text = "" if value != value else float_text(value, channel["type"])
        yield time, channel["name"], text, channel["unit"], quality_name(quality)


def as_csv(found: Iterator[Row], *, header: bool = False) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    if header:
        writer.writerow(HEADER)
    writer.writerows(found)
    return text.getvalue()


def as_json_lines(found: Iterator[Row]) -> str:
    """`value` is text, for a parser would make a float of the number; null where there is none."""
    lines = [
        json.dumps(dict(zip(HEADER, (time, channel, value or None, unit, quality), strict=True)), ensure_ascii=False)
        for time, channel, value, unit, quality in found
    ]
    return "".join(f"{line}\n" for line in lines)


def quality_name(code: int) -> str:
    """As OPC UA writes it (OPC 10000-6, annex A.2): BadTimeout; a code that we do not know in hexadecimal."""
    return QUALITIES.get(code) or f"0x{code:04X}"
