"""What a technician asks of a bad line: how its devices answer, what was said around each fault, what is likely wrong,
and who else is there."""
