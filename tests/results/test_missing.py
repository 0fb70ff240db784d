import pytest

from rlhpc.results.missing import NAMES_SHOWN, gaps, unfinished
from rlhpc.results.scores import Score


def score(env_id, algo, seed):
    return Score(env_id, algo, seed, 1.0)


def test_the_seeds_that_an_algorithm_lacks_are_told_with_the_environments():
    scores = [score(env_id, "ppo", seed) for env_id in ("A", "B", "C") for seed in (1, 2)]
    scores += [score("A", "a2c", 1), score("A", "a2c", 2), score("B", "a2c", 1)]
    assert list(gaps(scores)) == [
        "'a2c' has no result on 1 environment: C.",
        "'a2c' has no result of seed 2 on 1 environment: B.",
    ]


def test_an_environment_without_any_baseline_is_no_gap():
    scores = [score("A", "ppo", 1), score("B", "ppo", 1), score("A", "random", 1)]
    assert list(gaps(scores)) == []


def test_what_began_failed_and_never_began_is_told_apart(store, put):
    trainings = [put("dm_control/x-v0", "ppo", seed, 1.0).training for seed in range(4)]
    store.write_grid(trainings)
    for training in trainings[1:]:
        (store.folder(training) / "result.json").unlink()
    store.write_attempts(trainings[1], [{"attempt": 1, "reason": "boom"}])
    store.folder(trainings[3]).rmdir()
    failed, begun, never = unfinished(store)
    assert failed == "failed: bench/dm_control/x-v0/ppo/1: boom (1 attempt)"
    assert begun.startswith("1 training began and left no result yet: bench/dm_control/x-v0/ppo/2. Collect again when they have")
    assert never.startswith("1 training of the grid never began: bench/dm_control/x-v0/ppo/3. Launch the grid again")


def test_a_training_that_is_to_be_tried_again_has_not_failed(store, put):
    training = put("X-v0", "ppo", 1, 1.0).training
    (store.folder(training) / "result.json").unlink()
    store.write_attempts(training, [{"attempt": 1, "reason": "boom", "will_retry": True}])
    (told,) = unfinished(store)
    assert told.startswith("1 training began and left no result yet: bench/X-v0/ppo/1")


@pytest.mark.parametrize(("n", "more"), [(NAMES_SHOWN, ""), (NAMES_SHOWN + 1, ", ...")])
def test_of_many_names_the_first_are_listed(store, put, n, more):
    for seed in range(100, 100 + n):
        (store.folder(put("X-v0", "ppo", seed, 1.0).training) / "result.json").unlink()
    (told,) = unfinished(store)
    assert f"bench/X-v0/ppo/{99 + NAMES_SHOWN}{more}. Collect" in told
