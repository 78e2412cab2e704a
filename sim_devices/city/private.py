"""What a city keeps to itself: folders of mode 0700, files of mode 0600, and ports that stay the same if they can."""

import json
import os
import secrets
import shutil
import socket
import tempfile
from pathlib import Path


def private_folder(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> Path:
    """Replaces the file in one step; it is never readable by others, not even while it is written."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as sink:
        sink.write(text)
    fresh.replace(path)
    return path


def keep_secret(path: Path, size: int = 24) -> str:
    """The secret in `path`; a new one of `size` random bytes, as hex, when there is none."""
    if path.is_file() and (known := path.read_text(encoding="utf-8").strip()):
        return known
    fresh = secrets.token_hex(size)
    write_private(path, fresh + "\n")
    return fresh


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def keep_port(register: Path, name: str) -> int:
    """The loopback port that `register` (JSON) holds for `name`, if still free; else a free one, which is noted."""
    known: dict[str, int] = {}
    if register.is_file():
        known = json.loads(register.read_text(encoding="utf-8"))
    port = known.get(name, 0)
    if port == 0 or not is_free(port):
        taken = set(known.values())
        while (port := free_port()) in taken:
            continue
        write_private(register, json.dumps(known | {name: port}, indent=2) + "\n")
    return port


SOCKET_LIMIT = 103  # the shortest sockaddr_un of those we meet: macOS has 104 bytes with the closing zero


def socket_folder(wanted: Path, longest_name: str) -> Path:
    """A folder of mode 0700 for unix sockets: `wanted`, unless a socket's path there would not fit into an address;
    then one among temporary files, the same at each call until `forget_socket_folder` removes it: whoever knows the
    way to a server finds it there when it has started again."""
    if len(os.fsencode(wanted / longest_name)) <= SOCKET_LIMIT:
        return private_folder(wanted)
    link = wanted.with_name(f"{wanted.name}.elsewhere")
    private_folder(link.parent)
    if link.is_dir():
        return private_folder(link.readlink())
    link.unlink(missing_ok=True)
    link.symlink_to(tempfile.mkdtemp(prefix="hutong-"))
    return link.readlink()


def forget_socket_folder(folder: Path) -> None:
    if folder.parent == Path(tempfile.gettempdir()) and folder.name.startswith("hutong-"):
        shutil.rmtree(folder, ignore_errors=True)
