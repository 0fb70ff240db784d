import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecTransposeImage

from rlhpc.errors import ConfigError
from rlhpc.training import model
from rlhpc.training.algos import ACTION_SPACES, CLASSES, RANDOM, available, load_algos, unknown_blocks
from rlhpc.training.hyperparameters import faults as faults_of

DISCRETE, CONTINUOUS = spaces.Discrete(3), spaces.Box(-1.0, 1.0, (2,), np.float32)
CONTINUOUS_ENVS = ("Pendulum-v1", "MountainCarContinuous-v0", "LunarLanderContinuous-v3")


@pytest.fixture
def write(tmp_path):
    """Write the file of an algorithm and return its path as text."""

    def write(name, text):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        return str(path)

    return write


def faults(*names, changes=None):
    """Return what `load_algos` has to say."""
    with pytest.raises(ConfigError) as caught:
        load_algos(names, changes)
    return list(caught.value.faults)


def hyperparameters(name, env_id="X-v0", *, is_atari=False, changes=None):
    (algo,) = load_algos([name], changes)
    return algo.hyperparameters(env_id, is_atari=is_atari)


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "found"),
    [("PPO", "ppo"), ("ppo", "ppo"), ("recurrentppo", "recurrent_ppo"), ("Recurrent-PPO", "recurrent_ppo"), ("qrdqn", "qr_dqn")],
)
def test_an_algorithm_is_found_in_any_spelling(given, found):
    (algo,) = load_algos([given])
    assert algo.name == found


def test_the_order_is_that_asked_for():
    assert [algo.name for algo in load_algos(["trpo", "a2c"])] == ["trpo", "a2c"]


def test_every_fault_is_told_at_once():
    told = faults("pp0", "zzz", "ppo", "PPO", changes={"a2d": {}, "trpo": {}})
    assert told == [
        "unknown algorithm 'pp0'. Did you mean 'ppo'?",
        f"unknown algorithm 'zzz'. Allowed: {', '.join(available())}.",
        "hyperparameters: there is no algorithm 'a2d'. Did you mean 'a2c'?",
        "algorithm 'ppo' is named 2 times.",
    ]


def test_a_file_that_is_not_there_is_named():
    assert faults("my/variant.yaml") == ["cannot read the file 'my/variant.yaml': No such file or directory."]


# --- blocks ----------------------------------------------------------------------------------------------------------


def test_exactly_one_block_is_used_the_own_before_atari_before_default(write):
    name = write("mine", "class: PPO\ndefault: {n_envs: 1, gamma: 0.5}\natari: {n_envs: 2}\nX-v0: {n_envs: 3}")
    assert hyperparameters(name, "X-v0") == hyperparameters(name, "X-v0", is_atari=True) == {"class": "PPO", "n_envs": 3}
    assert hyperparameters(name, "Pong", is_atari=True) == {"class": "PPO", "n_envs": 2}
    assert hyperparameters(name, "Y-v0") == {"class": "PPO", "n_envs": 1, "gamma": 0.5}


def test_without_an_atari_block_the_default_is_used(write):
    name = write("mine", "class: PPO\ndefault: {n_envs: 1}")
    assert hyperparameters(name, "Pong", is_atari=True)["n_envs"] == 1


def test_an_environment_without_a_block_is_told(write):
    (algo,) = load_algos([write("mine", "class: PPO\natari: {n_envs: 2}")])
    with pytest.raises(ConfigError, match="algorithm 'mine' has no block for 'X-v0'; add a 'default' block to its file"):
        algo.hyperparameters("X-v0", is_atari=False)


def test_a_variant_is_its_base_with_its_own_values_laid_over_each_block(write):
    name = write("variant", "base: ppo\ntitle: Mine\natari: {n_envs: 3}\nall: {ent_coef: 0.7}\nNew-v0: {n_envs: 5}")
    (base,), (variant,) = load_algos(["ppo"]), load_algos([name])
    assert (variant.name, variant.title, variant.class_name) == ("variant", "Mine", "PPO")
    for block in ("atari", "CartPole-v1", "default"):
        expected = {**base.blocks[block], "ent_coef": 0.7} | ({"n_envs": 3} if block == "atari" else {})
        assert without_class(variant, block) == expected
    # an environment that the base does not know keeps the values of the base's default
    assert without_class(variant, "New-v0") == {**base.blocks["default"], "ent_coef": 0.7, "n_envs": 5}


