from dataclasses import replace

import pytest

from rlhpc.records import Result, Training
from rlhpc.results import ledger
from rlhpc.results.store import Store
from rlhpc.training.estimate import MeasuredHours, Source, measured_hours, prior_hours

PPO = {"class": "PPO"}
CONVERGED = {"class": "PPO", "convergence": {"evaluate_every": 1}}


def training(env_id="X-v0", algo="ppo", seed=1, timesteps=1_000_000, hyperparameters=PPO):
    return Training("b", env_id, algo, seed, "Discrete", timesteps, hyperparameters)


def result(of, hours, device="cuda"):
    return Result(of, 1.0, (1.0,), 1, 3000 * hours, 600 * hours, "", "", device={"type": device})


def test_without_results_the_priors_hold():
    assert MeasuredHours([], "cuda")(training()) == prior_hours(training())


def test_a_cap_that_is_soon_reached_bounds_what_convergence_takes():
    short, long = (training(timesteps=steps, hyperparameters=CONVERGED) for steps in (1_500, 50_000_000))
    assert prior_hours(short) == prior_hours(training(timesteps=1_500)) < prior_hours(long)


def test_the_mean_of_the_same_algorithm_and_environment_holds_in_proportion_to_the_steps():
    hours = MeasuredHours([result(training(seed=1), 1.0), result(training(seed=2), 3.0), result(training("Y-v0"), 50.0)], "cuda")
    assert hours(training(seed=3)) == pytest.approx(2.0)
    assert hours(training(seed=3, timesteps=500_000)) == pytest.approx(1.0)


def test_an_environment_without_results_goes_by_the_algorithm_in_its_benchmark():
    hours = MeasuredHours([result(training("Y-v0"), 1.0), result(training("Z-v0"), 2.0)], "cuda")
    assert hours(training()) == pytest.approx(1.5)
    assert hours(training(algo="a2c")) == prior_hours(training(algo="a2c"))


def test_what_decides_itself_when_it_ends_takes_what_it_took_whatever_its_cap():
    cap = training(timesteps=50_000_000, hyperparameters=CONVERGED)
    hours = MeasuredHours([result(cap, 4.0)], "cuda")
    assert hours(training(seed=2, timesteps=10_000_000, hyperparameters=CONVERGED)) == pytest.approx(4.0)


def test_the_random_agent_has_no_steps_and_takes_what_it_took():
    played = training(algo="random", timesteps=0, hyperparameters={"class": "Random"})
    assert MeasuredHours([result(played, 0.5)], "cuda")(played) == pytest.approx(0.5)


def test_results_from_the_kind_of_device_that_is_planned_go_before_those_from_another():
    results = [result(training(), 1.0, "cpu"), result(training("Y-v0"), 3.0, "cuda")]
    on_gpu, on_cores = MeasuredHours(results, "cuda"), MeasuredHours(results, "cpu")
    assert on_gpu(training()) == on_gpu(training("Y-v0")) == pytest.approx(3.0)
    assert on_cores(training()) == on_cores(training("Y-v0")) == pytest.approx(1.0)


def test_the_source_of_an_estimate_is_told():
    hours = MeasuredHours([result(training(), 1.0), result(training(algo="a2c"), 1.0, "cpu")], "cuda")
    dqn = training(algo="dqn", hyperparameters={"class": "DQN"})
    assert hours.source(training(seed=2)) is Source.MEASURED
    assert hours.source(training(algo="a2c", seed=2)) is Source.OTHER_DEVICE
    assert hours.source(training(algo="other")) is Source.PRIOR
    assert hours.source(training(algo="converged", hyperparameters=CONVERGED)) is Source.PRIOR
    assert hours.source(training(algo="random", hyperparameters={"class": "Random"})) is Source.PRIOR
    assert hours.source(dqn) is Source.AS_PPO
    assert hours(dqn) == prior_hours(training())


def test_results_of_other_launches_into_the_folder_count_where_their_settings_are_the_grids(tmp_path):
    store = Store(tmp_path)
    other = {"class": "PPO", "n_steps": 8}
    for each in (result(training(seed=2), 4.0), result(training(seed=3, hyperparameters=other), 90.0)):
        store.write(each)
    damaged = store.write(result(training(seed=4), 50.0))
    damaged.write_text("{}")
    hours = measured_hours(store, ledger.check(store, [training(), training("Y-v0")]), "cuda")
    assert hours(training()) == hours(training("Y-v0")) == pytest.approx(4.0)
    unknown = ledger.check(store, [replace(training(), hyperparameters={"class": "PPO", "n_steps": 9})])
    assert measured_hours(store, unknown, "cuda").source(training()) is Source.PRIOR


def test_a_stored_result_of_the_grid_itself_counts_once(tmp_path):
    store = Store(tmp_path)
    store.write(result(training(seed=2), 4.0))
    store.write(result(training(seed=1), 1.0))
    hours = measured_hours(store, ledger.check(store, [training(seed=1), training(seed=5)]), "cuda")
    assert hours(training(seed=5)) == pytest.approx(2.5)
