import asyncio
from datetime import timedelta
from typing import Any

import pytest

from fleet_server.domains.identity.models import Role
from fleet_server.domains.ledger.models import OLD_KEY_VALID
from fleet_server.domains.ledger.store import PostgresStore
from fleet_server.domains.ledger.wiring import create_enrolment
from fleet_server.kernel.database import Database
from fleet_server.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from fleet_server.kernel.ports import KEYS_CHANGED
from fleet_server.kernel.principal import system
from fleet_server.kernel.secret_files import SecretsError
from protocols.citycode import geosot, mint
from protocols.edge.birth import Description, DeviceDescription
from protocols.edge.cose import key_id

HERE = "bj.110114.110114011"
LAMP, METER = (mint("D", f"1101149001{serial:06d}").text for serial in (1, 2))
POLE = mint("B", "1101140118000123").text


def lamp(**changes: Any) -> DeviceDescription:
    cell = (23, geosot.encode(40.0707, 116.3364, 23))
    values = {
        "code": LAMP,
        "model": "lamp_controller",
        "name": "Pole 1 lamp",
        "bus": "line",
        "cell": cell,
        "mount": POLE,
    }
    return DeviceDescription(**(values | changes))


async def tell(city: Any, gateway: Any, *devices: DeviceDescription) -> None:
    async with city.context.database.system() as connection:
        store = PostgresStore(connection)
        await city.ledger.take_birth(store, system("births"), gateway.gateway.code, Description(devices, ()))


# -- enrolment and keys


async def test_enrolling_makes_a_gateway_whose_key_ingest_can_read(city: Any, database_urls: Any, clock: Any) -> None:
    enrolled = await city.gateway()
    assert enrolled.created
    async with Database(database_urls.ingest, size=1) as database:
        ingest = create_enrolment(database, clock, city.context.settings.secrets.dir)
        assert await ingest.keys(enrolled.gateway.code) == {key_id(enrolled.key): enrolled.key}
        assert await ingest.keys("D0") == {}


async def test_enrolling_again_gives_the_same_key_and_takes_the_new_name(city: Any) -> None:
    first = await city.gateway()
    again = await city.gateway(name="Renamed")
    assert (again.created, again.key) == (False, first.key)
    assert (await city.ledger.gateway(city.root, first.gateway.code)).name == "Renamed"
    assert len(await city.audited("ledger.enrol")) == 1


async def test_a_key_the_gateway_has_already_is_kept_for_a_new_ledger_and_refused_if_it_is_another(city: Any) -> None:
    code = (await city.gateway(77)).gateway.code
    with pytest.raises(Conflict, match="another key"):
        await city.enrolment.enrol(code, "Gateway", "110114011", bytes(32))
    other = mint("D", "1101149000000078").text
    assert (await city.enrolment.enrol(other, "Gateway", "110114011", bytes(range(32)))).key == bytes(range(32))


async def test_a_rotated_key_leaves_the_old_one_valid_for_a_while_behind_the_new(city: Any, clock: Any) -> None:
    enrolled = await city.gateway()
    clock.advance(hours=1)
    new = await city.enrolment.rotate_key(enrolled.gateway.code)
    assert list((await city.enrolment.keys(enrolled.gateway.code)).values()) == [new, enrolled.key]
    clock.advance(OLD_KEY_VALID - timedelta(seconds=1))
    assert len(await city.enrolment.keys(enrolled.gateway.code)) == 2
    clock.advance(seconds=1)
    assert list((await city.enrolment.keys(enrolled.gateway.code)).values()) == [new]


async def test_a_key_that_was_stolen_is_replaced_at_once(city: Any) -> None:
    code = (await city.gateway()).gateway.code
    new = await city.enrolment.rotate_key(code, at_once=True)
    assert list((await city.enrolment.keys(code)).values()) == [new]
    (row,) = await city.audited("ledger.rotate-key")
    assert row["detail"]["at_once"] is True