def without_class(algo, env_id):
    values = algo.hyperparameters(env_id, is_atari=env_id == "atari")
    return {name: value for name, value in values.items() if name != "class"}


def test_a_layer_may_know_atari_games_where_its_base_has_only_a_default(write):
    write("plain", "class: PPO\ndefault: {n_envs: 1, gamma: 0.1, ent_coef: 0.1}")
    name = write("variant", "base: plain\natari: {n_envs: 2}\ndefault: {n_envs: 3, gamma: 0.3}")
    assert hyperparameters(name, "Pong", is_atari=True) == {"class": "PPO", "n_envs": 2, "gamma": 0.3, "ent_coef": 0.1}
    assert hyperparameters(name) == {"class": "PPO", "n_envs": 3, "gamma": 0.3, "ent_coef": 0.1}


def test_what_is_fast_can_be_made_exact_again_and_is_then_as_if_it_had_never_been_fast(write):
    write("hasty", "class: PPO\ndefault: {n_envs: 1, fast: true}")
    exact = write("exact", "base: hasty\nall: {fast: false}")
    assert hyperparameters(exact) == {"class": "PPO", "n_envs": 1}
    assert hyperparameters(exact, changes={"exact": {"all": {"fast": True}}})["fast"] is True


def test_a_variant_of_a_variant_beside_it(write):
    write("middle", "base: ppo\nall: {gamma: 0.1, ent_coef: 0.1}")
    name = write("top", "base: middle\nall: {gamma: 0.2}")
    assert {"gamma": 0.2, "ent_coef": 0.1, "n_envs": 8}.items() <= hyperparameters(name).items()


def test_changes_are_laid_over_the_file_value_by_value():
    changes = {"ppo": {"CartPole-v1": {"n_envs": 2}, "all": {"ent_coef": 0.7}}}
    (plain,), (changed,) = load_algos(["ppo"]), load_algos(["ppo"], changes)
    for block, values in plain.blocks.items():
        expected = {**values, "ent_coef": 0.7} | ({"n_envs": 2} if block == "CartPole-v1" else {})
        assert without_class(changed, block) == expected
    assert load_algos(["ppo"]) == (plain,)


def test_changes_of_a_base_do_not_reach_its_variants():
    changes = {"ppo": {"all": {"gamma": 0.1}}}
    assert hyperparameters("ppo_converged", changes=changes)["gamma"] == 0.99


def test_changes_of_an_algorithm_that_the_grid_leaves_out_are_no_fault():
    assert load_algos(["a2c"], {"ppo": {"all": {"gamma": 0.1}}}) == load_algos(["a2c"])


@pytest.mark.parametrize("block", [{"n_envs": 3}, {"default": None}, {"default": [1]}])
def test_a_change_that_is_no_block_is_told(block):
    (told,) = faults("ppo", changes={"ppo": block})
    assert told.startswith(f"'ppo': {next(iter(block))} must be blocks of hyperparameters, such as 'default: {{n_envs: 8}}'")


@pytest.mark.parametrize("change", [3, None, [1], "text"])
def test_changes_that_are_no_blocks_at_all_are_told(change):
    (told,) = faults("ppo", changes={"ppo": change})
    assert "ppo" in told


# --- faults of a file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("title: X", "must name either a 'class' or a 'base'."),
        ("class: PPO\nbase: ppo", "must name either a 'class' or a 'base'."),
        ("class: PP0", "unknown class 'PP0'. Did you mean 'PPO'?"),
        ("class: ppo", "unknown class 'ppo'. Did you mean 'PPO'?"),
        ("base: pp0", "unknown algorithm 'pp0'. Did you mean 'ppo'?"),
        ("class: PPO\ndefault: 3", "default must be blocks of hyperparameters"),
        ("class: PPO\nn_envs: 3\ngamma: 1", "n_envs, gamma must be blocks of hyperparameters"),
        ("class: PPO\ndefault: {a: 1", "is not valid YAML"),
    ],
)
def test_a_fault_in_a_file_is_told(write, text, part):
    (told,) = faults(write("mine", text))
    assert part in told
    assert "mine" in told


def test_a_class_that_is_no_name_is_told(write):
    (told,) = faults(write("mine", "class: [PPO]"))
    assert "unknown class" in told


def test_a_file_may_have_the_name_of_its_base(write):
    mine = write("ppo", "base: ppo\nall: {gamma: 0.1}")
    shipped = hyperparameters("ppo")
    assert hyperparameters(mine) == {**shipped, "gamma": 0.1}
    assert hyperparameters(write("other", "base: ppo\nall: {ent_coef: 0.7}")) == {**shipped, "gamma": 0.1, "ent_coef": 0.7}


