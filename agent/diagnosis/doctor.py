"""The line doctor: names the likely cause of what is wrong with a line, and says on what it stands. Pure.

Each symptom is looked for in the recorded bytes and the counters; none is told of that they do not show. Where causes
cannot be told apart from here, they stand in one finding, in the order in which they are cheap to look at.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from agent.diagnosis import presence, signals
from agent.diagnosis.evidence import LineEvidence
from agent.diagnosis.finding import Confidence, Finding

RULES: tuple[Callable[[LineEvidence], Iterator[Finding]], ...] = (
    presence.line_is_down,
    presence.nobody_answers,
    presence.somebody_is_silent,
    signals.garbage,
    signals.two_on_one_address,
    signals.another_answers,
    signals.late,
    signals.echo,
    signals.trailing,
    signals.damaged,
    presence.refusals,
    presence.overload,
)
ORDER = tuple(Confidence)


def examine(line: LineEvidence) -> list[Finding]:
    """The surest first."""
    found = [finding for rule in RULES for finding in rule(line)]
    return sorted(found, key=lambda finding: ORDER.index(finding.confidence))


def render(findings: Mapping[str, Sequence[Finding]]) -> Iterator[str]:
    for name, found in findings.items():
        yield f"{name}: {'nothing is wrong that its bytes or counters show' if not found else ''}".rstrip()
        for finding in found:
            of = f" ({', '.join(finding.devices)})" if finding.devices else ""
            yield f"  {finding.confidence}: {finding.title}{of}"
            yield from (f"      seen: {line}" for line in finding.evidence)
            yield from (f"      do:   {line}" for line in finding.advice)
