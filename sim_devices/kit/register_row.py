"""One row of a vendor's register list into one channel of a template."""

import difflib
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from sim_devices.kit import register_words as words

TABLES, TYPES, ORDERS, UNITS = (words.lookup(table) for table in (words.TABLES, words.TYPES, words.ORDERS, words.UNITS))
NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
LAST_ADDRESS = 0xFFFF
SMALLEST, LARGEST = Decimal("1e-9"), Decimal("1e9")  # of a scale: beyond, a list has a misprint


class RowError(ValueError):
    """The row cannot be used; says why."""


def channel(row: Mapping[str, str], base: str, table: str | None, notes: list[str], line: int) -> dict[str, Any]:
    """The [[channel]] table of a row, whose cells are by the words of register_words.COLUMNS; a None is left out.

    `notes` is told what was decided on `line`. Raises RowError.
    """
    for word, cell in row.items():
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in cell):
            raise RowError(f"{word} has control characters")
    place, address, bit, span = _place(row, base, table)
    is_bits = place in ("coil", "discrete")
    kind_of_number, order = ("bit", None) if is_bits else _type(row, span)
    if kind_of_number == "bit" and not is_bits:
        if bit is None:
            raise RowError(f"a bit in table {place} needs its number, as in 40001.3")
        kind_of_number = "u16"
    if bit is not None and kind_of_number[0] == "i":
        kind_of_number = f"u{kind_of_number[1:]}"  # bits have no sign
    states = _states(row)
    unit = _unit(row)
    kind = _kind(row, kind_of_number, bit, states, unit, notes, line)
    writable = _writable(row, place, bit)
    title, name = _names(row, place, address, bit)
    channel: dict[str, Any] = {
        "name": name,
        "title": title,
        "quantity": _quantity(row, kind, unit),
        "unit": unit if unit and kind != "state" else None,
        "kind": kind,
        "table": place,
        "address": address,
    }
    if is_bits:
        highest = 1
    else:
        _check_size(address, kind_of_number)
        value_bits = words.BITS[kind_of_number] - (kind_of_number[0] == "i")
        highest = 1 if bit is not None else (1 << value_bits) - 1
        channel |= {
            "type": kind_of_number,
            "order": order if words.BITS[kind_of_number] > 16 else None,
            "scale": _scale(row, kind_of_number, kind),
            "bit": bit,
            "sentinels": _sentinels(row, kind_of_number),
            "limits": _limits(row) if kind != "state" else None,
        }
    if states:
        if kind != "state" or max(states) > highest:
            raise RowError(f"the state {max(states)} does not fit a {kind} of {kind_of_number}")
        channel["states"] = {str(number): {"en": said, "zh": said} for number, said in states.items()}
    channel["writable"] = True if writable else None
    return channel


def _place(row: Mapping[str, str], base: str, table: str | None) -> tuple[str, int, int | None, int | None]:
    """Table, address from 0, bit, and how many registers the list gives the channel."""
    given = row.get("address")
    if given is None:
        raise RowError("no address")
    found = re.fullmatch(r"(\w+?)(?:[.:](\d{1,2}))?(?:\s*(?:-|~|～|至|to)\s*(\w+))?", given, re.IGNORECASE)
    number = _integer(found[1]) if found else None
    if found is None or number is None:
        raise RowError(f"the address {given!r} is no number; write 40001, 0x0010, 16 or 40001.3 for a bit")
    last = _integer(found[3]) if found[3] else None
    bit = int(found[2]) if found[2] else _integer(row["bit"]) if "bit" in row else None
    if bit is not None and not 0 <= bit <= 15:
        raise RowError(f"bit {bit} is not between 0 and 15")
    place = None
    if "table" in row:
        place = TABLES.get(words.plain(row["table"]))
        if place is None:
            raise RowError(
                f"the table {row['table']!r} is none of {', '.join(words.TABLES)}, or a function from 1 to 4"
            )
    address = number - (1 if base == "1" else 0)
    old = next((each for each in words.TRADITIONAL if each.first <= number <= each.last), None)
    if base == "auto" and old is not None:
        if place is not None and place != old.table:
            raise RowError(f"the address {number} is of table {old.table}, the list says {place}")
        place, address = old.table, number - old.first
    place = place or table
    if place is None:
        raise RowError(f"in which table is {number}? The list does not say; add a column `table`, or give --table")
    if not 0 <= address <= LAST_ADDRESS:
        raise RowError(f"the address {given} is not between 0 and {LAST_ADDRESS}")
    length = _integer(row["length"]) if "length" in row else last - number + 1 if last is not None else None
    return place, address, bit, length


