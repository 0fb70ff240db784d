"""What environments cost: tables, faults, the front as data and in words."""

import argparse
from dataclasses import replace

import numpy as np
import pytest

from rlhpc.errors import DatasetError, InputError
from rlhpc.report import search_costs
from rlhpc.search import Settings, search


def parsed(*words):
    built = argparse.ArgumentParser()
    search_costs.add_flags(built)
    built.add_argument("--rank-by", default="cv_mse")
    return built.parse_args(list(map(str, words)))


def table(path, text):
    path.write_text(text)
    return path


@pytest.fixture
def problem(found):
    return replace(found.problem, env_ids=("A", "B", "C", "D", "E"), algos=("a2c", "dqn", "ppo", "sac", "td3", "trpo"))


def costs_of(problem, *words, settings=None):
    return search_costs.with_costs(problem, settings or Settings(2), parsed(*words))


def test_training_seconds_become_hours_averaged_over_seeds_then_algorithms(problem, tmp_path):
    rows = [
        f"{env},{algo},{seed},{seconds}"
        for env, algo, seed, seconds in (
            ("A", "ppo", 1, 3600),
            ("A", "ppo", 2, 7200),
            ("A", "a2c", 1, 36000),
            ("A", "random", 1, 1e9),
            ("B", "ppo", 1, 360),
            ("C", "ppo", 1, 360),
            ("D", "ppo", 1, 360),
            ("E", "ppo", 1, 720),
        )
    ]
    path = table(tmp_path / "scores.csv", "\n".join(["env_id,algo,seed,train_seconds", *rows]))
    found = costs_of(problem, "--costs", path)
    assert found.cost_unit == "hours"
    assert found.costs.tolist() == pytest.approx([(1.5 + 10) / 2, 0.1, 0.1, 0.1, 0.2])
    one = costs_of(problem, "--costs", path, "--cost-algo", "ppo")
    assert one.costs.tolist() == pytest.approx([1.5, 0.1, 0.1, 0.1, 0.2])


def test_any_column_and_one_row_an_environment_will_do(problem, tmp_path):
    rows = "Environments,total_timesteps,euros\nA,1000,1.5\nB,1000,2\nC,2000,3\nD,1000,4\nE,500,5\n"
    path = table(tmp_path / "costs.csv", rows)
    found = costs_of(problem, "--costs", path, "--cost-column", "total_timesteps")
    assert (found.cost_unit, found.costs.tolist()) == ("steps", [1000, 1000, 2000, 1000, 500])
    assert costs_of(problem, "--costs", path, "--cost-column", "euros").cost_unit == "euros"


def test_every_environment_without_a_good_cost_is_told(problem, tmp_path):
    path = table(tmp_path / "costs.csv", "env_id,hours\nA,1\nB,0\nC,-2\nE,\n")
    with pytest.raises(InputError) as caught:
        costs_of(problem, "--costs", path)
    zero, negative, missing = caught.value.faults
    assert "line 3, column 'hours': '0' is no cost; give 1e-09 to 1e+15" in zero
    assert "line 4, column 'hours': '-2' is no cost" in negative
    assert "has no cost for D, E." in missing
    path = table(tmp_path / "costs.csv", "env_id,hours\nA,1\nB,5\n")
    kept = costs_of(problem, "--costs", path, settings=Settings(1, excluded=("B", "C", "D", "E")))
    assert np.isnan(kept.costs).tolist() == [False, False, True, True, True]


OTHERS = "".join(f"{env},b,ppo,1,1000,x,3600\n" for env in "BCDE")
HEADER = "env_id,benchmark,algo,seed,total_timesteps,hyperparameters_hash,train_seconds\n"


@pytest.fixture
def cost_of_a(problem, tmp_path):
    """Return the cost of an environment of the benchmark a, as some rows say it."""

    def cost(rows, *words):
        path = table(tmp_path / "scores.csv", HEADER + rows + OTHERS)
        return costs_of(replace(problem, benchmarks=("a", *"bbbb")), "--costs", path, *words).costs[0]

    return cost


def test_what_an_environment_costs_within_another_benchmark_does_not_count(cost_of_a):
    assert cost_of_a("A,a,ppo,1,1000,x,3600\nA,b,ppo,1,100000,x,360000\n") == 1
    assert cost_of_a("A,,ppo,1,1000,x,3600\nA,b,ppo,1,100000,x,360000\n") == 1


def test_one_row_an_environment_and_benchmark_is_no_repetition(problem, tmp_path):
    path = table(tmp_path / "costs.csv", "env_id,benchmark,hours\nA,a,1\nA,b,100\nB,,2\nC,,2\nD,,2\nE,,2\n")
    assert costs_of(replace(problem, benchmarks=("a", *"bbbb")), "--costs", path).costs.tolist() == [1, 2, 2, 2, 2]


