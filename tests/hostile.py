"""TOML values that are valid and not what anybody expected, and a strategy that puts them into a good file."""

import re

from hypothesis import strategies as st

VALUES = (
    *(
        "-1",
        "0",
        "1",
        "16",
        "65536",
        "99999999999999999999",
        "0.1",
        "1e308",
        "-0.0",
        "nan",
        "inf",
        "true",
        "1979-05-27",
    ),
    *('""', '"x"', '"0"', '"-0"', '"0.1"', '"1E+999999999"', '"1e-30"', '"NaN"', '"²"', r'"\u0000"', r'"\u202e"'),
    *(
        "[]",
        "[1]",
        "[[1]]",
        "[nan, 1]",
        '["1", "0"]',
        "[0xFFFFFFFFFFFFFFFF]",
        "{}",
        "{ a = 1 }",
        '{ en = "a", zh = "b" }',
    ),
    *('"state"', '"counter"', '"coil"', '"u64"', '"f32"', '"DCBA"', '{ "²" = { en = "a", zh = "b" } }'),
    *('"/dev/zero"', '"../x.toml"', '"[::1]:5"', '"[::1:5"', '"mqtt://[::1"', '"mqtt://a:99999"', '"modbus-rtu"'),
)
_KEY = re.compile(r"^[ \t]*\w+[ \t]*=.*$", re.MULTILINE)


@st.composite
def distorted(draw: st.DrawFn, good: str) -> str:
    """`good` with some of its lines removed, or their values replaced."""
    for _ in range(draw(st.integers(1, 3))):
        lines = list(_KEY.finditer(good))
        line = draw(st.sampled_from(lines))
        value = draw(st.none() | st.sampled_from(VALUES))
        new = "" if value is None else f"{line.group().partition('=')[0]}= {value}"
        good = good[: line.start()] + new + good[line.end() :]
    return good
