"""The variable data structure: records one behind the other (EN 13757-3, section 6)."""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from protocols.bcd import encode_bcd
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.mbus import values
from protocols.mbus.codes import Function
from protocols.mbus.values import Missing, Value
from protocols.mbus.vif import EXTENSION, Data, ValueInfo, parse_block

MAX_DIFE = 10  # 6.3.2
END, END_AND_MORE, FILLER = 0x0F, 0x1F, 0x2F  # whole DIFs of 6.3.3


class Form(IntEnum):
    """The low four bits of a DIF. The integers are named by their bytes, the digits by their number."""

    NOTHING = 0x0
    INT8 = 0x1
    INT16 = 0x2
    INT24 = 0x3
    INT32 = 0x4
    REAL32 = 0x5
    INT48 = 0x6
    INT64 = 0x7
    SELECTION = 0x8
    BCD2 = 0x9
    BCD4 = 0xA
    BCD6 = 0xB
    BCD8 = 0xC
    VARIABLE = 0xD
    BCD12 = 0xE


INTEGERS = {Form.INT8: 1, Form.INT16: 2, Form.INT24: 3, Form.INT32: 4, Form.INT48: 6, Form.INT64: 8}
DECIMALS = {Form.BCD2: 1, Form.BCD4: 2, Form.BCD6: 3, Form.BCD8: 4, Form.BCD12: 6}
_LENGTHS = {**INTEGERS, **DECIMALS, Form.REAL32: 4, Form.NOTHING: 0, Form.SELECTION: 0}
_DATES = {2: values.day, 3: values.time_of_day, 4: values.minute, 6: values.second}


class Record(NamedTuple):
    """`value` times 10**`exponent` is in `unit`; a Missing says why there is none. The rest tells which value it is:
    `storage` 0 is the present one, `tariff` 0 the total, `subunit` 0 the meter itself, `modifiers` as in ValueInfo."""

    quantity: str
    unit: str
    value: Value
    exponent: int = 0
    function: Function = Function.INSTANTANEOUS
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    modifiers: bytes = b""


class Records(NamedTuple):
    """`maker` is what follows in the maker's own form, None without any. `more`: another telegram has more records."""

    records: tuple[Record, ...]
    maker: bytes | None = None
    more: bool = False


class _Dib(NamedTuple):
    form: Form
    function: Function
    storage: int
    tariff: int
    subunit: int


def parse_records(data: bytes, high_first: bool = False) -> Records:
    """Raises RemoteProtocolError for records that cannot be told apart: then none of them is used."""
    records: list[Record] = []
    at = 0
    while at < len(data):
        dif = data[at]
        if dif in (END, END_AND_MORE):
            return Records(tuple(records), data[at + 1 :], dif == END_AND_MORE)
        if dif == FILLER:
            at += 1
            continue
        dib, at = _parse_dib(data, at)
        info, at = parse_block(data, at)
        value, at = _parse_value(data, at, dib.form, info, high_first)
        records.append(
            Record(info.quantity, info.unit, value, info.exponent, *dib[1:], info.modifiers),
        )
    return Records(tuple(records))


def _parse_dib(data: bytes, at: int) -> tuple[_Dib, int]:
    dif = data[at]
    if dif & 0x0F == 0x0F:
        raise RemoteProtocolError(f"DIF {dif:#04x} is reserved")
    storage, tariff, subunit = dif >> 6 & 1, 0, 0
    count, last = 0, dif
    while last & EXTENSION:
        if count == MAX_DIFE:
            raise RemoteProtocolError(f"a record with more than {MAX_DIFE} DIFE")
        if at + 1 + count >= len(data):
            raise RemoteProtocolError("the telegram ends within a record")
        last = data[at + 1 + count]
        storage |= (last & 0x0F) << 1 + 4 * count
        tariff |= (last >> 4 & 0x03) << 2 * count
        subunit |= (last >> 6 & 1) << count
        count += 1
    return _Dib(Form(dif & 0x0F), Function(dif >> 4 & 0x03), storage, tariff, subunit), at + 1 + count


def _parse_value(data: bytes, at: int, form: Form, info: ValueInfo, high_first: bool) -> tuple[Value, int]:
    lvar = 0
    if form is Form.VARIABLE:
        if at >= len(data):
            raise RemoteProtocolError("the telegram ends within a record")
        lvar = data[at]
        at += 1
        length = _variable_length(lvar)
    else:
        length = _LENGTHS[form]
    raw = data[at : at + length]
    if len(raw) < length:
        raise RemoteProtocolError(
            f"the telegram ends within a record: {length} bytes of {info.quantity}, {len(raw)} came"
        )
    at += length
    if info.fault:
        return Missing(info.fault), at
    if high_first:
        raw = raw[::-1]
    return (_variable_value(lvar, raw) if form is Form.VARIABLE else _value(form, info.data, raw)), at


