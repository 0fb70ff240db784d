"""What a launch finds in its folder, and keeps of it."""

from dataclasses import replace

import pytest

from rlhpc.config import load, to_yaml
from rlhpc.errors import InputError
from rlhpc.files import write_text
from rlhpc.launch import folder
from rlhpc.launch.config import DEFAULTS, LaunchConfig
from rlhpc.records import Training

DMC = "dm_control/reacher-hard-v0"
CART = Training("custom", "CartPole-v1", "ppo", 1, "Discrete", 100)
REACHER = Training("dmc1m", DMC, "ppo", 1, "Continuous", 100)


@pytest.fixture
def make_config(tmp_path):
    """Make the configuration of a launch into one folder."""

    def make(*words, name="mine"):
        return load(LaunchConfig, [DEFAULTS], [f"logs_dir={tmp_path}", f"name={name}", "envs=[CartPole-v1]", "seeds=[1]", *words])

    return make


@pytest.fixture
def names(make_config):
    """Return the names of all configurations in the folder."""
    return lambda: sorted(path.name for path in make_config().store.root.glob("*config*"))


@pytest.fixture
def store(make_config):
    return make_config().store


def test_the_first_grid_of_a_folder_and_one_that_grows_are_welcome(make_config, store):
    default = make_config("envs=null")
    folder.refuse_another_grid(default, [CART])
    store.write_grid([CART, REACHER])
    for trainings in ([CART], [replace(CART, algo="random")], [replace(REACHER, seed=2)], [CART, replace(CART, env_id="New-v0")]):
        folder.refuse_another_grid(default, trainings)


def test_environments_that_are_named_are_welcome_beside_any_others(make_config, store):
    store.write_grid([CART])
    for words in (["envs=[New-v0]"], ["envs=null", "benchmarks=[dmc1m]"]):
        folder.refuse_another_grid(make_config(*words), [replace(CART, env_id="New-v0")])


def test_the_default_environments_are_refused_beside_others_with_what_is_there_and_what_to_do(make_config, store):
    store.write_grid([CART, replace(CART, seed=2)])
    others = [replace(REACHER, env_id=env_id) for env_id in (DMC, "A-v0", "B-v0", "C-v0")]
    with pytest.raises(InputError) as caught:
        folder.refuse_another_grid(make_config("envs=null"), others)
    there, config, ways = caught.value.faults
    assert there == (
        f"'{store.root}' holds 2 trainings of another grid, in CartPole-v1; this grid is 4 trainings in {DMC}, A-v0 and 2 more."
    )
    assert config == f"To go on with the former, give its configuration, too: --config {store.config}"
    assert "name=" in ways
    assert "--add" in ways


def test_the_same_environment_of_another_benchmark_is_another(make_config, store):
    store.write_grid([CART])
    with pytest.raises(InputError):
        folder.refuse_another_grid(make_config("envs=null"), [replace(CART, benchmark="mine")])


def test_a_different_configuration_is_kept_once_and_an_equal_one_not(make_config, names):
    a, b = make_config("algos=[ppo]"), make_config("algos=[random]")
    assert folder.write_config(a) is None
    assert folder.write_config(a) is None
    assert names() == ["config.yaml"]
    root = a.store.root
    kept = [folder.write_config(config) for config in (b, a, b, a)]
    assert kept == [root / f"config-{n}.yaml" for n in (1, 2, 1, 2)]
    assert names() == ["config-1.yaml", "config-2.yaml", "config.yaml"]
    assert [(root / name).read_text() for name in names()] == [to_yaml(config) for config in (a, b, a)]


def test_a_configuration_takes_the_next_free_number_beside_files_of_other_names(make_config, names):
    root = make_config().store.root
    for name in ("config-9.yaml", "config-mine.yaml"):
        write_text(root / name, "name: other")
    (root / "config-12.yaml").mkdir()  # which no configuration can take the place of
    folder.write_config(make_config("algos=[ppo]"))
    assert folder.write_config(make_config("algos=[a2c]")) == root / "config-13.yaml"
    assert "config-mine.yaml" in names()


def test_of_two_launches_at_once_neither_loses_its_own_nor_the_former(make_config, names, monkeypatch):
    """Both read the former one before either has written."""
    a, b, c = (make_config(f"algos=[{algo}]") for algo in ("ppo", "a2c", "random"))
    folder.write_config(a)
    write = folder.write_text

    def write_late(path, spelled):
        monkeypatch.setattr(folder, "write_text", write)
        folder.write_config(b)
        write(a.store.config, to_yaml(a))  # as the other found it
        folder.write_config(b)
        return write(path, spelled)

    monkeypatch.setattr(folder, "write_text", write_late)
    folder.write_config(c)
    assert a.store.config.read_text() == to_yaml(c)
    for config in (b, c):
        folder.keep_config(config)
    assert [(a.store.root / name).read_text() for name in names()] == [to_yaml(config) for config in (a, b, c)]


def test_a_name_that_another_launch_takes_at_the_same_moment_is_not_written_over(make_config, names, monkeypatch):
    a, b = make_config("algos=[ppo]"), make_config("algos=[a2c]")
    folder.write_config(a)
    place, calls = folder._place, []

    def taken(store, content):
        path = place(store, content)
        if not calls:
            calls.append(write_text(path, "another's"))
        return path

    monkeypatch.setattr(folder, "_place", taken)
    assert folder.write_config(b) == a.store.root / "config-2.yaml"
    assert (a.store.root / "config-1.yaml").read_text() == "another's"
    assert (a.store.root / "config-2.yaml").read_text() == to_yaml(a)


def test_a_launch_whose_folder_was_taken_away_meanwhile_keeps_nothing(make_config, names):
    folder.keep_config(make_config())
    assert names() == []
