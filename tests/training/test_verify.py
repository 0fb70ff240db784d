"""The verification of exact resume; tests/jobs/test_verify_resume.py carries it out."""

import os
import sys
from types import SimpleNamespace

import pytest

from rlhpc.training import signature, verify
from rlhpc.training.algos import CLASSES


@pytest.mark.parametrize(
    ("base", "own", "expected"),
    [
        ("PPO", "", 2_048 * 2 * 5),
        ("PPO", "(self, policy, env, **kwargs)", 2_048 * 2 * 5),
        ("PPO", "(self, policy, env, n_steps=512, **kwargs)", 512 * 2 * 5),
        ("A2C", "", verify.MINIMUM_TIMESTEPS),
        ("DQN", "(self, policy, env, **kwargs)", verify.MINIMUM_TIMESTEPS + 100),
    ],
)
def test_there_is_a_rollout_between_all_kills_and_then_some(base, own, expected, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(CLASSES, "Mine", "my_agents:Mine")
    init = f"def __init__{own}: pass" if own else "pass"
    (tmp_path / "my_agents.py").write_text(f"import stable_baselines3\n\nclass Mine(stable_baselines3.{base}):\n    {init}\n")
    try:
        assert verify.enough_timesteps({"class": "Mine"}, 3) == expected
    finally:
        sys.modules.pop("my_agents", None)
        signature.arguments.cache_clear()


def test_nothing_is_killed_any_more_when_the_result_is_stored(tmp_path, make_training, monkeypatch):
    """The number of the training's process may be another's by then."""
    store = SimpleNamespace(folder=lambda training: tmp_path, has=lambda training: True)
    monkeypatch.setattr(os, "kill", lambda pid, signum: pytest.fail(f"{pid} would have been killed"))
    verify._Killer(store, (), ())._kill(make_training(), 2**22 - 1, 100, 0.0)
