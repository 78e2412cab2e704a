"""What is built and installed elsewhere has all that the checkout has, and nothing that is not ours."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "drivers", "firmware", "fleet_server", "protocols", "sim_devices")
ABOUT = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")
NEEDED = {".toml", ".csv", ".sql", ".html", ".css", ".js", ".svg", ".png", ".typed", ".py", ".tmpl"}
AGENT = """
[gateway]
code = "D1101149001000077A"
data_dir = "data"
[uplink]
broker = "mqtt://127.0.0.1:1"
password_file = "password"
key_file = "key"
[[bus]]
name = "bench"
driver = "modbus-tcp"
address = "127.0.0.1:1"
[[bus.device]]
code = "D11011490010001015"
name = "lamp"
model = "lamp_controller"
unit = 1
"""

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, since building writes beside the sources. Packages of npm lie in it as they do after `make run`."""
    tree = tmp_path_factory.mktemp("wheel") / "tree"
    for name in PACKAGES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for name in ABOUT:
        shutil.copy(ROOT / name, tree)
    foreign = tree / "fleet_server" / "web" / "node_modules" / "uplot" / "dist"
    foreign.mkdir(parents=True)
    (foreign / "uPlot.js").touch()
    return tree


@pytest.fixture(scope="module")
def wheel(tree: Path) -> Path:
    argv = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tree.parent / "dist"), str(tree)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (tree.parent / "dist").glob("*.whl")  # from the source archive, which so proves to be whole as well
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Iterator[Path]:
    """The folder of programs of a fresh environment with hutong[server], from the locked packages."""
    place = wheel.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "locks" / "server.txt")], check=True)
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    yield place / "bin"
    shutil.rmtree(place)


def run(folder: Path, *argv: str) -> str:
    done = subprocess.run([str(folder / argv[0]), *argv[1:]], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_holds_every_file_of_the_packages_and_none_of_npms(tree: Path, wheel: Path) -> None:
    wanted = {
        str(path.relative_to(tree))
        for name in PACKAGES
        for path in (tree / name).rglob("*")
        if path.suffix in NEEDED and "node_modules" not in path.parts
    }
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == wanted


def test_the_installed_gateway_knows_its_models_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text(AGENT, encoding="utf-8")
    (tmp_path / "password").write_text("secret", encoding="ascii")
    (tmp_path / "key").write_text("00" * 32, encoding="ascii")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "password").chmod(0o600)
    run(installed, "hutong-agent", "check", str(tmp_path / "agent.toml"))


def test_the_installed_server_imports_all_of_its_parts(installed: Path) -> None:
    assert json.loads(run(installed, "hutong-fleet", "openapi"))["paths"]


def test_the_installed_console_finds_every_template_and_language(installed: Path) -> None:
    code = (
        "import fleet_server, pathlib, jinja2; at = pathlib.Path(fleet_server.__file__).parent\n"
        "assert 'site-packages' in at.parts, at\n"
        "pages = [*at.rglob('templates/**/*.html')]; assert len(pages) > 20, pages\n"
        "for page in pages: jinja2.Environment(extensions=['jinja2.ext.i18n']).parse(page.read_text('utf-8'))\n"
    )
    run(installed, "python", "-P", "-c", code)
