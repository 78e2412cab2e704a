"""What a bad line makes of bytes, bit by bit as a UART hears them: 8 data bits, the lowest first, no parity. Pure."""

STOPS = 10  # bits of a character: start, 8 data bits, stop


def turn_bit(data: bytes, bit: int) -> bytes:
    spoilt = bytearray(data)
    spoilt[bit // 8] ^= 1 << bit % 8
    return bytes(spoilt)


def collide(one: bytes, other: bytes) -> bytes:
    """Two drivers at once, the other half a character behind: where they differ, who pulls to 0 wins."""
    first, second = _levels(one), [1] * (STOPS // 2) + _levels(other)
    length = max(len(first), len(second))
    first += [1] * (length - len(first))
    second += [1] * (length - len(second))
    return _heard([a & b for a, b in zip(first, second, strict=True)])


def at_half_speed(data: bytes) -> bytes:
    """Sent at half the speed that they are heard at."""
    return _heard([level for level in _levels(data) for _ in range(2)])


def _levels(data: bytes) -> list[int]:
    return [level for byte in data for level in (0, *(byte >> place & 1 for place in range(8)), 1)]


def _heard(levels: list[int]) -> bytes:
    """A receiver waits for a start bit, takes eight, and passes over the stop bit, whatever it is."""
    heard = bytearray()
    at = 0
    while at < len(levels):
        if levels[at]:
            at += 1
            continue
        bits = levels[at + 1 : at + STOPS - 1]
        heard.append(sum(bit << place for place, bit in enumerate(bits + [1] * (8 - len(bits)))))
        at += STOPS
    return bytes(heard)
