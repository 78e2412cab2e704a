from fleet_server.domains.configuration.comparison import MAX_LINES, Line, compare


def test_what_differs_is_shown_with_two_lines_around_it() -> None:
    before = "\n".join("abcdefgh")
    assert compare(before, before.replace("d", "D")) == [
        Line("place", "@@ -2,5 +2,5 @@"),
        Line("same", "b"),
        Line("same", "c"),
        Line("removed", "d"),
        Line("added", "D"),
        Line("same", "e"),
        Line("same", "f"),
    ]


def test_lines_that_look_like_the_marks_of_a_comparison_keep_their_marks() -> None:
    assert compare("--- a\n+++ b", "--- a\n@@ c") == [
        Line("place", "@@ -1,2 +1,2 @@"),
        Line("same", "--- a"),
        Line("removed", "+++ b"),
        Line("added", "@@ c"),
    ]


def test_equal_texts_have_no_lines_and_texts_beyond_the_bound_are_not_compared() -> None:
    assert compare("a\nb", "a\nb") == []
    assert compare("a\n" * MAX_LINES, "b") is None