async def test_whoever_listens_hears_of_every_change_of_keys(city: Any, connect: Any, database_urls: Any) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with connect(database_urls.ingest) as connection, asyncio.timeout(10):
        await connection.add_listener(KEYS_CHANGED, lambda *told: heard.put_nowait(told[-1]))
        code = (await city.gateway()).gateway.code
        assert await heard.get() == code
        for change in (city.enrolment.rotate_key(code), city.ledger.change_gateway(city.root, code, status="retired")):
            while not heard.empty():
                heard.get_nowait()
            await change
            assert await heard.get() == code


@pytest.mark.parametrize("status", ["planned", "in-service", "out-of-service", "retired", None])
async def test_ingest_and_the_ledger_have_one_rule_for_who_gives_up_devices(
    city: Any, clock: Any, database_urls: Any, status: str | None
) -> None:
    mine, other = await city.gateway(77), await city.gateway(78)
    await tell(city, mine, lamp())
    async with city.owner.system() as connection:
        if status is None:
            await connection.execute("ALTER TABLE device DROP CONSTRAINT device_gateway_fkey")
            await connection.execute("DELETE FROM gateway_key WHERE gateway = $1", mine.gateway.code)
            await connection.execute("DELETE FROM gateway WHERE code = $1", mine.gateway.code)
        else:
            await connection.execute("UPDATE gateway SET status = $2 WHERE code = $1", mine.gateway.code, status)
    async with Database(database_urls.ingest, size=1) as database:
        ingest = create_enrolment(database, clock, city.context.settings.secrets.dir)
        gone = await ingest.gives_up_devices(mine.gateway.code)
    await tell(city, other, lamp())
    moved = (await city.ledger.device(city.root, LAMP)).gateway == other.gateway.code
    assert gone is moved is (status in ("retired", None))


async def test_rotating_twice_does_not_lengthen_the_life_of_the_oldest_key(city: Any, clock: Any) -> None:
    code = (await city.gateway()).gateway.code
    await city.enrolment.rotate_key(code)
    clock.advance(days=5)
    await city.enrolment.rotate_key(code)
    clock.advance(days=3)
    assert len(await city.enrolment.keys(code)) == 2


async def test_a_retired_gateway_has_no_keys_and_is_never_enrolled_again(city: Any) -> None:
    code = (await city.gateway()).gateway.code
    await city.ledger.change_gateway(city.root, code, status="retired")
    assert await city.enrolment.keys(code) == {}
    with pytest.raises(Conflict, match="retired"):
        await city.gateway()
    with pytest.raises(Conflict, match="retired"):
        await city.enrolment.rotate_key(code)


