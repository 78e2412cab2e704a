"""What a record's number means: the value information block, VIF and VIFE (EN 13757-3, section 6.4 and its tables).

The tables are of the edition of 2013 as far as they are publicly known; reactive and apparent quantities (FB 02..05,
14..17, 34..37) are from memory of it and proven by no published frame. Codes that are not here are reserved or say
nothing that a channel could carry; they keep their bytes as modifiers of the quantity "unknown".
"""

from enum import Enum
from typing import NamedTuple

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.mbus.codes import RECORD_ERRORS

EXTENSION = 0x80
MAX_VIFE = 10  # 6.4.1
FIRST_EXTENSION, SECOND_EXTENSION = 0xFB, 0xFD
PLAIN_TEXT = 0x7C
MANUFACTURER = 0x7F
_POWER_OF_TEN = range(0x70, 0x78)  # VIFE: a factor of 10**(n-6)
_THOUSAND = 0x7D


class Data(Enum):
    """How the bytes of a value with this VIF are meant, unless its DIF says decimal digits or a float."""

    SIGNED = "signed"
    UNSIGNED = "unsigned"  # flags, identifications
    DATE = "date"


class ValueInfo(NamedTuple):
    """A record's value times 10**`exponent` is in `unit` (SenML's where there is one; m3/h, J/h and the like else).

    `modifiers` are the VIFE that change what is meant, extension bits cleared: 3B is "counted when positive only", 7F
    01 the maker's own first. `fault` is why the meter has no value, or empty.
    """

    quantity: str
    unit: str = ""
    exponent: int = 0
    data: Data = Data.SIGNED
    modifiers: bytes = b""
    fault: str = ""


_TIMES = ("s", "min", "h", "d")
_LONGER = ("h", "d", "month", "year")


def _decades(first: int, count: int, quantity: str, unit: str, exponent: int) -> dict[int, ValueInfo]:
    return {first + n: ValueInfo(quantity, unit, exponent + n) for n in range(count)}


def _times(first: int, quantity: str, units: tuple[str, ...] = _TIMES) -> dict[int, ValueInfo]:
    return {first + n: ValueInfo(quantity, unit) for n, unit in enumerate(units)}


def _unsigned(names: dict[int, str]) -> dict[int, ValueInfo]:
    return {code: ValueInfo(name, data=Data.UNSIGNED) for code, name in names.items()}


PRIMARY: dict[int, ValueInfo] = {
    **_decades(0x00, 8, "energy", "Wh", -3),
    **_decades(0x08, 8, "energy", "J", 0),
    **_decades(0x10, 8, "volume", "m3", -6),
    **_decades(0x18, 8, "mass", "kg", -3),
    **_times(0x20, "on_time"),
    **_times(0x24, "operating_time"),
    **_decades(0x28, 8, "power", "W", -3),
    **_decades(0x30, 8, "power", "J/h", 0),
    **_decades(0x38, 8, "volume_flow", "m3/h", -6),
    **_decades(0x40, 8, "volume_flow", "m3/min", -7),
    **_decades(0x48, 8, "volume_flow", "m3/s", -9),
    **_decades(0x50, 8, "mass_flow", "kg/h", -3),
    **_decades(0x58, 4, "flow_temperature", "Cel", -3),
    **_decades(0x5C, 4, "return_temperature", "Cel", -3),
    **_decades(0x60, 4, "temperature_difference", "K", -3),
    **_decades(0x64, 4, "external_temperature", "Cel", -3),
    **_decades(0x68, 4, "pressure", "bar", -3),
    0x6C: ValueInfo("date", data=Data.DATE),
    0x6D: ValueInfo("date_time", data=Data.DATE),
    0x6E: ValueInfo("heat_cost"),
    **_times(0x70, "averaging_duration"),
    **_times(0x74, "actuality_duration"),
    **_unsigned({0x78: "fabrication_number", 0x79: "identification", 0x7A: "bus_address"}),
    0x7E: ValueInfo("any"),
}
SECOND: dict[int, ValueInfo] = {  # behind FD
    **_decades(0x00, 4, "credit", "", -3),
    **_decades(0x04, 4, "debit", "", -3),
    **_unsigned(
        {
            0x08: "access_number",
            0x09: "medium",
            0x0A: "manufacturer",
            0x0B: "parameter_set",
            0x0C: "model_version",
            0x0D: "hardware_version",
            0x0E: "firmware_version",
            0x0F: "software_version",
            0x10: "customer_location",
            0x11: "customer",
            0x12: "access_code_user",
            0x13: "access_code_operator",
            0x14: "access_code_system_operator",
            0x15: "access_code_developer",
            0x16: "password",
            0x17: "error_flags",
            0x18: "error_mask",
            0x1A: "digital_output",
            0x1B: "digital_input",
            0x20: "first_storage",
            0x21: "last_storage",
            0x22: "storage_block",
            0x71: "reception_level",
        }
    ),
    0x1C: ValueInfo("baud_rate", "Bd"),
    0x1D: ValueInfo("response_delay", "bit times"),
    0x1E: ValueInfo("retry"),
    **_times(0x24, "storage_interval"),
    **_times(0x28, "storage_interval", ("month", "year")),
    **_times(0x2C, "time_since_readout"),
    0x30: ValueInfo("tariff_start", data=Data.DATE),
    **_times(0x31, "tariff_duration", _TIMES[1:]),
    **_times(0x34, "tariff_period"),
    **_times(0x38, "tariff_period", ("month", "year")),
    0x3A: ValueInfo("dimensionless"),
    **_decades(0x40, 16, "voltage", "V", -9),
    **_decades(0x50, 16, "current", "A", -12),
    0x60: ValueInfo("reset_count"),
    0x61: ValueInfo("cumulation_count"),
    0x62: ValueInfo("control_signal"),
    0x63: ValueInfo("day_of_week"),
    0x64: ValueInfo("week"),
    0x67: ValueInfo("supplier_information", data=Data.UNSIGNED),
    **_times(0x68, "time_since_cumulation", _LONGER),
    **_times(0x6C, "battery_operating_time", _LONGER),
    0x70: ValueInfo("battery_change", data=Data.DATE),
    0x74: ValueInfo("battery_left", "d"),
}
FIRST: dict[int, ValueInfo] = {  # behind FB
    **_decades(0x00, 2, "energy", "Wh", 5),
    **_decades(0x02, 2, "reactive_energy", "varh", 3),
    **_decades(0x04, 2, "apparent_energy", "VAh", 3),
    **_decades(0x08, 2, "energy", "J", 8),
    **_decades(0x10, 2, "volume", "m3", 2),
    **_decades(0x14, 4, "reactive_power", "var", 0),
    **_decades(0x18, 2, "mass", "kg", 5),
    **_decades(0x1A, 2, "relative_humidity", "%RH", -1),
    **_decades(0x28, 2, "power", "W", 5),
    0x2A: ValueInfo("phase_voltages", "deg", -1),
    0x2B: ValueInfo("phase_current", "deg", -1),
    **_decades(0x2C, 4, "frequency", "Hz", -3),
    **_decades(0x30, 2, "power", "J/h", 8),
    **_decades(0x34, 4, "apparent_power", "VA", 0),
    **_decades(0x74, 4, "temperature_limit", "Cel", -3),
    **_decades(0x78, 8, "cumulated_maximum_power", "W", -3),
}
_EXTENSIONS = {FIRST_EXTENSION: FIRST, SECOND_EXTENSION: SECOND}
UNKNOWN = ValueInfo("unknown", data=Data.UNSIGNED)


