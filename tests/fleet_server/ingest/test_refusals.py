from datetime import UTC, datetime

from fleet_server.ingest.arrivals import Raw, Refused
from fleet_server.ingest.refusals import BURST, HEAD, Sampler, row


def refused(gateway: str = "D1", reason: str = "not-authentic", sealed: bytes = b"x") -> Refused:
    return Refused(Raw("hutong/1/D1/data", sealed), gateway, reason, "why\0")


def test_a_flood_of_one_kind_leaves_one_sample_a_group() -> None:
    assert len(Sampler().choose([refused()] * 1000, 0.0)) == 1


def test_a_flood_of_many_kinds_is_bounded_and_recovers_with_time() -> None:
    sampler = Sampler()
    flood = [refused(f"D{n}") for n in range(1000)]
    assert len(sampler.choose(flood, 0.0)) == BURST
    assert sampler.choose(flood, 0.1) == []
    assert len(sampler.choose(flood, 5.1)) == 5


def test_a_rare_kind_shows_in_the_flood_of_another() -> None:
    kept = Sampler().choose([*[refused()] * 500, refused("D2", "wrong-topic")], 0.0)
    assert {item.reason for item in kept} == {"not-authentic", "wrong-topic"}


def test_only_the_head_of_a_message_is_kept_and_its_size_told() -> None:
    kept = row(refused(sealed=bytes(5000)), datetime(2026, 1, 1, tzinfo=UTC))
    assert (len(kept[-1]), kept[5], kept[6]) == (HEAD, 5000, False)  # type: ignore[arg-type]
    assert kept[4] == "why\\0"
