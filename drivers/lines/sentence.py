"""One kind of line that a device sends: its pattern, and whether it comes when asked or of itself."""

from functools import lru_cache

from drivers.base import Unit
from protocols.lines.nmea import read_sentence
from protocols.lines.pattern import Pattern

UNIT = "{unit}"  # in a prompt or pattern: what the device is called on its line


class Sentence(str):
    """Its name, as the space of a span; with all that a line needs to hear it, since a line knows no models.

    A sentence has a `prompt` (what is sent to get it), or else `every_s` (how often it comes of itself). With `nmea`
    a line is taken out of its address and checksum first.
    """

    __slots__ = ("every_s", "nmea", "pattern", "prompt")

    pattern: str
    prompt: str | None
    every_s: float
    nmea: bool

    @classmethod
    def of(cls, name: str, pattern: str, prompt: str | None, every_s: float, *, nmea: bool) -> "Sentence":
        """Raises LocalProtocolError for a pattern that cannot be used."""
        sentence = cls(name)
        sentence.pattern, sentence.prompt, sentence.every_s, sentence.nmea = pattern, prompt, every_s, nmea
        compiled(sentence.pattern, None)
        return sentence

    def question(self, unit: Unit) -> bytes | None:
        return None if self.prompt is None else self.prompt.replace(UNIT, str(unit)).encode()

    def extract(self, line: bytes, unit: Unit) -> bytes | None:
        """What Model.decode takes, if `line` is this sentence of `unit`; None for another. Raises RemoteProtocolError
        for one that was damaged, or that begins like this sentence and does not go on so."""
        text = line
        if self.nmea:
            sentence = read_sentence(line)
            if sentence is None:
                return None
            text = sentence.text
        return None if compiled(self.pattern, unit).parse(text) is None else text


@lru_cache(maxsize=512)
def compiled(pattern: str, unit: Unit | None) -> Pattern:
    """`unit` None takes any. Raises LocalProtocolError."""
    return Pattern(
        pattern.replace(UNIT, "{:word}" if unit is None else str(unit).replace("{", "{{").replace("}", "}}"))
    )