async def test_a_sealed_key_does_not_open_in_another_gateways_row_or_with_another_file(
    city: Any, tmp_path: Any, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = (await city.gateway(77)).gateway.code, (await city.gateway(78)).gateway.code
    async with city.owner.system() as connection:
        await connection.execute(
            "UPDATE gateway_key SET sealed = (SELECT sealed FROM gateway_key WHERE gateway = $1) WHERE gateway = $2",
            one,
            two,
        )
    assert await city.enrolment.keys(two) == {}
    assert await create_enrolment(city.owner, clock, tmp_path / "other").keys(one) == {}
    assert f"gateway {two}: key" in caplog.text
    with pytest.raises(SecretsError):
        await city.gateway(78)
    assert not await city.enrolment.gives_up_devices(two), (
        "a key that cannot be read is no reason to lose one's devices"
    )


@pytest.mark.parametrize(
    ("code", "division"),
    [("D1101149001000077B", "110114011"), (POLE, "110114011"), (LAMP, "119999"), (LAMP, "440300"), (LAMP, "bj.x")],
)
async def test_a_wrong_code_or_a_division_elsewhere_is_refused(city: Any, code: str, division: str) -> None:
    with pytest.raises(Invalid):
        await city.enrolment.enrol(code, "Gateway", division)


# -- births


async def test_a_birth_makes_devices_in_the_gateways_division_at_the_centre_of_their_cell(city: Any) -> None:
    await tell(city, await city.gateway(), lamp())
    device = await city.ledger.device(city.root, LAMP)
    assert (device.division, device.division_name, device.mount) == (HERE, "回龙观街道", POLE)
    assert (device.name, device.model, device.status) == ("Pole 1 lamp", "lamp_controller", "in-service")
    assert device.cell_level == 23
    assert device.lat == pytest.approx(40.0707, abs=1e-4)
    assert device.lon == pytest.approx(116.3364, abs=1e-4)
    (row,) = await city.audited("ledger.add-device")
    assert (row["object"], row["principal"]) == (LAMP, "system:births")


async def test_a_birth_told_twice_changes_nothing_more(city: Any) -> None:
    gateway = await city.gateway()
    for _ in range(2):
        await tell(city, gateway, lamp())
    assert await city.audited("ledger.describe-device") == []
    assert len(await city.audited("ledger.add-device")) == 1


async def test_a_later_birth_changes_what_no_person_set(city: Any) -> None:
    gateway = await city.gateway()
    await tell(city, gateway, lamp())
    await city.ledger.change_device(city.root, LAMP, name="The lamp by the gate")
    await tell(city, gateway, lamp(name="Lamp", model="lamp_controller_2", cell=None))
    device = await city.ledger.device(city.root, LAMP)
    assert (device.name, device.model, device.cell, device.lat) == (
        "The lamp by the gate",
        "lamp_controller_2",
        None,
        None,
    )


async def test_a_device_cannot_be_claimed_by_another_gateway_before_its_own_is_retired(city: Any) -> None:
    mine, other = await city.gateway(77), await city.gateway(78, division="110101001")
    await tell(city, mine, lamp())
    await city.ledger.change_gateway(city.root, mine.gateway.code, status="out-of-service")
    assert await city.enrolment.keys(mine.gateway.code)  # by which ingest decides the same
    await tell(city, other, lamp(name="stolen"))
    device = await city.ledger.device(city.root, LAMP)
    assert (device.gateway, device.name, device.division) == (mine.gateway.code, "Pole 1 lamp", HERE)
    (row,) = await city.audited("ledger.refuse-device")
    assert row["object"] == other.gateway.code
    await city.ledger.change_gateway(city.root, mine.gateway.code, status="retired")
    assert not await city.enrolment.keys(mine.gateway.code)
    await tell(city, other, lamp())
    assert (await city.ledger.device(city.root, LAMP)).gateway == other.gateway.code


async def test_a_device_with_a_code_that_is_none_is_refused_and_the_others_are_taken(city: Any) -> None:
    await tell(
        city, await city.gateway(), lamp(code="D123"), lamp(code=POLE), lamp(code=LAMP.lower()), lamp(code=METER)
    )
    assert [device.code for device in await city.ledger.devices(city.root)] == [METER]
    assert len(await city.audited("ledger.refuse-device")) == 3


async def test_texts_and_cells_that_no_database_takes_do_not_stop_a_birth(city: Any) -> None:
    await tell(city, await city.gateway(), lamp(name="a\0b\x1b[31m", model="m\0", cell=(23, 2**64 - 1)))
    device = await city.ledger.device(city.root, LAMP)
    assert (device.name, device.model, device.cell) == ("a b [31m", "m", None)


async def test_a_birth_of_a_gateway_that_is_not_enrolled_makes_nothing(city: Any) -> None:
    class Stranger:
        gateway = type("G", (), {"code": LAMP})

    await tell(city, Stranger, lamp(code=METER))
    assert await city.ledger.devices(city.root) == []


async def test_a_planned_device_that_speaks_is_in_service_and_a_retired_one_stays_retired(city: Any) -> None:
    gateway = await city.gateway()
    await city.device(gateway, 1, status="planned")
    await tell(city, gateway, lamp())
    assert (await city.ledger.device(city.root, LAMP)).status == "in-service"
    await city.ledger.change_device(city.root, LAMP, status="retired")
    await tell(city, gateway, lamp(name="again"))
    assert (await city.ledger.device(city.root, LAMP)).status == "retired"


# -- scope and changes


async def test_what_is_outside_the_scope_is_not_there(city: Any) -> None:
    gateway = await city.gateway()
    await tell(city, gateway, lamp())
    near = (await city.user("near", Role.OPERATOR, ["bj.110114"])).principal
    far = (await city.user("far", Role.OPERATOR, ["bj.110101"])).principal
    assert [device.code for device in await city.ledger.devices(near)] == [LAMP]
    assert await city.ledger.devices(far) == []
    assert await city.ledger.gateways(far) == []
    for call in (city.ledger.device(far, LAMP), city.ledger.change_device(far, LAMP, name="mine")):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(NotFound):
        await city.ledger.gateway(far, gateway.gateway.code)


async def test_a_device_moves_within_ones_scope_and_not_out_of_it(city: Any) -> None:
    await tell(city, await city.gateway(), lamp())
    operator = (await city.user("li", Role.OPERATOR, ["bj.110114"])).principal
    with pytest.raises(Forbidden):
        await city.ledger.change_device(operator, LAMP, division="110101001")
    moved = await city.ledger.change_device(operator, LAMP, division="110114001")
    assert moved.division == "bj.110114.110114001"


async def test_a_change_says_before_and_after_in_the_audit_trail_and_no_change_says_nothing(city: Any) -> None:
    await tell(city, await city.gateway(), lamp())
    for _ in range(2):
        await city.ledger.change_device(city.root, LAMP, name="New name", mount="")
    (row,) = await city.audited("ledger.change-device")
    assert row["detail"] == {"name": ["Pole 1 lamp", "New name"], "mount": [POLE, None]}


@pytest.mark.parametrize(("way", "works"), [
    (["out-of-service", "in-service", "retired"], True),
    (["planned"], False),
    (["retired", "in-service"], False),
])  # fmt: skip
async def test_a_life_goes_forward(city: Any, way: list[Any], works: bool) -> None:
    await tell(city, await city.gateway(), lamp())
    try:
        for status in way:
            await city.ledger.change_device(city.root, LAMP, status=status)
    except Conflict:
        assert not works
    else:
        assert works


async def test_a_search_finds_parts_of_code_name_model_and_mount_and_takes_signs_literally(city: Any) -> None:
    gateway = await city.gateway()
    await tell(city, gateway, lamp(), lamp(code=METER, name="50% meter", model="meter_1p", mount=None))

    async def found(query: str) -> list[str]:
        return [device.code for device in await city.ledger.devices(city.root, query=query)]

    assert await found("pole 1") == [LAMP]
    assert await found(METER[-6:]) == [METER]
    assert await found("METER_") == [METER]
    assert await found("%") == [METER]
    assert await found(POLE) == [LAMP]
    assert await found("\\") == []


async def test_devices_come_in_order_of_code_and_page_by_page(city: Any) -> None:
    gateway, other = await city.gateway(77), await city.gateway(78)
    codes = sorted([await city.device(gateway, serial) for serial in range(1, 6)])
    await city.device(other, 100)
    page = await city.ledger.devices(city.root, gateway=gateway.gateway.code, limit=3)
    rest = await city.ledger.devices(city.root, gateway=gateway.gateway.code, limit=3, after=page[-1].code)
    assert [device.code for device in page + rest] == codes


async def test_a_viewer_changes_nothing(city: Any) -> None:
    await tell(city, await city.gateway(), lamp())
    viewer = (await city.user("viewer")).principal
    with pytest.raises(Forbidden):
        await city.ledger.change_device(viewer, LAMP, name="mine")
