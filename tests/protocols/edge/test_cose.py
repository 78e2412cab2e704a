import cbor2
import pytest

from protocols.edge import cose
from protocols.errors import LocalProtocolError, RemoteProtocolError

KEY = bytes(range(32))
OTHER = bytes(32)
# cose-wg/Examples, mac0-tests/HMac-01: no key id, empty external data.
RFC_KEY = bytes.fromhex("849b57219dae48de646d07dbb533566e976686457c1491be3a76dcea6c427188")
RFC_MESSAGE = bytes.fromhex(
    "d18443a10105a054546869732069732074686520636f6e74656e742e5820"
    "a1a848d3471f9d61ee49018d244c824772f223ad4f935293f1789fc3a08d8c58"
)


@pytest.mark.vectors("MQTT 5 and the edge contract", "COSE: cose-wg/Examples, HMAC")
def test_the_published_mac0_opens() -> None:
    assert cose.open_sealed(RFC_MESSAGE, {b"": RFC_KEY}, b"") == b"This is the content."


@pytest.mark.parametrize(
    ("keys", "aad"),
    [({b"": OTHER}, b""), ({b"": RFC_KEY}, b"bound"), ({}, b""), ({cose.key_id(RFC_KEY): RFC_KEY}, b"")],
)
def test_the_published_mac0_does_not_open_otherwise(keys: dict[bytes, bytes], aad: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        cose.open_sealed(RFC_MESSAGE, keys, aad)


def test_while_a_key_is_replaced_both_open() -> None:
    keys = {cose.key_id(KEY): KEY, cose.key_id(OTHER): OTHER}
    for key in (KEY, OTHER):
        assert cose.open_sealed(cose.seal(key, b"payload", b"aad"), keys, b"aad") == b"payload"


def test_a_key_id_tells_nothing_of_the_key() -> None:
    assert len(cose.key_id(KEY)) == 8
    assert cose.key_id(KEY) != cose.key_id(OTHER)
    assert cose.key_id(KEY) not in KEY


def mac0(protected: object, unprotected: object, payload: object, tag: object, number: int = 17) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(number, [protected, unprotected, payload, tag]))


PROTECTED = cbor2.dumps({1: 5, 4: cose.key_id(KEY)})


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xf6",
        mac0(PROTECTED, {}, b"p", b"x" * 32, number=18),
        mac0(PROTECTED, {}, None, b"x" * 32),
        mac0(PROTECTED, {4: b"kid"}, b"p", b"x" * 32),
        mac0(PROTECTED, [], b"p", b"x" * 32),
        mac0(PROTECTED, {}, b"p", b""),
        mac0(PROTECTED, {}, b"p", b"x" * 31),
        mac0({1: 5}, {}, b"p", b"x" * 32),
        mac0(b"", {}, b"p", b"x" * 32),
        mac0(b"\x80", {}, b"p", b"x" * 32),
        mac0(cbor2.dumps({1: 4, 4: cose.key_id(KEY)}), {}, b"p", b"x" * 32),
        mac0(cbor2.dumps({1: 5, 4: 7}), {}, b"p", b"x" * 32),
        mac0(cbor2.dumps({1: 5, 4: [1]}), {}, b"p", b"x" * 32),
        cbor2.dumps([PROTECTED, {}, b"p", b"x" * 32]),
    ],
)
def test_what_is_no_mac0_of_ours_is_refused(message: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        cose.open_sealed(message, {cose.key_id(KEY): KEY}, b"")


def test_an_unprotected_header_is_refused_under_a_right_mac() -> None:
    protected, _, payload, tag = cbor2.loads(cose.seal(KEY, b"payload", b"")).value
    with pytest.raises(RemoteProtocolError, match="unprotected"):
        cose.open_sealed(mac0(protected, {99: 1}, payload, tag), {cose.key_id(KEY): KEY}, b"")


@pytest.mark.parametrize("length", [0, 16, 31])
def test_nothing_is_sealed_under_a_key_shorter_than_the_hash(length: int) -> None:
    with pytest.raises(LocalProtocolError, match="shortest"):
        cose.seal(bytes(length), b"payload", b"")
