"""A meter's number in BCD, as a channel table tells it: its format, and the channel that shows it."""

from drivers.base import Channel
from drivers.template import document
from drivers.template.section import Section
from protocols.bcd import Format
from protocols.edge.birth import Kind

MOST_DIGITS = 16  # a 64-bit integer holds them all


def bcd_number(section: Section, kind: Kind, *, signed: bool = False) -> tuple[Channel, Format]:
    """Reads `format` and what every channel says. Raises ModelError."""
    try:
        form = Format.parse(section.text("format"), signed)
    except ValueError as error:
        raise section.wrong("format", f"is wrong: {error}") from None
    if form.digits > MOST_DIGITS:
        raise section.wrong("format", f"has more than {MOST_DIGITS} digits")
    if kind is Kind.STATE and form.decimals:
        raise section.wrong("format", "has a point, but a state is a whole number")
    tag = document.whole_number_tag(form.highest)
    return document.channel(section, kind, tag, -form.decimals, highest=form.highest), form
