"""Physics that is made without a picture of the sky is the same physics; that states are saved is tested in test_snapshot.py."""

import gymnasium
import numpy as np
import pytest

from rlhpc.benchmarks import load_benchmarks
from rlhpc.training import registry
from rlhpc.training.physics import without_sky

TASKS = [env.env_id for env in load_benchmarks(["dmc1m"])]
OF_PICTURES = ("nbuffer", "ntexdata", "tex_adr", "tex_data", "tex_height", "tex_width")


def model(env_id):
    assert registry.is_of_control_suite(env_id)  # and is registered by that
    return gymnasium.make(env_id).unwrapped._env.physics.model.ptr


def numbers(struct):
    """Return all numbers of a MuJoCo struct by name, as bytes."""
    found = {name: getattr(struct, name) for name in dir(struct) if not name.startswith("_")}
    return {name: np.asarray(value).tobytes() for name, value in found.items() if isinstance(value, np.ndarray | int | float)}


@pytest.mark.parametrize("env_id", TASKS)
def test_a_task_without_sky_differs_in_pictures_alone_and_is_a_tenth_as_large(env_id):
    with without_sky():
        ours = model(env_id)
    theirs = model(env_id)
    same = {name for name, value in numbers(theirs).items() if numbers(ours)[name] == value}
    assert numbers(theirs).keys() - same == set(OF_PICTURES)
    assert numbers(ours.opt) == numbers(theirs.opt)
    assert ours.nbuffer * 10 < theirs.nbuffer


def test_where_something_may_be_rendered_the_sky_stays(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "egl")
    with without_sky():
        assert model("dm_control/pendulum-swingup-v0").ntexdata == model("dm_control/pendulum-swingup-v0").ntexdata > 10**7