def value_block(quantity: str, unit: str = "", exponent: int = 0, modifiers: bytes = b"") -> bytes:
    """The shortest block that says so, to send it. Raises LocalProtocolError where no VIF does."""
    for head, table in ((b"", PRIMARY), *((bytes((head,)), table) for head, table in _EXTENSIONS.items())):
        for code, info in table.items():
            if info[:3] == (quantity, unit, exponent):
                *ahead, last = head + bytes((code,)) + modifiers
                return bytes(each | EXTENSION for each in ahead) + bytes((last,))
    raise LocalProtocolError(f"no VIF says {quantity} in {unit or 'no unit'} times 10**{exponent}")


def parse_block(data: bytes, at: int) -> tuple[ValueInfo, int]:
    """The block at `at`, and where it ends. Raises RemoteProtocolError for one that is cut or too long."""
    vif = _byte(data, at)
    codes, end = _codes(data, at)
    if vif & ~EXTENSION == PLAIN_TEXT:
        return _plain_text(data, at, codes, end)
    base = codes[0]
    if vif in _EXTENSIONS and len(codes) > 1:
        info, rest = _EXTENSIONS[vif].get(codes[1]), codes[2:]
    else:
        info, rest = PRIMARY.get(base), codes[1:]
    if base == MANUFACTURER:
        return UNKNOWN._replace(quantity="manufacturer", modifiers=rest), end
    if info is None:
        return UNKNOWN._replace(modifiers=codes), end
    return _modified(info, rest), end


def _codes(data: bytes, at: int) -> tuple[bytes, int]:
    """VIF and VIFE without their extension bits."""
    end = at
    while _byte(data, end) & EXTENSION:
        end += 1
        if end - at > MAX_VIFE:
            raise RemoteProtocolError(f"a record with more than {MAX_VIFE} VIFE")
    return bytes(code & ~EXTENSION for code in data[at : end + 1]), end + 1


def _plain_text(data: bytes, at: int, codes: bytes, end: int) -> tuple[ValueInfo, int]:
    """A unit in words. Most meters send it right behind the VIF and the VIFE after it, as the standard was long read;
    the edition of 2018 puts it behind the VIFE. The one is meant where it gives words."""
    words, behind = _words(data, at + 1)
    if words:
        if data[at] & EXTENSION:
            codes, behind = _codes(data, behind)
            codes = bytes((PLAIN_TEXT,)) + codes
        return _modified(ValueInfo("text", words), codes[1:]), behind
    words, behind = _words(data, end)
    if not words:
        raise RemoteProtocolError(f"a unit in words that are none: {data[at : at + 8].hex(' ')}")
    return _modified(ValueInfo("text", words), codes[1:]), behind


def _words(data: bytes, at: int) -> tuple[str, int]:
    """The text at `at`, sent last character first behind its length; empty where there is none."""
    length = data[at] if at < len(data) else 0
    raw = data[at + 1 : at + 1 + length][::-1]
    words = raw.decode("latin-1")
    return (words if len(raw) == length and words.isprintable() else ""), at + 1 + length


def _modified(info: ValueInfo, vife: bytes) -> ValueInfo:
    exponent, modifiers, fault = info.exponent, bytearray(), ""
    for index, code in enumerate(vife):
        if code == MANUFACTURER:  # what follows is the maker's own
            modifiers += vife[index:]
            break
        if code in RECORD_ERRORS:
            fault = RECORD_ERRORS[code]
        elif code in _POWER_OF_TEN:
            exponent += code - _POWER_OF_TEN.start - 6
        elif code == _THOUSAND:
            exponent += 3
        elif code:
            modifiers.append(code)
    return info._replace(exponent=exponent, modifiers=bytes(modifiers), fault=fault)


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise RemoteProtocolError("the telegram ends within a record")
    return data[at]
