import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiomqtt import MqttError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.uplink import Broker, parse_broker
from agent.uplink.broker import within


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://127.0.0.1:1884", ("127.0.0.1", 1884, False)),
        ("mqtt://broker.example", ("broker.example", 1883, False)),
        ("mqtts://broker.example", ("broker.example", 8883, True)),
        ("mqtts://[::1]:9000/", ("::1", 9000, True)),
    ],
)
def test_a_brokers_url_is_scheme_host_and_port(url: str, expected: tuple[str, int, bool]) -> None:
    broker = parse_broker(url)
    assert (broker.host, broker.port, broker.tls) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:1883",
        "http://broker",
        "mqtt://",
        "mqtt://broker/topic",
        "mqtt://broker:port",
        "mqtt://broker?x=1",
    ],
)
def test_what_is_no_brokers_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_broker(url)


def test_a_secret_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="only host and port") as told:
        parse_broker("mqtt://name:secret@broker")
    assert "secret" not in str(told.value)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Broker("broker", 1883, password="secret"))


def test_tls_checks_certificates_and_names(tmp_path: Path) -> None:
    context = Broker("broker", 8883, tls=True).tls_context()
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"
    assert Broker("broker", 1883).tls_context() is None
    with pytest.raises(OSError, match=r".+"):
        Broker("broker", 8883, tls=True, ca_file=tmp_path / "absent.pem").tls_context()


async def test_what_takes_too_long_is_told_as_a_broker_that_does_not_answer() -> None:
    with pytest.raises(MqttError, match=r"no answer within 0\.01 s"):
        async with within(0.01):
            await asyncio.sleep(10)


async def test_a_cancellation_that_meets_the_answer_is_not_lost() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        async with within(10):
            await answer

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(wait())
        await asyncio.sleep(0)
        answer.set_result(None)
        waiting.cancel()
    assert waiting.cancelled()


@pytest.fixture
def certified(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for fleet.example that is its own authority, and its key."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fleet.example")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("fleet.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "fleet.pem", tmp_path / "fleet.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files


@pytest.mark.parametrize("host", ["fleet.example", "other.example"])
async def test_a_carried_connection_is_checked_for_the_brokers_name_and_not_for_where_it_was_connected(
    host: str, certified: tuple[Path, Path]
) -> None:
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(*certified)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server_context)
    address = server.sockets[0].getsockname()[:2]

    async def reach() -> tuple[str, int]:
        return str(address[0]), int(address[1])

    def shake_hands() -> str:
        context = Broker(host, 8883, tls=True, ca_file=certified[0], reach=reach).tls_context()
        assert context is not None
        with (
            socket.create_connection(address, timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
        ):
            return str(wrapped.version())

    try:
        if host == "fleet.example":
            assert (await asyncio.to_thread(shake_hands)).startswith("TLS")
        else:
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                await asyncio.to_thread(shake_hands)
    finally:
        server.close()
