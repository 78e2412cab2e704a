import tomllib

from hypothesis import given
from hypothesis import strategies as st

from agent.toml_lines import scan_lines


def test_every_table_and_key_has_its_line() -> None:
    text = '''# a comment = not a key
[server]
"port" = 1  # [not.a.table]
list = [
  1, # ]
  2,
]
text = """
[not]
a = "key"
"""

[[bus]]
name = "a=b # c"
  [bus.device.channel."odd.name"]
  deep . er = { x = 1, y = [2] }
[[bus]]
name = '[no]'
[[bus.device]]
unit = 1
[[bus.device]]
unit = 2'''
    assert scan_lines(text) == {
        ("server",): 2,
        ("server", "port"): 3,
        ("server", "list"): 4,
        ("server", "text"): 8,
        ("bus", 0): 13,
        ("bus", 0, "name"): 14,
        ("bus", 0, "device", "channel", "odd.name"): 15,
        ("bus", 0, "device", "channel", "odd.name", "deep", "er"): 16,
        ("bus", 1): 17,
        ("bus", 1, "name"): 18,
        ("bus", 1, "device", 0): 19,
        ("bus", 1, "device", 0, "unit"): 20,
        ("bus", 1, "device", 1): 21,
        ("bus", 1, "device", 1, "unit"): 22,
    }


keys = st.from_regex(r"[a-z]{1,4}", fullmatch=True) | st.sampled_from(['"a b"', "'#'", '"\\u00e9="', '"]"'])
values = st.sampled_from(
    [
        "1",
        "true",
        '"x = [#"',
        "'\\'",
        "[1, [2, 3]]",
        "{ a = '}' }",
        '"""\n[q]\nk = 1\\"""""',
        "'''\n#'''",
        "[\n1, # ]\n2]",
    ]
)


@given(st.lists(st.tuples(st.booleans(), keys, values), max_size=10))
def test_the_scan_finds_every_key_that_tomllib_finds_on_the_line_it_stands_on(
    items: list[tuple[bool, str, str]],
) -> None:
    lines: list[str] = []
    wanted: dict[tuple[str | int, ...], int] = {}
    seen: set[str] = set()
    line, table = 1, 0
    for opens, key, value in items:
        if opens:
            lines.append("[[t]]")
            wanted["t", table] = line
            table, line, seen = table + 1, line + 1, set()
        name = next(iter(tomllib.loads(f"{key}=0")))
        if name in seen or (not table and name == "t"):
            continue
        seen.add(name)
        lines.append(f"{key} = {value}")
        wanted[("t", table - 1, name) if table else (name,)] = line
        line += 1 + value.count("\n")
    text = "\n".join(lines)
    tomllib.loads(text)
    assert scan_lines(text) == wanted
