"""A broker that forges, replays and redirects: no spool row is freed, nothing is executed or stored twice."""

import json
import os
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from protocols import citycode
from protocols.edge import cose, envelope
from protocols.edge.messages import (
    Acknowledgement,
    AckRange,
    AckStatus,
    Command,
    acknowledgement_digest,
    decode,
    digest,
    encode,
)
from tests.e2e.attacker import Attacker
from tests.e2e.chain import INGEST_USER, Chain, Gateway, wait_for

LAMPS = [citycode.mint("D", f"1101149001003{n:03d}").text for n in (1, 2)]
GATEWAYS = [citycode.mint("D", f"11011490010000{n}").text for n in (81, 82)]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chain, list[Gateway], Attacker]]:
    tmp_path = tmp_path_factory.mktemp("city")
    with Chain(tmp_path) as chain:
        gateways = [chain.enrol(code) for code in GATEWAYS]
        sims = f'seed = 3\ncontrol = "{tmp_path}/sim.sock"\nports_file = "{tmp_path}/ports.json"\n' + "".join(
            f'[[bus]]\nname = "lamp-{n}"\nkind = "tcp"\n'
            f'[[bus.device]]\ncode = "{code}"\nname = "Lamp {n}"\nmodel = "lamp_controller"\nunit = 1\n'
            for n, code in enumerate(LAMPS)
        )
        chain.run_simulators(sims, ready=lambda _pid: (tmp_path / "ports.json").exists())
        ports = json.loads((tmp_path / "ports.json").read_text("utf-8"))
        for n, gateway in enumerate(gateways):
            chain.run_agent(
                gateway,
                f'[[bus]]\nname = "lamp"\ndriver = "modbus-tcp"\naddress = "{ports[f"lamp-{n}"]}"\n'
                f'[[bus.device]]\ncode = "{LAMPS[n]}"\nname = "Lamp {n}"\nmodel = "lamp_controller"\nunit = 1\n'
                "period_s = 0.5\n",
                name=f"agent-{n}",
            )
        password = (tmp_path / "ingest.password").read_text("ascii")
        with Attacker(chain.broker_port, INGEST_USER, password) as attacker:
            for gateway in gateways:
                attacker.wait_for(topic(gateway, "ack"), 3)
            yield chain, gateways, attacker


def topic(gateway: Gateway, leaf: str) -> str:
    return envelope.Address(gateway.code, leaf).topic


def payload_of(gateway: Gateway, leaf: str, sealed: bytes) -> bytes:
    keys = {cose.key_id(gateway.key): gateway.key}
    return envelope.open_sealed(envelope.Address(gateway.code, leaf), sealed, keys).payload


@pytest.mark.long
@pytest.mark.timeout(120)
def test_no_acknowledgement_that_the_server_did_not_give_frees_a_row(
    city: tuple[Chain, list[Gateway], Attacker],
) -> None:
    chain, (gateway, other), attacker = city
    genuine = list(attacker.recorded(topic(gateway, "ack")))
    others = list(attacker.recorded(topic(other, "ack")))
    chain.kill("ingest")  # from now on nothing is truly acknowledged
    before = len(attacker.recorded(topic(gateway, "data")))
    batches = attacker.wait_for(topic(gateway, "data"), before + 4)[before:]
    unacknowledged = chain.kept(gateway)

    first = decode(payload_of(gateway, "data", batches[-1]))
    digests = [digest(payload_of(gateway, "data", sealed)) for sealed in batches]
    forged = Acknowledgement(
        gateway.code,
        first.origin.incarnation,  # type: ignore[union-attr]
        (AckRange(1, first.origin.seq, AckStatus.STORED, acknowledgement_digest(digests)),),  # type: ignore[union-attr]
    )
    address = envelope.Address(gateway.code, "ack")
    attacks = [
        envelope.seal(address, encode(forged), os.urandom(32)),  # a key of its own
        envelope.seal(address, encode(forged), other.key),  # another gateway's key
        encode(forged),  # no seal at all
        batches[-1],  # a message of another kind, genuinely sealed
        *genuine,  # replayed
        *others,  # redirected
        b"",
        os.urandom(200),
    ]
    refused = refusals(chain, gateway)
    for attack in attacks:
        attacker.publish(topic(gateway, "ack"), attack)
    wait_for(lambda: refusals(chain, gateway) > refused, 10, "the gateway to count what it refused")
    time.sleep(1)  # what would be freed wrongly would be freed by now
    assert chain.kept(gateway) >= unacknowledged

    chain.restart("ingest")
    wait_for(lambda: chain.kept(gateway) <= 2, 40, "the true acknowledgements to free the spool")
    assert chain.administrator().get(f"/api/v1/gateways/{gateway.code}/delivery").json()["lost"] == 0


