"""COSE_Mac0 with HMAC 256/256 (RFC 9052, 6.2; RFC 9053, 3.1), the only COSE structure the edge contract needs."""

import hashlib
import hmac
from collections.abc import Mapping

import cbor2

from protocols.edge.cbor import load_one
from protocols.errors import LocalProtocolError, RemoteProtocolError

HMAC_256_256 = 5  # RFC 9053, table 3
_ALG, _KID = 1, 4  # common header labels, RFC 9052, 3.1
_MAC0_TAG = 17  # RFC 9052, table 1
MIN_KEY_BYTES = 32  # RFC 9053, 3.1: keys shorter than the hash output are not used


def key_id(key: bytes) -> bytes:
    """Eight bytes that name a key without telling anything of it."""
    return hashlib.sha256(b"hutong key id" + key).digest()[:8]


def seal(key: bytes, payload: bytes, aad: bytes) -> bytes:
    """The tagged COSE_Mac0 over `payload`, bound to `aad`, which is not sent. LocalProtocolError for a short key."""
    if len(key) < MIN_KEY_BYTES:
        raise LocalProtocolError(f"a key of {len(key)} bytes; the shortest allowed has {MIN_KEY_BYTES}")
    protected = cbor2.dumps({_ALG: HMAC_256_256, _KID: key_id(key)})
    tag = _mac(key, protected, aad, payload)
    return cbor2.dumps(cbor2.CBORTag(_MAC0_TAG, [protected, {}, payload, tag]))


def open_sealed(message: bytes, keys: dict[bytes, bytes], aad: bytes) -> bytes:
    """The payload of `message` after its MAC has been checked under the key it names.

    `keys` maps key ids to keys: two of them while a key is being replaced. A key may also stand under the id `b""`,
    for messages that name none. Raises RemoteProtocolError for anything but a well-formed Mac0 with a right MAC;
    the error never tells how close a MAC was.
    """
    protected, payload, tag = _parts(message)
    header = _header(protected)
    if header.get(_ALG) != HMAC_256_256:
        raise RemoteProtocolError(f"COSE algorithm {header.get(_ALG)!r}: only HMAC 256/256 (5) is accepted")
    kid = header.get(_KID, b"")
    key = keys.get(kid) if isinstance(kid, bytes) else None
    if key is None:
        raise RemoteProtocolError("sealed under a key that is not known here")
    if not hmac.compare_digest(_mac(key, protected, aad, payload), tag):
        raise RemoteProtocolError("the MAC does not match: forged, redirected, or sealed under another key")
    return payload


def _mac(key: bytes, protected: bytes, aad: bytes, payload: bytes) -> bytes:
    structure = cbor2.dumps(["MAC0", protected, aad, payload])  # RFC 9052, 6.3
    return hmac.digest(key, structure, "sha256")


def _parts(message: bytes) -> tuple[bytes, bytes, bytes]:
    match load_one(message):
        case cbor2.CBORTag(tag=17, value=[bytes(protected), {**unprotected}, bytes(payload), bytes(tag)]):
            # What no MAC covers is not let in: a broker could write there.
            if not unprotected:
                return protected, payload, tag
            raise RemoteProtocolError("a COSE_Mac0 with unprotected headers")
    raise RemoteProtocolError("not a tagged COSE_Mac0 structure")


def _header(protected: bytes) -> Mapping[object, object]:
    header = load_one(protected)
    if not isinstance(header, Mapping):
        raise RemoteProtocolError("the protected header is not a map")
    return header
