import numpy as np
import pytest
from gymnasium.spaces import Box
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize, VecTransposeImage

from rlhpc.training.envs import make_vec
from rlhpc.training.lean.vec import LeanVecEnv

GAME = "BreakoutNoFrameskip-v4"
FOUR_FRAMES = {"frame_stack": 4}


@pytest.fixture
def make():
    """Make vector environments, and close them when the test is over."""
    made = []

    def make(env_id, hyperparameters=None, *, n_envs=1, seed=1, training=True):
        made.append(make_vec(env_id, hyperparameters or {}, n_envs=n_envs, seed=seed, training=training))
        return made[-1]

    yield make
    for env in made:
        env.close()


def stream(env, n_steps):
    """Return everything that an agent meets, acting at random: of each step the observations, rewards, ends and scores."""
    env.action_space.seed(0)
    met = [[one_array(env.reset())]]
    for _ in range(n_steps):
        actions = np.array([env.action_space.sample() for _ in range(env.num_envs)])
        observations, rewards, dones, infos = env.step(actions)
        scores = [info["episode"]["r"] if "episode" in info else np.nan for info in infos]
        met.append([one_array(observations), rewards, dones, np.array(scores)])
    return met


def one_array(observations):
    """Join the parts of observations that are dicts."""
    parts = list(observations.values()) if isinstance(observations, dict) else [observations]
    return np.concatenate(parts, axis=1)


def equal(one, other):
    """Tell whether two streams are equal, to the bit."""
    pairs = (pair for steps in zip(one, other, strict=True) for pair in zip(*steps, strict=True))
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)


def test_an_atari_game_is_step_by_step_the_one_of_sb3(make):
    reference = VecTransposeImage(VecFrameStack(make_atari_env(GAME, n_envs=2, seed=7), 4))
    ours = make(GAME, FOUR_FRAMES, n_envs=2, seed=7)
    assert ours.observation_space == reference.observation_space
    assert ours.action_space == reference.action_space
    met = stream(ours, 250)
    assert equal(met, stream(reference, 250))
    assert sum(int(dones.sum()) for _, _, dones, _ in met[1:]) > 2  # or else no reset has been compared
    reference.close()


@pytest.mark.parametrize(("frame_stack", "channels"), [(None, 1), (4, 4)])
def test_a_frame_is_84_by_84_and_grey_and_channels_come_first(make, frame_stack, channels):
    env = make(GAME, {"frame_stack": frame_stack})
    assert env.observation_space == Box(0, 255, (channels, 84, 84), np.uint8)
    assert env.reset().shape == (1, channels, 84, 84)


@pytest.mark.parametrize("env_id", ["PongNoFrameskip-v4", "ALE/Pong-v5"])
def test_an_action_lasts_4_frames_whatever_the_id(make, env_id):
    env = make(env_id)
    env.reset()
    frames = [env.step(np.array([0]))[3][0]["episode_frame_number"] for _ in range(5)]
    assert np.diff(frames).tolist() == [4, 4, 4, 4]


def test_rewards_are_clipped_and_scores_are_true_and_of_whole_games(make):
    """Over the same actions, a game's score is the sum of its unclipped rewards over all its lives."""
    ours = make("MsPacmanNoFrameskip-v4", seed=3)
    unclipped = make_atari_env("MsPacmanNoFrameskip-v4", n_envs=1, seed=3, wrapper_kwargs={"clip_reward": False})
    for env in (ours, unclipped):
        env.reset()
    ours.action_space.seed(0)
    clipped_score = true_score = n_ends = 0
    episode = None
    while episode is None:
        action = np.array([ours.action_space.sample()])
        _, reward, done, infos = ours.step(action)
        clipped_score += reward[0]
        true_score += unclipped.step(action)[1][0]
        n_ends += int(done[0])
        episode = infos[0].get("episode")
    unclipped.close()
    assert episode["r"] == true_score > clipped_score > 0
    assert n_ends == 3  # lives


