"""How large the numbers of messages may be."""

MAX_U64 = 2**64 - 1
MAX_SEQ = 2**63 - 1  # PostgreSQL's int8 holds it
MAX_TIME_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
HASH_BYTES = 32
