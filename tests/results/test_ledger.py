from dataclasses import replace

import pytest

from rlhpc.errors import InputError
from rlhpc.results import ledger
from rlhpc.results.store import RESULT


@pytest.fixture
def training(put):
    """Return a training that is stored."""
    hyperparameters = {"class": "PPO", "n_envs": 8, "learning_rate": 1e-05, "policy_kwargs": {"net_arch": [64]}}
    return put("X-v0", "ppo", 1, 1.0, hyperparameters=hyperparameters).training


def test_an_empty_store_lacks_everything(store, training):
    absent = replace(training, seed=2)
    assert ledger.check(store, [absent]) == ledger.Ledger((), (absent,), (), ())


def test_every_training_stands_in_exactly_one_list_in_the_order_of_the_grid(store, put):
    stored = [put("X-v0", "ppo", seed, 1.0).training for seed in (1, 2, 3, 4)]
    (store.folder(stored[1]) / RESULT).write_text("{")
    asked = [replace(stored[0], seed=9), stored[3], stored[1], replace(stored[2], total_timesteps=5), stored[0]]
    found = ledger.check(store, iter(asked))
    assert found.missing == (asked[0],)
    assert found.stored == (stored[3], stored[0])
    assert [training for training, _ in found.changed] == [asked[3]]
    assert [training for training, _ in found.damaged] == [stored[1]]


def test_what_comes_back_from_json_is_the_same_training(store, training):
    assert ledger.check(store, [training]).stored == (training,)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"total_timesteps": 2000}, "total_timesteps 1000 -> 2000"),
        ({"action_space": "Continuous"}, "action_space Discrete -> Continuous"),
        ({"evaluation": {"n_episodes": 5}}, "evaluation.n_episodes None -> 5"),
        (
            {"total_timesteps": 1, "hyperparameters": {"class": "PPO", "n_envs": 2, "learning_rate": 1e-06}},
            "total_timesteps 1000 -> 1, n_envs 8 -> 2, learning_rate 1e-05 -> 1e-06, policy_kwargs {'net_arch': [64]} -> None",
        ),
    ],
)
def test_a_change_is_told_by_names_and_values(store, training, change, difference):
    changed = replace(training, **change)
    assert ledger.check(store, [changed]).changed == ((changed, difference),)


def test_damage_is_told_with_its_reason(store, training):
    path = store.folder(training) / RESULT
    path.write_bytes(path.read_bytes()[:100])
    ((damaged, reason),) = ledger.check(store, [training]).damaged
    assert damaged == training
    assert f"'{path}' cannot be read" in reason
    assert "Launch the grid again" not in reason  # it is a launch that tells


def test_a_launch_trains_what_is_missing_then_what_is_damaged(training):
    other = replace(training, seed=2)
    assert ledger.Ledger((), (other,), (), ((training, "cut"),)).to_train == (other, training)


@pytest.mark.parametrize(("n_changed", "n_shown"), [(1, 1), (5, 5), (7, 5)])
def test_changed_trainings_are_refused_with_the_first_differences(store, training, n_changed, n_shown):
    changed = tuple((replace(training, seed=seed), f"n_envs {seed} -> 9") for seed in range(n_changed))
    with pytest.raises(InputError) as refused:
        ledger.refuse_changed(ledger.Ledger((), (), changed, ()), store)
    first, *shown, last = refused.value.faults
    noun = "training" if n_changed == 1 else "trainings"
    assert first.startswith(f"{n_changed} {noun} stored in '{store.root}' with other settings")
    assert shown[:n_shown] == [f"  {one.name}: {difference}" for one, difference in changed[:n_shown]]
    assert shown[n_shown:] == ["  ..."] * (n_changed > n_shown)
    assert str(store.config) in last


def test_unchanged_trainings_are_not_refused(store, training):
    ledger.refuse_changed(ledger.check(store, [training, replace(training, seed=2)]), store)
