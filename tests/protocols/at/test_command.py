import pytest

from protocols.at.command import is_final


@pytest.mark.parametrize("line", ["OK", "ERROR", "+CME ERROR: 513", "+CME ERROR:50", "+CMS ERROR: 500"])
def test_these_lines_end_a_command(line: str) -> None:
    assert is_final(line)


@pytest.mark.parametrize("line", ["SEND OK", "CLOSE OK", "OK ", "+CSQ:13,99", "ok", "ERRORS", "SEND FAIL"])
def test_these_lines_do_not(line: str) -> None:
    assert not is_final(line)