@pytest.mark.long
@pytest.mark.timeout(120)
def test_replayed_and_redirected_batches_are_stored_once_and_under_their_own_gateway(
    city: tuple[Chain, list[Gateway], Attacker],
) -> None:
    chain, (gateway, other), attacker = city
    batches = attacker.wait_for(topic(gateway, "data"), 4)[:4]
    chain.wait_delivered(gateway, 20)  # the recorded ones are stored: each replay is a repeat
    client = chain.administrator()

    def proof(of: Gateway) -> dict[str, int]:
        found = client.get(f"/api/v1/gateways/{of.code}/delivery").json()
        return {
            "lost": found["lost"],
            "duplicated": found["duplicated"],
            "repeats": sum(i["duplicates"] for i in found["incarnations"]),
        }

    before = proof(gateway)["repeats"]
    for sealed in batches * 3:
        attacker.publish(topic(gateway, "data"), sealed)
        attacker.publish(topic(other, "data"), sealed)
        attacker.publish(topic(gateway, "event"), sealed)

    try:
        wait_for(lambda: proof(gateway)["repeats"] >= before + 3 * len(batches), 20, "the repeats to be counted")
    except AssertionError as error:
        counted = dict(chain.query("SELECT name, count FROM ingest_count"))
        error.add_note(f"{proof(gateway)}, {counted}\n{chain.log('ingest')}")
        raise
    assert (proof(gateway)["lost"], proof(gateway)["duplicated"]) == (0, 0)
    assert (proof(other)["lost"], proof(other)["duplicated"]) == (0, 0)
    twice = chain.query("SELECT incarnation_id, seq, device_id FROM chunk GROUP BY 1, 2, 3 HAVING count(*) > 1")
    assert twice == []
    assert client.get("/api/v1/quarantine").json()["items"], "the redirected ones are there to be looked at"


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_command_is_executed_once_however_it_is_replayed_redirected_or_forged(
    city: tuple[Chain, list[Gateway], Attacker],
) -> None:
    chain, (gateway, other), attacker = city
    client = chain.administrator()

    def dim(value: int) -> None:
        answer = client.post(
            f"/api/v1/devices/{LAMPS[0]}/commands", json={"channel": "dim_setpoint", "value": value, "expires_s": 60}
        )
        assert answer.is_success, answer.text
        wait_for(lambda: recent(client)[0]["status"] == "done", 20, f"dimming to {value}")

    wait_for(lambda: client.get(f"/api/v1/devices/{LAMPS[0]}").is_success, 20, "the lamp in the ledger")
    wait_for(lambda: chain.query("SELECT 1 FROM gateway_state WHERE gateway = $1", gateway.code), 20, "its state")
    dim(40)
    dim(70)
    commands = attacker.recorded(topic(gateway, "cmd"))
    assert len({payload_of(gateway, "cmd", sealed) for sealed in commands}) == 2
    true = decode(payload_of(gateway, "cmd", commands[0]))
    assert isinstance(true, Command)
    now = int(time.time() * 1000)
    invented = Command(
        gateway.code,
        true.incarnation,
        999,
        os.urandom(16),
        now,
        now + 60_000,
        LAMPS[0],
        "dim_setpoint",
        Decimal(5),
        "x",
    )
    late = Command(
        gateway.code,
        true.incarnation,
        998,
        os.urandom(16),
        now - 9_000,
        now - 1,
        LAMPS[0],
        "dim_setpoint",
        Decimal(6),
        "x",
    )
    address = envelope.Address(gateway.code, "cmd")
    executed = [command["id"] for command in recent(client)]
    for _ in range(3):
        for sealed in commands:
            attacker.publish(topic(gateway, "cmd"), sealed, retain=True)  # replayed
            attacker.publish(topic(other, "cmd"), sealed)  # redirected
            attacker.publish(topic(gateway, "ack"), sealed)
        attacker.publish(topic(gateway, "cmd"), envelope.seal(address, encode(invented), other.key))  # forged
        attacker.publish(topic(gateway, "cmd"), envelope.seal(address, encode(late), gateway.key))  # held back too long
    chain.kill("agent-0")  # a retained replay meets the gateway again when it comes back
    chain.restart("agent-0")
    before = len(attacker.recorded(topic(gateway, "data")))
    attacker.wait_for(topic(gateway, "data"), before + 4)

    for lamp, expected in ((LAMPS[0], 70), (LAMPS[1], None)):
        channels = client.get(f"/api/v1/devices/{lamp}/now").json()["channels"]
        value = next(c["value"] for c in channels if c["name"] == "dim_setpoint")
        assert value == expected if expected is not None else value not in (40, 70, 5, 6)
    assert [command["id"] for command in recent(client)] == executed
    assert all(command["status"] == "done" for command in recent(client))


def recent(client: object) -> list[dict[str, str]]:
    found: list[dict[str, str]] = client.get(f"/api/v1/devices/{LAMPS[0]}/commands").json()["items"]  # type: ignore[attr-defined]
    return found


def refusals(chain: Chain, gateway: Gateway) -> float:
    return sum(
        value for name, value in chain.metrics(gateway).items() if name.startswith("hutong_agent_uplink_refused_total")
    )
