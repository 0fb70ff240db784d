"""What all tests share holds where a test fails."""

import signal
import subprocess

import pytest


def test_what_a_failing_test_has_started_is_killed_and_not_waited_for():
    with pytest.raises(ZeroDivisionError), subprocess.Popen(["sleep", "600"]) as endless:
        1 / 0  # noqa: B018  # fails
    assert endless.returncode == -signal.SIGKILL


def test_what_takes_longer_than_a_test_may_is_killed_too(monkeypatch):
    endless = subprocess.Popen(["sleep", "600"])
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError), endless:
        patch.setattr(endless, "wait", lambda: 1 / 0)  # as where the time is over while it is waited for
    assert endless.wait() == -signal.SIGKILL


def test_what_a_passing_test_has_started_may_end_by_itself():
    with subprocess.Popen(["sleep", "0.1"]) as short:
        pass
    assert short.returncode == 0
