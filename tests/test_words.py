import pytest

from rlhpc.words import count, duration


@pytest.mark.parametrize(("n", "told"), [(0, "0 results"), (1, "1 result"), (2, "2 results")])
def test_only_of_one_thing_there_is_no_plural(n, told):
    assert count(n, "result") == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.4, "less than a second"),
        (1.04, "1 second"),
        (1.26, "1.3 seconds"),
        (119, "119 seconds"),
        (60, "1 minute"),
        (3600, "1 hour"),
        (5400, "90 minutes"),
        (9000, "2.5 hours"),
        (7200, "2 hours"),
        (86_400, "24 hours"),
        (72 * 3600, "72 hours"),
        (100 * 3600, "4.2 days"),
        (300 * 86_400, "300 days"),
        (1e11, "3,169 years"),
    ],
)
def test_a_duration_is_spelled_in_the_largest_unit_that_it_is_twice_as_long_as_and_days_from_four_on(seconds, told):
    assert duration(seconds) == told
