from agent.bus.counters import SLOT_MS, Utilisation


def test_utilisation_is_that_of_the_last_whole_slot() -> None:
    used = Utilisation(0)
    used.add(1000, 3000)
    used.add(4000, 7000)
    assert used.share(9999) == 0
    assert used.share(SLOT_MS) == 0.5
    assert used.share(2 * SLOT_MS - 1) == 0.5


def test_a_line_that_rested_for_a_slot_is_not_busy() -> None:
    used = Utilisation(0)
    used.add(0, 5000)
    assert used.share(2 * SLOT_MS) == 0


def test_utilisation_is_never_more_than_all() -> None:
    used = Utilisation(0)
    used.add(0, 9000)
    used.add(0, 9000)
    assert used.share(SLOT_MS) == 1
