import pytest

from rlhpc import errors
from rlhpc.errors import InputError, RlhpcError, nearest

EXIT_CODES = {
    "RlhpcError": 1,
    "InputError": 2,
    "ConfigError": 2,
    "DatasetError": 2,
    "DamagedResultError": 1,
    "AlreadyStoredError": 1,
    "DamagedCheckpointError": 1,
    "ForeignCheckpointError": 1,
    "StorageError": 1,
    "SlurmError": 1,
    "IncompleteSearchError": 1,
}


def test_every_error_has_its_exit_code_and_stands_in_the_tree_of_the_docstring():
    classes = {name: each for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, RlhpcError)}
    assert {name: each.exit_code for name, each in classes.items()} == EXIT_CODES
    assert all(name in errors.__doc__ for name in classes)


def test_all_faults_are_told_and_kept():
    error = InputError("the first is wrong.", "the second too.")
    assert error.faults == ("the first is wrong.", "the second too.")
    assert str(error) == "the first is wrong.\nthe second too."


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pp0", "Did you mean 'ppo'?"),
        ("PPO", "Did you mean 'ppo'?"),
        ("cartpole-v1", "Did you mean 'CartPole-v1'?"),
        ("zzz", "Allowed: CartPole-v1, a2c, ppo."),
        ("", "Allowed: CartPole-v1, a2c, ppo."),
    ],
)
def test_nearest_names_the_closest_choice_or_all(name, expected):
    assert nearest(name, ["ppo", "a2c", "CartPole-v1", "ppo"]) == expected


def test_a_beginning_tells_which_was_meant_and_of_several_the_usual_one():
    games = ["Pong-v4", "PongNoFrameskip-v4", "BoxingNoFrameskip-v4"]
    assert nearest("boxing", games) == "Did you mean 'BoxingNoFrameskip-v4'?"
    assert nearest("Pong", games) == "Did you mean 'Pong-v4'?"
    assert nearest("Pong", games, games[1:]) == "Did you mean 'PongNoFrameskip-v4'?"
    assert nearest("zzz", games, games[1:]).startswith("Allowed: BoxingNoFrameskip-v4, Pong-v4")


def test_nearest_shows_20_choices_of_a_long_list_and_their_number():
    assert nearest("zzz", (f"env{i:03d}" for i in range(1000))).endswith("env018, env019, ... (1000 in all).")


def test_nearest_does_not_depend_on_the_order_of_the_choices():
    choices = ["Breakout-v4", "Breakout-v5", "Breakout-v0"]
    assert len({nearest("Breakout", order) for order in (choices, choices[::-1])}) == 1