@pytest.mark.parametrize("other", ["100000,x", "1000,y"])
def test_costs_of_trainings_that_differ_are_refused(cost_of_a, other):
    mixed = f"A,a,ppo,1,1000,x,3600\nA,a,ppo,2,{other},360000\n"
    alike = "A,a,a2c,1,1000,z,7200\nA,a,a2c,2,1000,z,7200\n"
    with pytest.raises(InputError) as caught:
        cost_of_a(mixed + alike)
    (fault,) = caught.value.faults
    assert "the trainings of 'ppo' on 'A' differ in total_timesteps or hyperparameters_hash, so their costs are not" in fault
    assert cost_of_a(mixed + alike + OTHERS.replace(",ppo,", ",a2c,"), "--cost-algo", "a2c") == 2


def test_a_single_negative_row_is_refused_though_the_mean_is_positive(problem, tmp_path):
    rows = "".join(f"{env},{algo},10\n" for env in "ABCDE" for algo in ("ppo", "a2c"))
    with pytest.raises(InputError, match="line 12, column 'hours': '-1' is no cost"):
        costs_of(problem, "--costs", table(tmp_path / "costs.csv", f"env_id,algo,hours\n{rows}A,ppo,-1\n"))


def test_costs_too_far_apart_to_be_added_are_refused(problem, tmp_path):
    path = table(tmp_path / "costs.csv", "env_id,hours\nA,1e-6\nB,5\nC,1000\nD,1\nE,1e5\n")
    with pytest.raises(InputError, match="more than 1e\\+09 times apart"):
        costs_of(problem, "--costs", path)


def test_the_best_of_at_most_a_decimal_cost_costs_that(problem):
    priced = replace(problem, costs=np.array([0.1, 0.2, 0.7, 0.3, 0.6]), cost_unit="hours")
    front = search_costs.front_record(priced, search(priced, Settings(2)))
    for point in front["points"]:
        assert point["cost"] == round(point["cost"], 1)  # not 0.30000000000000004
        assert search_costs.best_within(front, float(f"{point['cost']:g}")) == point


def test_the_total_is_that_of_all_environments_whose_cost_is_known(problem):
    priced = replace(problem, costs=np.array([1.0, 2.0, 3.0, 4.0, 10.0]), cost_unit="hours")
    assert search_costs.front_record(priced, search(priced, Settings(2, excluded=("E",))))["total"] == 20


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("env_id,x\nA,1\n", (), "no column of costs: none of train_seconds, hours, cost among env_id, x"),
        ("env,hours\nA,1\n", (), "has no column env_id or Environments; it has env, hours"),
        ("env_id,hours\nA,1\n", ("--cost-column", "hour"), "has no column 'hour'. Did you mean 'hours'?"),
        ("env_id,hours\nA,1\n", ("--cost-algo", "ppo"), "has no column algo"),
        ("env_id,algo,hours\nA,ppo,1\n", ("--cost-algo", "pp"), "has no such algorithm. Did you mean 'ppo'?"),
        ("env_id,hours\nA,much\n", (), "'much' is not a number"),
        ("env_id,hours\nA,1\nA,2\n", (), "'A' stands in line 2 already"),
    ],
)
def test_tables_that_say_no_costs_are_refused(problem, tmp_path, text, words, said):
    with pytest.raises((InputError, DatasetError)) as caught:
        costs_of(problem, "--costs", table(tmp_path / "costs.csv", text), *words)
    assert said in str(caught.value)


def test_flags_that_need_costs_are_refused_without_them():
    faults = [*search_costs.flag_faults(parsed("--cost-column", "x", "--max-cost", "-1"))]
    assert len(faults) == 3
    assert any("--max-cost -1.0 is no cost" in fault for fault in faults)
    assert any("in_sample" in fault for fault in search_costs.flag_faults(parsed("--costs", "x", "--rank-by", "in_sample")))
    assert [*search_costs.flag_faults(parsed())] == []


def test_without_costs_a_problem_stays_what_it_is(problem):
    assert search_costs.with_costs(problem, Settings(2), parsed()) is problem
    assert search_costs.front_record(problem, search(problem, Settings(2))) is None


def test_front_is_described_with_shares_and_the_best_that_is_affordable(problem):
    priced = replace(problem, costs=np.array([1.0, 2.0, 3.0, 4.0, 10.0]), cost_unit="hours")
    front = search_costs.front_record(priced, search(priced, Settings(2)))
    assert (front["unit"], front["total"]) == ("hours", pytest.approx(20.0))
    for point in front["points"]:
        assert point["share"] == pytest.approx(point["cost"] / 20)
        assert point["cost"] == pytest.approx(sum(priced.costs[priced.env_ids.index(name)] for name in point["subset"]))
    last = front["points"][-1]
    assert search_costs.best_within(front, last["cost"]) == last
    assert search_costs.best_within(front, 0.5) is None
    text = "\n".join(search_costs.describe(front, 0.5))
    assert "No subset costs 0.5 hours or less: the cheapest costs 1." in text
    assert f"The best of at most 50 hours: {', '.join(last['subset'])}" in "\n".join(search_costs.describe(front, 50))
    assert len([*search_costs.describe(front, None)]) == 1 + len(front["points"])
