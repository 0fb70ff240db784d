"""The verification of exact resume; tests/jobs/test_verify_resume.py carries it out."""

import os
from types import SimpleNamespace

import pytest

from rlhpc.training import verify


def test_nothing_is_killed_any_more_when_the_result_is_stored(tmp_path, make_training, monkeypatch):
    """The number of the training's process may be another's by then."""
    store = SimpleNamespace(folder=lambda training: tmp_path, has=lambda training: True)
    monkeypatch.setattr(os, "kill", lambda pid, signum: pytest.fail(f"{pid} would have been killed"))
    verify._Killer(store, (), ())._kill(make_training(), 2**22 - 1, 100, 0.0)