@pytest.mark.parametrize(
    ("block", "nearest"),
    [
        ("defautl", "Did you mean 'default'?"),
        ("Al", "Did you mean 'all'?"),
        ("Atari", "Did you mean 'atari'?"),
        ("gamma", "Allowed: all, atari, default."),
    ],
)
def test_a_block_that_is_the_name_of_nothing_is_told_wherever_it_is_written(write, block, nearest):
    write("middle", f"base: ppo\n{block}: {{gamma: 0.9}}")
    changes = {"mine": {block: {"gamma": 0.8}}}  # is told once, where it comes from
    for text in (f"class: PPO\ndefault: {{}}\n{block}: {{gamma: 0.9}}", f"base: ppo\n{block}: {{gamma: 0.9}}", "base: middle"):
        (told,) = unknown_blocks(load_algos([write("mine", text)], changes), {"My-v0"}.__contains__)
        assert told == f"algorithm 'mine': '{block}' is no block and no environment. {nearest}"


def test_blocks_of_environments_are_known_also_where_they_are_not_installed(write):
    algos = load_algos([write("mine", "base: ppo\nMyEnv: {n_envs: 1}\nmy_module:Walk-v12: {n_envs: 1}\nall: {gamma: 0.9}")])
    assert unknown_blocks(algos, {"MyEnv"}.__contains__) == []
    assert unknown_blocks(load_algos(available()), lambda env_id: False) == []


def test_a_block_that_is_spelled_like_an_environment_of_the_launch_is_told(write):
    algos = load_algos([write("mine", "base: ppo\nMycar-v0: {n_envs: 1}\nother:walk-v1: {n_envs: 1}\nMyCar-v1: {n_envs: 1}")])
    known = {"MyCar-v0", "other:Walk-v1"}
    assert unknown_blocks(algos, known.__contains__, ["MyCar-v0", "other:Walk-v1"]) == [
        "algorithm 'mine': 'Mycar-v0' is no block and no environment. Did you mean 'MyCar-v0'?",
        "algorithm 'mine': 'other:walk-v1' is no block and no environment. Did you mean 'other:Walk-v1'?",
    ]
    assert unknown_blocks(algos, known.__contains__, ["other:Run-v1"]) == []


def test_a_change_is_of_a_block_of_the_files_or_of_an_environment(write):
    name = write("mine", "base: ppo\nWalk-v12: {n_envs: 1}")
    changes = {"mine": {block: {"gamma": 0.9} for block in ("Walk-v12", "CartPole-v1", "atari", "Run-v1", "Walk-v1", "alll")}}
    assert unknown_blocks(load_algos([name], changes), {"Run-v1"}.__contains__) == [
        "hyperparameters.mine: 'Walk-v1' is no block and no environment. Did you mean 'Walk-v12'?",
        "hyperparameters.mine: 'alll' is no block and no environment. Did you mean 'all'?",
    ]


def test_a_circle_of_bases_is_told(write, tmp_path):
    write("b", "base: c")
    write("c", f"base: ../{tmp_path.name}/a")
    assert faults(write("a", "base: b")) == ["algorithms are based on each other in a circle: a -> b -> c -> a."]


# --- RL Zoo's Python text --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dict(net_arch=[64, 64], activation_fn=nn.ReLU)", {"net_arch": [64, 64], "activation_fn": "nn.ReLU"}),
        ("dict(net_arch=dict(pi=[256], vf=(1, 2)))", {"net_arch": {"pi": [256], "vf": [1, 2]}}),
        ("dict(log_std_init=-3.67, ortho_init=False, x=None)", {"log_std_init": -3.67, "ortho_init": False, "x": None}),
        ("dict(optimizer_class=RMSpropTFLike, optimizer_kwargs={'eps': 1e-5})",
         {"optimizer_class": "RMSpropTFLike", "optimizer_kwargs": {"eps": 1e-5}}),
        ("dict()", {}),
    ],
)  # fmt: skip
def test_python_text_of_rl_zoo_is_read_as_data(write, text, expected):
    name = write("mine", f'class: PPO\ndefault: {{policy_kwargs: "{text}"}}')
    assert hyperparameters(name)["policy_kwargs"] == expected


def test_a_python_dict_of_rl_zoo_is_read_as_data(write):
    name = write("mine", """class: PPO\ndefault: {normalize: "{'norm_obs': True, 'norm_reward': False}"}""")
    assert hyperparameters(name)["normalize"] == {"norm_obs": True, "norm_reward": False}


