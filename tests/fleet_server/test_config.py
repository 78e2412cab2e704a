from pathlib import Path

import pytest

from fleet_server.config import ConfigError, load


def write(folder: Path, text: str) -> Path:
    path = folder / "fleet.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_not_written_has_its_default(tmp_path: Path) -> None:
    settings = load(write(tmp_path, ""), {})
    assert settings.web.port == 8080
    assert settings.map.tiles == ""


def test_a_secret_is_read_from_the_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "web.url").write_text("postgresql://web@/hutong\n")
    settings = load(write(tmp_path, '[database]\nweb_file = "web.url"\n'), {})
    assert settings.database.web == "postgresql://web@/hutong"
    assert "postgresql" not in repr(settings)


def test_a_relative_secrets_folder_is_below_the_configuration(tmp_path: Path) -> None:
    assert load(write(tmp_path, '[secrets]\ndir = "s"\n'), {}).secrets.dir == tmp_path / "s"


def test_a_variable_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, '[web]\nport = 1\n[database]\nweb_file = "missing"\n')
    settings = load(
        path, {"HUTONG_WEB_PORT": "9000", "HUTONG_DATABASE_WEB": "postgresql://x", "HUTONG_OTHER_THING": "1"}
    )
    assert settings.web.port == 9000
    assert settings.database.web == "postgresql://x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[web]\n\nprot = 1\n", ":3: unknown key web.prot; did you mean web.port?"),
        ("[wep]\nport = 1\n", ":1: unknown key wep; did you mean web?"),
        ('[database]\nowner_fil = "x"\n', ":2: unknown key database.owner_fil; did you mean database.owner_file?"),
        ("[web]\nzzzzzz = 1\n", ":2: unknown key web.zzzzzz; valid are host, port, public_url, max_request_kb"),
        ('[web]\nport = "http"\n', ":2: web.port: input should be a valid integer"),
        ("[web]\nport = 70000\n", ":2: web.port: input should be less than or equal to 65535"),
        ('[broker]\nurl = "mqtt://user:secret@host"\n', ":2: broker.url: string should match pattern"),
        ('[broker]\npassword_file = "none"\n', "none: No such file or directory"),
        ('[broker]\npassword = "a"\npassword_file = "none"\n', "given twice"),
        ("web.prot = 1\n", ":1: unknown key web.prot; did you mean web.port?"),
        ("web = 1\n", ":1: web: input should be a valid dictionary"),
        ("[web\n", "fleet.toml: "),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_error_in_a_variable_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^HUTONG_WEB_PORT: web\.port: input should be"):
        load(write(tmp_path, "[web]\nport = 1\n"), {"HUTONG_WEB_PORT": "http"})


def test_two_errors_are_two_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, "[web]\nprot = 1\nhots = 2\n"), {})
    assert len(str(caught.value).splitlines()) == 2


def test_an_error_never_repeats_a_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, '[broker]\nurl = "mqtt://user:hunter2@host"\n'), {})
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml", {})


def test_a_role_without_a_url_is_asked_for_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"database\.auditor .* is not set"):
        load(write(tmp_path, ""), {}).database.url("auditor")