def _type(row: Mapping[str, str], span: int | None) -> tuple[str, str]:
    """Type and order."""
    order = "ABCD"
    given = words.plain(row.get("type", ""))
    parts = given.split("_")
    for at in range(1, len(parts)):  # "float32 CDAB": both in one cell
        head, tail = "_".join(parts[:at]), "_".join(parts[at:])
        if given not in TYPES and head in TYPES and tail in ORDERS:
            given, order = head, ORDERS[tail]
            break
    if "order" in row:
        word = words.plain(row["order"])
        if word not in ORDERS:
            raise RowError(f"the order {row['order']!r} is none of {', '.join(words.ORDERS)}")
        order = ORDERS[word]
    if given in ("", "int", "integer", "uint", "整数", "整型"):
        signed = given not in ("", "uint")
        size = {None: 16, 1: 16, 2: 32, 4: 64}.get(span)
        if size is None:
            raise RowError(f"no type has {span} registers")
        return f"{'i' if signed else 'u'}{size}", order
    if given not in TYPES:
        near = difflib.get_close_matches(given, TYPES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; the types are {', '.join(words.TYPES)}"
        raise RowError(f"the type {row['type']!r} is not known{hint}")
    found = TYPES[given]
    if span is not None and found in words.BITS and span != words.BITS[found] // 16:
        raise RowError(f"the type {found} has {words.BITS[found] // 16} registers, the list gives it {span}")
    return found, order


def _check_size(address: int, kind_of_number: str) -> None:
    if address + words.BITS[kind_of_number] // 16 - 1 > LAST_ADDRESS:
        raise RowError(f"a {kind_of_number} at {address} would end behind the table")


def _scale(row: Mapping[str, str], kind_of_number: str, kind: str) -> str | None:
    given = row.get("scale", "1")
    text = re.sub(r"^[x×*]\s*", "", given.lower().strip())
    found = re.fullmatch(r"(?:(1)\s*)?[/÷]\s*([0-9.]+)", text)
    power = re.fullmatch(r"10\s*(?:\^|\*\*|e)\s*(-?\d)", text)
    try:
        factor = Decimal(10) ** int(power[1]) if power else Decimal(1) / Decimal(found[2]) if found else Decimal(text)
    except (InvalidOperation, ZeroDivisionError):
        raise RowError(f"the scale {given!r} is no number; write 0.1, or /10") from None
    if not factor.is_finite() or not SMALLEST <= factor <= LARGEST or len(factor.normalize().as_tuple().digits) > 9:
        raise RowError(f"the scale {given!r} is no exact decimal number between {SMALLEST} and {LARGEST}")
    if factor == 1:
        return None
    if kind_of_number[0] == "f":
        raise RowError(f"a {kind_of_number} has the scale {given}: what a float says is its value")
    if kind == "state":
        raise RowError(f"a state has the scale {given}")
    return f"{factor.normalize():f}"


def _kind(row: Mapping[str, str], kind_of_number: str, bit: int | None, states: Mapping[int, str], unit: str,
          notes: list[str], line: int) -> str:  # fmt: skip
    is_state = kind_of_number == "bit" or bit is not None
    if "kind" in row:
        given = row["kind"].lower()
        if given not in ("gauge", "counter", "state"):
            raise RowError(f"the kind {row['kind']!r} is none of gauge, counter, state")
        if is_state and given != "state":
            raise RowError(f"a bit is a state, and the list says {given}")
        if kind_of_number[0] == "f" and given != "gauge":
            raise RowError(f"a {kind_of_number} cannot be a {given}: a float loses its last digits")
        return given
    if is_state or states:
        if kind_of_number[0] == "f":
            raise RowError(f"states in a {kind_of_number}: a state is an integer")
        return "state"
    said = f"{row.get('name', '')} {row.get('en', '')} {row.get('zh', '')}".lower().replace("_", " ")
    if unit in words.COUNTED or words.COUNTER_WORDS.search(said):
        if kind_of_number[0] == "f":
            notes.append(f"line {line}: looks like a counter and is a {kind_of_number}; it is a gauge here")
            return "gauge"
        if kind_of_number[0] == "u":
            return "counter"
    return "gauge"


def _unit(row: Mapping[str, str]) -> str:
    given = row.get("unit", "")
    return UNITS.get(given.lower(), given)


def _quantity(row: Mapping[str, str], kind: str, unit: str) -> str:
    if "quantity" in row:
        known = {*words.QUANTITY_OF_UNIT.values(), "generic", "digital_input", "switch"}
        if row["quantity"] not in known:
            raise RowError(f"the quantity {row['quantity']!r} is none of {', '.join(sorted(known))}")
        return row["quantity"]
    return "digital_input" if kind == "state" else words.QUANTITY_OF_UNIT.get(unit, "generic")


def _writable(row: Mapping[str, str], place: str, bit: int | None) -> bool:
    given = row.get("access", "").lower()
    if "w" not in given and "写" not in given:
        return False
    if place not in ("coil", "holding") or bit is not None:
        what = place if bit is None else "a bit of a register"
        raise RowError(f"the list says that it can be written: {what} cannot")
    return True


def _names(row: Mapping[str, str], place: str, address: int, bit: int | None) -> tuple[dict[str, str], str]:
    """The title in both languages, one for the other where the list has only one, and the channel's name."""
    given, en, zh = row.get("name", ""), row.get("en", ""), row.get("zh", "")
    name = next((slug for text in (given, en) if NAME.fullmatch(slug := _slug(text))), "")
    if not (given or en or zh):
        raise RowError("no name")
    if not name:
        name = f"{place}_{address}" + ("" if bit is None else f"_{bit}")
    title = en or zh or given
    return {"en": title, "zh": zh or title}, name


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:48].rstrip("_")


