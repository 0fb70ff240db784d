"""Physics that is advanced without dm_control's own step; that it comes to the same is tested in test_equality.py."""

import json
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from dm_control.rl.control import PhysicsError

from rlhpc.training import registry
from rlhpc.training.envs import make_vec
from rlhpc.training.lean import control


def task(env_id="dm_control/cartpole-balance-v0"):
    assert registry.is_of_control_suite(env_id)  # and is registered by that
    return gymnasium.make(env_id).unwrapped


def test_a_physics_that_explodes_raises_as_dm_control_does():
    vec = make_vec("dm_control/cartpole-balance-v0", {}, n_envs=1, seed=1, training=True)
    vec.reset()
    physics = vec.envs[0]._env.physics
    physics.data.qvel[:] = np.nan
    with pytest.raises(PhysicsError, match="mjWARN_BADQVEL"):
        vec.step(np.zeros((1, 1)))


@pytest.mark.parametrize("legacy_step", [True, False])
@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("integrator", [0, 1])
def test_a_physics_is_advanced_as_by_its_own_step(legacy_step, n_steps, integrator):
    ours, theirs = (task()._env.physics for _ in range(2))
    for physics in (ours, theirs):
        physics.legacy_step = legacy_step
        physics.model.opt.integrator = integrator
        with physics.reset_context():
            physics.data.qpos[:] = 0.3
        physics.set_control([0.5])
    for _ in range(20):
        control._advance(ours, n_steps)
        theirs.step(n_steps)
    assert ours.get_state().tolist() == theirs.get_state().tolist()
    assert ours.data.qacc.tolist() == theirs.data.qacc.tolist()


def test_what_is_no_task_of_the_suite_or_steps_in_a_way_of_its_own_does_not_fit(monkeypatch):
    assert control.fits(task())
    assert not control.fits(gymnasium.make("CartPole-v1").unwrapped)
    flat = task()
    flat._env._flat_observation = True
    assert not control.fits(flat)
    other = task()
    monkeypatch.setattr(type(other._env.physics), "step", lambda *_: None)
    assert not control.fits(other)


# --- names of elements -----------------------------------------------------------------------------------------------------

LOOK_UP = """
import json, sys
import rlhpc.training.registry
import gymnasium, shimmy
if sys.argv[1] == "ours":
    import rlhpc.training.lean.control
env = gymnasium.make("dm_control/reacher-easy-v0")
named = env.unwrapped._env.physics.named
KEYS = [
    "wrist", ["wrist"], ["wrist", "shoulder"], [["wrist"], ["shoulder"]], ("wrist", 0), (["wrist", "shoulder"], 0),
    "finger", ("finger", "x"), ("finger", ["x", "x"]), ("finger", slice(0, 2)), (["finger", "target"], ["x", "z"]),
    0, [0, 1], -1, slice(None), (slice(None), 0), (),
    "nobody", ["nobody"], ("finger", "nobody"), ("finger", "x", 0), "", None, Ellipsis, [],
]
FIELDS = {"qpos": named.data, "qvel": named.data, "geom_xpos": named.data, "xmat": named.data, "geom_size": named.model}
found = {}
for field, table in FIELDS.items():
    for key in KEYS:
        for _ in range(2):  # the second time it is known
            try:
                told = getattr(table, field)[key].tolist()
            except Exception as error:
                told = f"{type(error).__name__}: {error}"
            found.setdefault(f"{field} {key}", []).append(told)
print(json.dumps(found))
"""


def test_elements_are_found_by_their_names_as_dm_control_finds_them():
    """In processes of their own: ours holds for all of a process."""
    ours, theirs = (
        json.loads(subprocess.run([sys.executable, "-c", LOOK_UP, who], capture_output=True, text=True, check=True).stdout)
        for who in ("ours", "theirs")
    )
    assert ours == theirs
    assert any("nobody" in str(told) for told in theirs.values())
    assert sum(not isinstance(told[0], str) for told in theirs.values()) > 40