def _value(form: Form, data: Data, raw: bytes) -> Value:
    if form in DECIMALS:
        return values.decimal_digits(raw)
    if form is Form.REAL32:
        return values.real(raw)
    if form not in INTEGERS:
        return Missing("a record without data")
    if data is Data.DATE and len(raw) in _DATES:
        return _DATES[len(raw)](raw)
    return int.from_bytes(raw, "little") if data is Data.UNSIGNED else values.signed(raw)


def _variable_length(lvar: int) -> int:
    """Bytes behind the LVAR (6.3.4)."""
    match lvar >> 4:
        case kind if kind <= 0xB:
            return lvar
        case 0xC | 0xD if lvar & 0x0F <= 9:
            return lvar & 0x0F
        case 0xE:
            return lvar & 0x0F
    fixed = {0xF0: 16, 0xF1: 20, 0xF2: 24, 0xF3: 28, 0xF4: 32, 0xF5: 48, 0xF6: 64}
    if lvar not in fixed:
        raise RemoteProtocolError(f"a value of variable length {lvar:#04x}, which is reserved")
    return fixed[lvar]


def _variable_value(lvar: int, raw: bytes) -> Value:
    match lvar >> 4:
        case kind if kind <= 0xB:
            return values.text(raw)
        case 0xC | 0xD:
            digits = values.decimal_digits(raw) if raw else 0
            return -digits if lvar >> 4 == 0xD and not isinstance(digits, Missing) else digits
        case 0xE if len(raw) <= 8:
            return values.signed(raw) if raw else Missing("a record without data")
    return raw


def encode_record(record: Record, block: bytes, form: Form) -> bytes:
    """`record` with its value in `form` behind the value information `block`, whose meaning is the caller's to know
    (`vif.value_block` makes one). Raises LocalProtocolError for what does not fit."""
    return _encode_dib(record, form) + block + _encode_value(record.value, form)


def _encode_dib(record: Record, form: Form) -> bytes:
    dif = form | record.function << 4 | (record.storage & 1) << 6
    storage, tariff, subunit = record.storage >> 1, record.tariff, record.subunit
    if min(storage, tariff, subunit) < 0:
        raise LocalProtocolError("storage, tariff and subunit are not negative")
    dife = bytearray()
    while storage or tariff or subunit:
        dife.append(storage & 0x0F | (tariff & 0x03) << 4 | (subunit & 1) << 6)
        storage, tariff, subunit = storage >> 4, tariff >> 2, subunit >> 1
    if len(dife) > MAX_DIFE:
        raise LocalProtocolError(
            f"storage {record.storage}, tariff {record.tariff} and subunit {record.subunit} are too high"
        )
    block = bytearray((dif, *dife))
    for at in range(len(block) - 1):
        block[at] |= EXTENSION
    return bytes(block)


def _encode_value(value: Value, form: Form) -> bytes:
    match value:
        case int() if form in INTEGERS:
            return values.encode_signed(value, INTEGERS[form])
        case int() if form in DECIMALS:
            return values.encode_decimal_digits(value, DECIMALS[form])
        case float() if form is Form.REAL32:
            return values.encode_real(value)
        case values.Moment() if form is Form.INT16:
            return values.encode_day(value)
        case values.Moment() if form is Form.INT32:
            return values.encode_minute(value)
        case str() if form is Form.VARIABLE and len(value) <= 0xBF:
            return bytes((len(value),)) + values.encode_text(value)
        case Missing():
            return _encode_missing(form)
    raise LocalProtocolError(f"{value!r} does not go into {form.name}")


def _encode_missing(form: Form) -> bytes:
    """How each form says that there is no value: digits above 9, the lowest integer, NaN."""
    if form in INTEGERS:
        return bytes(INTEGERS[form] - 1) + b"\x80"
    if form in DECIMALS:
        return encode_bcd(0, DECIMALS[form] - 1) + b"\xbb" if DECIMALS[form] > 1 else b"\xbb"
    return values.encode_real(float("nan")) if form is Form.REAL32 else b""


def encode_records(records: Sequence[bytes], maker: bytes | None = None, more: bool = False) -> bytes:
    tail = bytes((END_AND_MORE,)) + (maker or b"") if more else bytes((END,)) + maker if maker is not None else b""
    return b"".join(records) + tail
