import pytest

from rlhpc.words import count


@pytest.mark.parametrize(("n", "told"), [(0, "0 results"), (1, "1 result"), (2, "2 results")])
def test_only_of_one_thing_there_is_no_plural(n, told):
    assert count(n, "result") == told
