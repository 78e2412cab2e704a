"""Published vectors: ISO/IEC 7064 examples, GB 32100 codes of real organisations (facts, 3.2)."""

from collections.abc import Callable

import pytest

from protocols.citycode import check
from protocols.errors import LocalProtocolError


@pytest.mark.parametrize(
    ("system", "body", "expected"),
    [
        (check.mod_37_36, "A12425GABC1234002", "M"),
        (check.mod_37_36, "B1101140118000123", "9"),
        (check.mod_37_36, "B1101140103004567", "8"),
        (check.mod_97_10, "794", "44"),
        (check.mod_97_10, "99991234567890121414", "90"),
        (check.mod_97_10, "1101140118000123", "85"),
        (check.mod_11_2, "0794", "0"),
        (check.mod_11_2, "079", "X"),
        (check.mod_11_2, "11010519491231002", "X"),
        (check.mod_11_2, "44052418800101001", "4"),
        (check.mod_37_2, "G123489654321", "Y"),
        (check.gb_32100, "91110000600037341", "L"),
        (check.gb_32100, "91350100M000100Y4", "3"),
        (check.gb_32100, "9111000071093123X", "X"),
        (check.gb_32100, "91110000802100433", "B"),
        (check.gb_32100, "91110000800000553", "4"),  # published with a wrong 8
        (check.gb_11714, "D2143569", "X"),
    ],
)
def test_the_published_vectors_hold(system: Callable[[str], str], body: str, expected: str) -> None:
    assert system(body) == expected


def test_the_product_after_each_character_is_the_published_one() -> None:
    published = [22, 9, 20, 3, 8, 18, 7, 14, 30, 25, 29, 21, 5, 10, 22, 11, 28]
    body = "B1101140118000123"
    # The check answers (1 - P) mod 36, so P mod 36 can be read back from every prefix.
    products = [(1 - check.ALPHANUMERIC.index(check.mod_37_36(body[:length]))) % 36 for length in range(1, 18)]
    assert products == [product % 36 for product in published]


@pytest.mark.parametrize(
    ("system", "body"),
    [(check.mod_37_36, "b1"), (check.mod_11_2, "07X"), (check.gb_32100, "I1110000600037341"), (check.mod_97_10, "7 4")],
)
def test_a_character_outside_the_alphabet_is_named(system: Callable[[str], str], body: str) -> None:
    with pytest.raises(LocalProtocolError, match="not in the alphabet"):
        system(body)
