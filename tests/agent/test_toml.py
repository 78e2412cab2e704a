from pathlib import Path

import pytest

from agent.toml import ConfigError, Document, nearest, spell


def read(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Document:
    path = tmp_path / "some.toml"
    path.write_text(text, "utf-8")
    return Document(path, environ or {}, "HUTONG", ["server"])


def problems(document: Document) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        document.refuse_if_wrong()
    return tuple(problem.rpartition("/")[2] for problem in caught.value.problems)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    document = read(tmp_path, '[server]\nprot = 1\nhost = 5\nshare = 1.5\n[[bus]]\nname = ""\n')
    server, (bus,) = document.root.table("server"), document.root.tables("bus")
    bus.text("name")
    server.text("host")
    server.number("share", low=0, high=1)
    server.integer("port", low=1, high=9)
    server.done()
    assert problems(document) == (
        "some.toml:1: server: 'port' is missing: expected a whole number",
        "some.toml:2: server.prot: there is no such key here; did you mean 'port'?",
        "some.toml:3: server.host: expected a text in quotes, not 5",
        "some.toml:4: server.share: 1.5 is not between 0 and 1",
        "some.toml:6: bus[0].name: expected a text in quotes, and it is empty",
    )


@pytest.mark.parametrize("text", ["server = 3", "server = [1]"])
def test_a_value_where_a_table_belongs_is_told(tmp_path: Path, text: str) -> None:
    document = read(tmp_path, text)
    document.root.table("server").done()
    assert problems(document) == ("some.toml:1: server: expected a table [server]",)


def test_a_table_where_an_array_of_tables_belongs_is_told(tmp_path: Path) -> None:
    document = read(tmp_path, "[bus]\nname = 'a'")
    assert document.root.tables("bus") == []
    assert problems(document) == ("some.toml:1: bus: expected tables, each under its own [[bus]]",)


def test_arrays_hold_numbers_that_a_float_can_hold_and_a_bare_one_is_one(tmp_path: Path) -> None:
    big = "9" * 400
    document = read(
        tmp_path, f"a = 5\nb = [1, 2.5]\nc = [1, true]\nd = {big}\ne = [[1, 2]]\nf = [[1, 2], [3]]\ng = [1]"
    )
    root = document.root
    assert [root.some_numbers(key) for key in "abcdx"] == [(5.0,), (1.0, 2.5), (), (), ()]
    assert [root.pairs(key) for key in "efgx"] == [((1.0, 2.0),), (), (), ()]
    assert root.numbers("g", 1) == (1.0,)
    assert len(problems(document)) == 4


def test_a_switch_may_name_what_it_switches_on(tmp_path: Path) -> None:
    document = read(tmp_path, 'a = true\nb = "left"\nc = "lift"\nd = 1')
    root = document.root
    assert [root.switch_or_choice(key, ("left", "right")) for key in "abx"] == [True, "left", False]
    root.switch_or_choice("c", ("left", "right"))
    root.switch_or_choice("d", ("left", "right"))
    first, second = problems(document)
    assert first == "some.toml:3: c: 'lift' is not known; did you mean 'left'?; one of left, right"
    assert second == "some.toml:4: d: expected true or false, not 1"


def test_a_truth_value_is_not_a_number(tmp_path: Path) -> None:
    document = read(tmp_path, "a = true\nb = true\nc = 1\nd = [1, true]\ne = nan")
    root = document.root
    assert (root.integer("a", 3, low=0, high=9), root.number("b", 4, low=0, high=9)) == (3, 4)
    assert (root.boolean("c", default=True), root.numbers("d", 2)) == (True, None)
    root.number("e", low=0, high=1)
    assert len(problems(document)) == 5


def test_a_variable_replaces_a_key_and_is_named_when_it_is_wrong(tmp_path: Path) -> None:
    environ = {"HUTONG_SERVER_PORT": "80", "HUTONG_SERVER_HOST": "", "HUTONG_SERVER_PROT": "1", "HUTONG_OTHER_X": "1"}
    document = read(tmp_path, "[server]\nport = 1\nhost = 'a'\non = false", environ | {"HUTONG_SERVER_ON": "true"})
    server = document.root.table("server")
    assert server.integer("port", low=1, high=100) == 80
    assert server.boolean("on", default=False) is True
    server.text("host")
    server.done()
    document.root.done()
    assert problems(document) == (
        "HUTONG_SERVER_HOST (environment): expected a text in quotes, and it is empty",
        "HUTONG_SERVER_PROT (environment): there is no such key here; did you mean 'port'?",
    )


def test_a_variable_may_set_what_the_file_leaves_out(tmp_path: Path) -> None:
    document = read(tmp_path, "", {"HUTONG_SERVER_SHARE": "0.5"})
    assert document.root.table("server").number("share", low=0, high=1) == 0.5
    document.refuse_if_wrong()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"a = ", "not valid TOML"), (b"a = 1\na = 2", "not valid TOML"), (b"\xff", "not UTF-8 text")],
)
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        Document(path, {}, "HUTONG", [])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        Document(tmp_path / "none.toml", {}, "HUTONG", [])


def test_only_a_near_name_is_proposed() -> None:
    assert nearest("perod_s", ["period_s", "unit"]) == "; did you mean 'period_s'?"
    assert nearest("qqq", ["period_s", "unit"]) == ""


def test_a_place_is_spelled_as_people_write_it() -> None:
    assert spell(("bus", 0, "device", 2, "unit")) == "bus[0].device[2].unit"


def test_an_array_of_texts_holds_texts_alone_and_may_be_absent(tmp_path: Path) -> None:
    document = read(tmp_path, 'a = ["x", "y"]\nb = ["x", 1]\nc = [""]\nd = "x"\n')
    root = document.root
    assert [root.texts(key) for key in "abcde"] == [("x", "y"), (), (), (), ()]
    assert problems(document) == (
        "some.toml:2: b: expected an array of texts in quotes, not ['x', 1]",
        "some.toml:3: c: expected an array of texts in quotes, not ['']",
        "some.toml:4: d: expected an array of texts in quotes, not 'x'",
    )