@pytest.mark.parametrize(
    ("env_id", "n_steps"), [("CartPole-v1", 100), ("MsPacmanNoFrameskip-v4", 400), ("dm_control/pendulum-swingup-v0", 1_010)]
)
def test_the_same_seed_gives_the_same_stream_twice_and_another_seed_another(make, env_id, n_steps):
    first, again, other = (stream(make(env_id, seed=seed), n_steps) for seed in (5, 5, 6))
    assert any(dones.any() for _, _, dones, _ in first[1:])
    assert equal(first, again)
    assert not equal(first, other)


def test_environments_side_by_side_are_seeded_one_after_another(make):
    together = make("CartPole-v1", n_envs=3, seed=5).reset()
    alone = [make("CartPole-v1", seed=seed).reset()[0] for seed in (5, 6, 7)]
    assert np.array_equal(together, alone)


@pytest.mark.parametrize("env_id", ["CartPole-v1", GAME, "dm_control/pendulum-swingup-v0"])
def test_all_environments_run_in_this_process_each_below_a_monitor(make, env_id):
    env = make(env_id, n_envs=2)
    assert isinstance(env.unwrapped, LeanVecEnv if env_id != "CartPole-v1" else DummyVecEnv)
    assert env.env_is_wrapped(Monitor) == [True, True]


def test_what_is_not_lean_has_the_wrappers_of_sb3(make):
    assert isinstance(make(GAME, {"normalize": True}).unwrapped, DummyVecEnv)  # of frames whose channels come last
    assert isinstance(make("ALE/Pong-v5").unwrapped, LeanVecEnv)
    assert isinstance(make("dm_control/cartpole-balance-v0", {"normalize": True, "frame_stack": 2}).unwrapped, LeanVecEnv)


def test_a_state_is_not_turned_into_an_image_nor_stacked_unless_asked(make):
    assert make("CartPole-v1").observation_space.shape == (4,)
    assert make("CartPole-v1", {"frame_stack": 3}).observation_space.shape == (12,)


# --- running statistics ----------------------------------------------------------------------------------------------


def statistics(env):
    return env.obs_rms.count, env.obs_rms.mean.tolist(), env.ret_rms.count


def test_running_statistics_are_updated_in_training_only(make):
    learning, evaluating = (make("CartPole-v1", {"normalize": True}, training=training) for training in (True, False))
    before = [statistics(env) for env in (learning, evaluating)]
    for env in (learning, evaluating):
        stream(env, 50)
    assert statistics(learning)[0] > before[0][0]
    assert statistics(evaluating) == before[1]


def test_rewards_are_normalised_in_training_only(make):
    learning, evaluating = (make("CartPole-v1", {"normalize": True}, training=training) for training in (True, False))
    assert {rewards[0] for _, rewards, _, _ in stream(evaluating, 20)[1:]} == {1.0}
    assert len({rewards[0] for _, rewards, _, _ in stream(learning, 20)[1:]}) > 1


@pytest.mark.parametrize("training", [True, False])
def test_arguments_of_normalize_are_used(make, training):
    env = make("CartPole-v1", {"normalize": {"norm_obs": False, "norm_reward": True, "gamma": 0.5}}, training=training)
    assert (env.norm_obs, env.norm_reward, env.gamma) == (False, training, 0.5)


@pytest.mark.parametrize("normalize", [None, False])
def test_nothing_is_normalised_unless_asked(make, normalize):
    assert not isinstance(make("CartPole-v1", {"normalize": normalize}), VecNormalize)


def test_returns_are_discounted_as_the_agent_does(make):
    assert make("CartPole-v1", {"normalize": True, "gamma": 0.9999}).gamma == 0.9999
    assert make("CartPole-v1", {"normalize": {"gamma": 0.5}, "gamma": 0.9999}).gamma == 0.5