def _limits(row: Mapping[str, str]) -> list[str] | None:
    if "low" not in row and "high" not in row:
        return None
    if "low" not in row or "high" not in row:
        raise RowError("of the limits one is missing")
    try:
        low, high = Decimal(row["low"]), Decimal(row["high"])
    except InvalidOperation:
        raise RowError(f"the limits {row['low']!r} and {row['high']!r} are no numbers") from None
    if not (low.is_finite() and high.is_finite() and low <= high and max(map(abs, (low, high))) < 10**18):
        raise RowError(f"the limits are {low} and {high}: the lowest comes first")
    return [f"{low:f}", f"{high:f}"]


def _sentinels(row: Mapping[str, str], kind_of_number: str) -> list[int] | None:
    if "sentinel" not in row:
        return None
    size = words.BITS[kind_of_number]
    found = []
    for part in re.split(r"[,;、\s]+", row["sentinel"]):
        number = _integer(part)
        if number is None or not -(1 << size - 1) <= number < 1 << size:
            raise RowError(f"{part!r} is no pattern of {size} bits that means 'no value'")
        found.append(number % (1 << size))
    return found


def _states(row: Mapping[str, str]) -> dict[int, str]:
    if "states" not in row:
        return {}
    found = re.findall(r"(\d+)\s*[:=：]\s*([^;；,，/、]+)", row["states"])
    states = {int(number): said.strip() for number, said in found if said.strip()}
    if not states:
        raise RowError(f"the states {row['states']!r} are not told as 0=off;1=on")
    return states


def _integer(text: str) -> int | None:
    """16, 0x10, 10H; None for anything else."""
    text = text.strip().lower()
    try:
        if re.fullmatch(r"[0-9a-f]+h", text):
            return int(text[:-1], 16)
        if re.fullmatch(r"-?(?:0x[0-9a-f]+|\d+)", text) and len(text) <= 20:
            return int(text, 16) if "x" in text else int(text)
    except ValueError:
        pass
    return None