@pytest.mark.parametrize(
    "text",
    [
        "dict(a=__import__('os').system('x'))",
        "dict(a=(lambda: 1)())",
        "dict(a=[x for x in (1,)])",
        "dict(a=1",
        "dict(a=1).update(b=2)",
        "dict([('a', 1)])",
        "dict(a=1) or 2",
    ],
)
def test_text_that_would_have_to_be_evaluated_is_refused(write, text):
    (told,) = faults(write("mine", f'class: PPO\ndefault: {{policy_kwargs: "{text}"}}'))
    assert told.startswith(f"cannot read '{text}'")
    assert told.endswith("write it as a YAML mapping.")


@pytest.mark.parametrize("text", ["dict(**{'a': 1})", "dict(a={'b': 1, **c})", "dict(a=f(1).b)"])
def test_text_that_is_no_plain_data_is_refused(write, text):
    (told,) = faults(write("mine", f'class: PPO\ndefault: {{policy_kwargs: "{text}"}}'))
    assert told.startswith(f"cannot read '{text}'")


# --- the files in configs/algos --------------------------------------------------------------------------------------


class Fake(gymnasium.Env):
    """An environment of given spaces whose episodes have one step."""

    def __init__(self, observation_space, action_space):
        self.observation_space, self.action_space = observation_space, action_space

    def reset(self, **how):
        super().reset(**how)
        return self.observation_space.sample(), {}

    def step(self, *_):
        return self.observation_space.sample(), 0.0, True, False, {}


def make_fake(block, action_space, n_envs):
    """Make what an algorithm meets in the environments of a block."""
    if block != "atari":
        observation_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
        return DummyVecEnv([lambda: Fake(observation_space, action_space)] * n_envs)
    frame = spaces.Box(0, 255, (84, 84, 1), np.uint8)
    return VecTransposeImage(VecFrameStack(DummyVecEnv([lambda: Fake(frame, action_space)] * n_envs), 4))


def fitting_spaces(algo, block):
    """Return the action spaces that the environments of a block have and the algorithm can act in."""
    if block == "default":
        candidates = {"Discrete": DISCRETE, "Continuous": CONTINUOUS}
    else:
        candidates = {"Continuous": CONTINUOUS} if block in CONTINUOUS_ENVS else {"Discrete": DISCRETE}
    return [space for name, space in candidates.items() if algo.acts_in(name)]


ALGOS = load_algos(available())


def test_every_algorithm_has_a_title_of_its_own():
    assert len({algo.title for algo in ALGOS}) == len(ALGOS)


def test_every_class_has_an_algorithm():
    assert {algo.class_name for algo in ALGOS} == CLASSES.keys()


def test_every_algorithm_has_a_block_for_any_environment():
    assert all("default" in algo.blocks for algo in ALGOS)


def test_value_based_algorithms_take_discrete_and_deterministic_ones_continuous_actions():
    fits = {algo.name: tuple(space for space in ("Discrete", "Continuous") if algo.acts_in(space)) for algo in ALGOS}
    assert {name for name, found in fits.items() if found == ("Discrete",)} == {"dqn", "qr_dqn"}
    assert {name for name, found in fits.items() if found == ("Continuous",)} == {"sac", "td3", "tqc"}
    assert not any(algo.acts_in("Dict") or algo.acts_in("Tuple") for algo in ALGOS)
    assert ACTION_SPACES.keys() <= CLASSES.keys()


@pytest.mark.parametrize(
    ("algo", "block"),
    [pytest.param(algo, block, id=f"{algo.name}-{block}") for algo in ALGOS for block in algo.blocks],
)
def test_every_block_is_known_and_builds_a_model(algo, block):
    values = algo.hyperparameters(block, is_atari=block == "atari")
    values.pop("n_timesteps", None)
    assert algo.blocks[block].keys() - {"n_timesteps"} <= values.keys()
    assert faults_of(values) == []
    if algo.class_name == RANDOM:
        return
    if "buffer_size" in values:
        values["buffer_size"] = 1000  # the real one may be larger than this machine's memory
    assert fitting_spaces(algo, block)
    for action_space in fitting_spaces(algo, block):
        env = make_fake(block, action_space, values["n_envs"])
        built = model.build(values, env, seed=1, device="cpu")
        assert type(built).__name__ == algo.class_name
        assert built.n_envs == values["n_envs"]
        env.close()
