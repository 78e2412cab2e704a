import socket
import stat
from pathlib import Path

from sim_devices.city.private import (
    SOCKET_LIMIT,
    forget_socket_folder,
    free_port,
    is_free,
    keep_port,
    keep_secret,
    private_folder,
    socket_folder,
    write_private,
)


def test_a_secret_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    first = keep_secret(tmp_path / "key", 32)
    assert len(first) == 64
    assert keep_secret(tmp_path / "key", 32) == first
    assert keep_secret(tmp_path / "other", 32) != first
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_file_is_replaced_whole_and_keeps_no_wider_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o755)
    assert stat.S_IMODE(private_folder(tmp_path / "a").stat().st_mode) == 0o700


def test_a_port_is_kept_while_it_is_free_and_no_two_names_get_one(tmp_path: Path) -> None:
    register = tmp_path / "ports.json"
    web, broker = keep_port(register, "web"), keep_port(register, "broker")
    assert web != broker
    assert keep_port(register, "web") == web
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", web))
        taker.listen()
        assert not is_free(web)
        moved = keep_port(register, "web")
    assert moved not in (web, broker)
    assert keep_port(register, "web") == moved
    assert is_free(free_port())


def test_sockets_lie_below_the_city_unless_their_path_is_too_long(tmp_path: Path) -> None:
    near = socket_folder(tmp_path / "s", "control")
    assert near == tmp_path / "s"
    far = socket_folder(tmp_path / ("x" * SOCKET_LIMIT), "control")
    assert len(str(far / "control")) <= SOCKET_LIMIT
    assert stat.S_IMODE(far.stat().st_mode) == 0o700
    assert socket_folder(tmp_path / ("x" * SOCKET_LIMIT), "control") == far, "a server that starts again has moved"
    forget_socket_folder(near)
    forget_socket_folder(far)
    assert near.exists()
    assert not far.exists()
    again = socket_folder(tmp_path / ("x" * SOCKET_LIMIT), "control")
    assert again.is_dir()
    forget_socket_folder(again)
