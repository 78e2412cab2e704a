"""`hutong-sim new driver`: a folder with all that a new kind of device needs, made from sim_devices/kit/scaffolds."""

import importlib.util
import keyword
import re
import sys
from pathlib import Path

from sim_devices.lines import BUILTIN as PROTOCOLS
from sim_devices.models.catalog import BUILTIN as MODELS

SCAFFOLDS = Path(__file__).parent / "scaffolds"
KINDS = ("code", "template")
SUFFIX = ".tmpl"  # so that no tool takes a scaffold for code of this project
PACKAGE_IN_PATH = "PACKAGE"
NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
LONGEST = 30  # with "-over-tcp" behind it, a driver's name has 40 characters at most

NEXT = {
    "code": """\
made {folder}. Next:

  cd {folder}
  pip install --no-build-isolation -e .
  pytest                                                    # green already: the conformance checks and your own
  hutong-sim run bench.toml --with {package}.simulator      # the device, on 127.0.0.1:5099
  hutong-driver read {name}-over-tcp {package} 127.0.0.1:5099    # its readings, from another terminal
  hutong-sim city --guest gateway.toml                      # the city, with your device on its console

then make it yours: {package}/codec.py (the bytes), {package}/models (the channels), {package}/simulator.py.
docs/tutorials/driver-from-nothing.md goes through it step by step.""",
    "template": """\
made {folder}. Next:

  cd {folder}
  pytest                                                    # green already: the conformance checks and your own
  hutong-sim run bench.toml --with simulator.py             # the device, on 127.0.0.1:5099
  hutong-driver read modbus-tcp {package}.toml 127.0.0.1:5099    # its readings, from another terminal
  hutong-sim city --guest gateway.toml                      # the city, with your device on its console

then make it yours: {package}.toml (the registers), simulator.py (the same registers, written apart).
docs/tutorials/template-from-a-register-list.md brings a vendor's whole list in at once.""",
}


class Refused(Exception):
    """Nothing was written; says why, and what would do."""


def create(name: str, kind: str, parent: Path) -> Path:
    """Writes the scaffold of `kind` to a new folder of that name below `parent`. Raises Refused, or OSError."""
    package = checked(name)
    folder = parent / name
    if folder.exists():
        raise Refused(f"{folder} is there already; remove it, or choose another name or --dir")
    root = SCAFFOLDS / kind
    words = {"@@name@@": name.replace("_", "-"), "@@package@@": package, "@@Title@@": _title(package),
             "@@Class@@": _title(package).replace(" ", "")}  # fmt: skip
    for path in sorted(root.rglob(f"*{SUFFIX}")):
        text = path.read_text("utf-8")
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        relative = str(path.relative_to(root)).removesuffix(SUFFIX).replace(PACKAGE_IN_PATH, package)
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    return folder


def next_steps(folder: Path, kind: str) -> str:
    name = folder.name.replace("_", "-")
    return NEXT[kind].format(folder=folder, name=name, package=name.replace("-", "_"))


def checked(name: str) -> str:
    """The name as a Python package's. Raises Refused."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        hint = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:LONGEST].rstrip("-")
        raise Refused(
            f"{name!r} is no name for a driver: small letters and digits, words joined by '-', a letter first, at most "
            f"{LONGEST}" + (f"; {hint!r} would do" if hint and hint != name else "")
        )
    package = name.replace("-", "_")
    if keyword.iskeyword(package) or package in sys.stdlib_module_names:
        raise Refused(f"{package} is a word of Python's own; put the maker's name before it: 'acme-{name}'")
    if package in MODELS or name in PROTOCOLS or package in PROTOCOLS:
        raise Refused(f"{name} is the name of one of hutong's own; put the maker's name before it: 'acme-{name}'")
    if importlib.util.find_spec(package) is not None:
        raise Refused(f"a package {package} is installed here already, and would hide yours; choose another name")
    return package


def _title(package: str) -> str:
    return " ".join(word.capitalize() for word in package.split("_"))
