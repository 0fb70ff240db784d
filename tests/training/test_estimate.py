import pytest

from rlhpc.records import Result, Training
from rlhpc.training.estimate import measured_hours, prior_hours

PPO = {"class": "PPO"}
CONVERGED = {"class": "PPO", "convergence": {"evaluate_every": 1}}


def training(env_id="X-v0", algo="ppo", seed=1, timesteps=1_000_000, hyperparameters=PPO):
    return Training("b", env_id, algo, seed, "Discrete", timesteps, hyperparameters)


def result(of, hours):
    return Result(of, 1.0, (1.0,), 1, 3000 * hours, 600 * hours, "", "")


def test_without_results_the_priors_hold():
    assert measured_hours([])(training()) == prior_hours(training())


def test_the_mean_of_the_same_algorithm_and_environment_holds_in_proportion_to_the_steps():
    hours = measured_hours([result(training(seed=1), 1.0), result(training(seed=2), 3.0), result(training("Y-v0"), 50.0)])
    assert hours(training(seed=3)) == pytest.approx(2.0)
    assert hours(training(seed=3, timesteps=500_000)) == pytest.approx(1.0)


def test_an_environment_without_results_goes_by_the_algorithm_in_its_benchmark():
    hours = measured_hours([result(training("Y-v0"), 1.0), result(training("Z-v0"), 2.0)])
    assert hours(training()) == pytest.approx(1.5)
    assert hours(training(algo="a2c")) == prior_hours(training(algo="a2c"))


def test_what_decides_itself_when_it_ends_takes_what_it_took_whatever_its_cap():
    cap = training(timesteps=50_000_000, hyperparameters=CONVERGED)
    hours = measured_hours([result(cap, 4.0)])
    assert hours(training(seed=2, timesteps=10_000_000, hyperparameters=CONVERGED)) == pytest.approx(4.0)


def test_the_random_agent_has_no_steps_and_takes_what_it_took():
    played = training(algo="random", timesteps=0, hyperparameters={"class": "Random"})
    assert measured_hours([result(played, 0.5)])(played) == pytest.approx(0.5)
