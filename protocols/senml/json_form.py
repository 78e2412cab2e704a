"""SenML in JSON, `application/senml+json` (RFC 8428, 5). Numbers never pass through a float."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from protocols.errors import RemoteProtocolError
from protocols.senml.numbers import MAX_DIGITS
from protocols.senml.pack import checked, records_of
from protocols.senml.record import MAX_BYTES, Record, Value

CONTENT_FORMAT = 110  # of CoAP, RFC 8428, 12.3
_BASE64URL = re.compile(r"([A-Za-z0-9_-]{4})*([A-Za-z0-9_-]{2,3})?\Z")
_LONGEST_NUMBER = MAX_DIGITS + len("-0.e+400")


def decode_json(data: bytes) -> list[Record]:
    """The records of one pack. Raises RemoteProtocolError.

    Beyond what RFC 8259 forbids, the same name twice in a record is refused: readers differ on which of them holds.
    """
    if len(data) > MAX_BYTES:
        raise RemoteProtocolError(f"a pack of {len(data)} bytes; {MAX_BYTES} are allowed")
    try:
        pack = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"not a JSON text of SenML: {error}") from None
    return records_of(pack, _fields)


def encode_json(records: Iterable[Record]) -> bytes:
    """One pack, without spaces. Raises LocalProtocolError."""
    objects = (
        ",".join(f"{json.dumps(label)}:{_written(value)}" for label, value in record.fields())
        for record in checked(records)
    )
    return ("[" + ",".join(f"{{{members}}}" for members in objects) + "]").encode()


def _fields(item: Mapping[object, object]) -> dict[str, object]:
    fields = {label: value for label, value in item.items() if isinstance(label, str)}
    if "vd" in fields:
        fields["vd"] = _octets(fields["vd"])
    return fields


def _octets(text: object) -> bytes:
    """Base64 of the URL-safe alphabet without padding (RFC 8428, 5)."""
    # Checked first: the decoder takes + and / beside - and _, and whatever letters remain of a text cut short.
    if not isinstance(text, str) or not _BASE64URL.match(text):
        raise RemoteProtocolError("field 'vd' is not base64url without padding")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    item = dict(pairs)
    if len(item) != len(pairs):
        raise ValueError("the same name twice in a record")
    return item


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS + 1:
        raise ValueError(f"a number of {len(text)} characters")
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} characters")
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent that decimal cannot hold
        raise ValueError(f"a number out of all bounds: {text}") from None


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bytes):
        return json.dumps(base64.urlsafe_b64encode(value).rstrip(b"=").decode())
    return str(value).lower()  # 5: the "e" of an exponent is lower case
