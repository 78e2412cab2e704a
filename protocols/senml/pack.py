"""What both forms share: a pack is an array of records, and one that is written is valid."""

from collections.abc import Callable, Iterable, Mapping

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.senml.record import MAX_RECORDS, Record, record_of
from protocols.senml.resolve import resolve


def records_of(pack: object, fields: Callable[[Mapping[object, object]], Mapping[str, object]]) -> list[Record]:
    """The records of a decoded pack; `fields` gives the labels and values of one. Raises RemoteProtocolError."""
    if not isinstance(pack, list) or not 1 <= len(pack) <= MAX_RECORDS:
        raise RemoteProtocolError(f"a pack is an array of 1 to {MAX_RECORDS} records")
    records = []
    for number, item in enumerate(pack, 1):
        if not isinstance(item, Mapping):
            raise RemoteProtocolError(f"record {number}: not an object of labels and values")
        try:
            records.append(record_of(fields(item)))
        except RemoteProtocolError as error:
            raise RemoteProtocolError(f"record {number}: {error}") from None
    return records


def checked(records: Iterable[Record]) -> list[Record]:
    """The records, if a receiver would take them. Raises LocalProtocolError."""
    pack = list(records)
    try:
        records_of([dict(record.fields()) for record in pack], lambda item: {str(key): item[key] for key in item})
        resolve(pack)
    except RemoteProtocolError as error:
        raise LocalProtocolError(str(error)) from None
    return pack
