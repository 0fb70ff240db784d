"""When a training has failed for good."""

import pytest

from rlhpc.results.missing import has_given_up

FAILED, KILLED = {"reason": "boom"}, {"reason": "killed", "forgiven": True}
RETRIED, LAST = ({**FAILED, "forgiven": False, "will_retry": will_retry} for will_retry in (True, False))


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([], False),
        ([RETRIED], False),
        ([LAST], True),
        ([RETRIED, LAST], True),
        ([LAST, RETRIED], False),
        ([LAST, KILLED], False),
        ([{**KILLED, "will_retry": False}], False),
        ([FAILED], True),
        ([{**FAILED, "forgiven": False}], True),
        ([KILLED], False),
    ],
)
def test_a_training_has_given_up_when_its_last_ending_was_its_own_fault_and_the_last_try(attempts, expected):
    assert has_given_up(attempts) is expected
