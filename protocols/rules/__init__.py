"""Rules: what must be true, for how long, and what is done then (docs/rules.md).

One form and one pure evaluator for everybody: the gateway acts by them, whoever checks or rehearses rules uses the same
code, so that a rehearsal tells what would happen.
"""

from protocols.rules.evaluator import Effect, Evaluator, Happened, Observation, Remembered, State, Tick
from protocols.rules.form import (
    AtLeast,
    Capture,
    Compare,
    Condition,
    Missing,
    Not,
    Op,
    Rule,
    Tell,
    Write,
    compares,
    with_ages,
)
from protocols.rules.plain import FormError, from_plain, to_plain
from protocols.rules.wire import decode, decode_json, encode, encode_json, rule_hash

__all__ = [
    "AtLeast",
    "Capture",
    "Compare",
    "Condition",
    "Effect",
    "Evaluator",
    "FormError",
    "Happened",
    "Missing",
    "Not",
    "Observation",
    "Op",
    "Remembered",
    "Rule",
    "State",
    "Tell",
    "Tick",
    "Write",
    "compares",
    "decode",
    "decode_json",
    "encode",
    "encode_json",
    "from_plain",
    "rule_hash",
    "to_plain",
    "with_ages",
]
