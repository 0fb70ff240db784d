"""What all tests share holds where a test fails."""

import signal
import subprocess

import pytest


def test_what_a_failing_test_has_started_is_killed_and_not_waited_for():
    with pytest.raises(ZeroDivisionError), subprocess.Popen(["sleep", "600"]) as endless:
        1 / 0  # noqa: B018  # fails
    assert endless.returncode == -signal.SIGKILL


def test_what_a_passing_test_has_started_may_end_by_itself():
    with subprocess.Popen(["sleep", "0.1"]) as short:
        pass
    assert short.returncode == 0
