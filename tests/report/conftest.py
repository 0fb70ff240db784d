"""A finished search of a small table, made by the job itself; and trust figures of every kind."""

import collections
import shutil
import subprocess
import sys

import numpy as np
import pytest

import rlhpc.search
from rlhpc.report import page
from rlhpc.report.search_folder import SearchFolder, read_search
from rlhpc.report.search_input import search_input
from rlhpc.report.search_record import search_record
from rlhpc.report.search_writer import write_search
from rlhpc.report.trust_record import TrustInput, trust_record
from rlhpc.results.dataset import read_table
from rlhpc.search import Settings
from rlhpc.search.trust import Given, Plan, redo

SCRIPT = "<script>alert('env')</script>"
ENVS = [
    (SCRIPT, "a"),
    ('"Quotes" & co', "a"),
    ("$Dollar$ _under_", "a"),
    ("dm_control/cartpole-swingup_sparse-v0", "b"),
    ("Pong", "b"),
]
ONLY_WITHOUT_EACH = Plan(n_permutations=0, n_fold_seeds=0, n_pairs=0, n_resamples=0, n_subsamples=0)
ALGOS = ["ppo", "a2c", "trpo", "dqn", "<b>sac</b>", "td3"]


@pytest.fixture(scope="session")
def search_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    rng = np.random.default_rng(5)
    scores = 10 ** rng.normal(1, 0.4, (len(ALGOS), 1)) * 10 ** rng.normal(0, 0.2, (len(ALGOS), len(ENVS)))
    lines = ["env_id,benchmark,action_space,algo,seed,score,random_score,reference_score"]
    for column, (env_id, benchmark) in enumerate(ENVS):
        quoted = '"' + env_id.replace('"', '""') + '"'
        lines += [f"{quoted},{benchmark},Discrete,{algo},1,{scores[row, column]},0,100" for row, algo in enumerate(ALGOS)]
    (folder / "scores.csv").write_text("\n".join(lines))
    command = ["jobs/subset_search.py", str(folder / "scores.csv"), "--subset-size", "2", "--out", str(folder / "search")]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return folder / "search"


@pytest.fixture
def search(search_once, tmp_path):
    """The folder of a finished search, to be changed at will."""
    return SearchFolder(shutil.copytree(search_once, tmp_path / "search"))


@pytest.fixture(scope="session")
def found(search_once):
    return read_search(SearchFolder(search_once))


@pytest.fixture(scope="session")
def make_report():
    """Make everything that a page shows of a search."""

    def make(found, *, seeds=None, no_figure=""):
        given = Given(found.problem, found.settings, ONLY_WITHOUT_EACH)
        trust = TrustInput(given, () if no_figure else redo(given, given.replicates), no_figure)
        commands = ("python jobs/subset_search.py 'a table.csv'",)
        return page.make_report(found, trust_record(found, trust), page.Trainings(seeds), commands)

    return make


@pytest.fixture
def search_table(tmp_path):
    """Search a table of scores, shape (n_algos, n_envs)."""

    def search(scores, subset_size):
        table = tmp_path / "table.csv"
        lines = ["env_id,benchmark,action_space,algo,seed,score,random_score,reference_score"]
        lines += [f"Env {env},b,Discrete,a{algo},1,{score},0,100" for (algo, env), score in np.ndenumerate(scores)]
        table.write_text("\n".join(lines))
        given, settings, folder = search_input(table, read_table(table)), Settings(subset_size), SearchFolder(tmp_path)
        best = rlhpc.search.search(given.problem, settings)
        write_search(search_record(given, settings, best), given.problem, folder)
        return read_search(folder)

    return search


WAYS = (("without one", True), ("without two", True), ("other folds", False), ("resampled seeds", False))


def made_up(env_ids, algos, seed=0):
    """Make up everything that trust.json may hold beside the honest errors, as the schema of it says."""
    rng = np.random.default_rng(seed)
    low, high = np.sort(rng.uniform(0.2, 0.3, 2)).tolist()
    return {
        "verdict": "sound",
        "unselected": {"low": low, "high": high},
        "interval_level": 0.9,
        "null": {
            "shuffled_targets": made_up_null(rng, n_draws=720, exact=True),
            "permuted_columns": made_up_null(rng, n_draws=200, exact=False),
        },
        "stability": [made_up_stability(rng, env_ids, how, exact=exact) for how, exact in WAYS],
        "sample_size": {
            "points": [made_up_point(n_algos) for n_algos in (5, 7, 10, 15)],
            "needed": 23,
            "told": "It would take about 23 algorithms.",
        },
        "alike": {
            "algos": [{"algos": [algos[0], algos[1]], "distance": 0.0731}],
            "targets": [{"algo": algos[2], "env_id": env_ids[0]}],
            "told": ["Two algorithms are nearly the same.", "One score is predicted by itself."],
        },
        "seed_noise": {
            "n_draws": 200,
            "cv_mse_low": 0.0213,
            "cv_mse_high": 0.0456,
            "level": 0.95,
            "same_subset_share": 0.36,
            "told": "Other seeds would have given another subset.",
        },
        "front": {"unit": "hours", "total": 640.5, "points": made_up_points(env_ids)},
        "coverage": {"told": ["Two environments were dropped for missing scores."]},
        "statistics": made_up_statistics(rng, algos),
        "why": {},
    }


def made_up_null(rng, *, n_draws, exact):
    draws = np.sort(rng.lognormal(-2.5, 0.4, n_draws))
    p = float((draws <= 0.02).mean() if exact else ((draws <= 0.02).sum() + 1) / (n_draws + 1))
    error = 0.0 if exact else float(np.sqrt(p * (1 - p) / n_draws))
    return {"p": p, "standard_error": error, "n_draws": n_draws, "exact": exact, "observed": 0.02, "draws": draws.tolist()}


def made_up_stability(rng, env_ids, how, *, exact):
    picks = [tuple(sorted(rng.choice(env_ids[:20], 2, replace=False).tolist())) for _ in range(40)]
    picks += [tuple(env_ids[:2])] * 20
    subsets, envs = (collections.Counter(counted) for counted in (picks, [env_id for pick in picks for env_id in pick]))
    return {
        "how": how,
        "n_searches": len(picks),
        "exact": exact,
        "n_distinct_subsets": len(subsets),
        "envs": [{"env_id": env_id, "share": n / len(picks)} for env_id, n in envs.most_common()],
        "subsets": [{"subset": list(subset), "share": n / len(picks)} for subset, n in subsets.most_common(10)],
    }


def made_up_point(n_algos):
    return {
        "n_algos": n_algos,
        "n_draws": 20,
        "claimed_mse": 0.001 * n_algos,
        "honest_mse": 2.0 / n_algos,
        "honest_standard_error": 0.5 / n_algos if n_algos < 15 else None,
        "guess_mse": 0.31,
    }


def made_up_points(env_ids, n_points=5):
    return [
        {
            "subset": [f"{env_ids[place % len(env_ids)]}@{50_000 * (place + 1)}", *env_ids[: place % 3]],
            "cost": 2.5 * 1.7**place,
            "share": 2.5 * 1.7**place / 640.5,
            "cv_mse": 0.31 / 1.5**place,
        }
        for place in range(n_points)
    ]


def made_up_value(value, width, *, known=True):
    bounds = (value - width, value + width, width / 30) if known else (None, None, None)
    return dict(zip(("value", "low", "high", "bounds_standard_error"), (value, *bounds), strict=True))


def made_up_statistics(rng, algos):
    thresholds = np.linspace(0, 200, 101)
    levels = rng.uniform(20, 140, len(algos)).tolist()
    shares = {algo: 1 / (1 + (thresholds / level) ** 2) for algo, level in zip(algos, levels, strict=True)}
    known = {algo: place != 1 for place, algo in enumerate(algos)}
    return {
        "n_draws": 2000,
        "seed": 7,
        "level": 0.95,
        "algos": [
            {
                "algo": algo,
                "n_envs": 38,
                "n_seeds_min": 3 if known[algo] else 1,
                "n_seeds_max": 5,
                **{
                    key: made_up_value(scale * level, 4 + level / 20, known=known[algo])
                    for key, scale in (("iqm", 1), ("median", 0.9), ("mean", 1.2), ("optimality_gap", 0.4))
                },
            }
            for algo, level in zip(algos, levels, strict=True)
        ],
        "profiles": {
            "thresholds": thresholds.tolist(),
            "algos": {
                algo: {
                    "share": share.tolist(),
                    "low": (share * 0.9).tolist() if known[algo] else None,
                    "high": (share * 0.9 + 0.1).tolist() if known[algo] else None,
                }
                for algo, share in shares.items()
            },
        },
        "improvement": [
            {"algo": algo, "over": over, "n_envs": 38, "probability": 0.64, "low": 0.58, "high": 0.71}
            for place, algo in enumerate(algos)
            for over in algos[place + 1 : place + 2 if len(algos) > 30 else None]
        ],
    }


@pytest.fixture(scope="session")
def full_trust():
    """Give a record of trust every key that there is, made up where the record has none.

    Names are those of the problem.
    """

    def full(trust, problem, seed=0):
        made = made_up(list(problem.env_ids), list(problem.algos), seed)
        half = 0.4 * np.arange(1, len(trust["held_out"]) + 1)
        held_out = [
            {**one, "low_y": None if one["predicted_y"] is None else one["predicted_y"] - width, "high_y": one["y"] + width}
            for one, width in zip(trust["held_out"], half.tolist(), strict=True)
        ]
        honest = trust["honest"] and {**trust["honest"], "r2": -0.1}
        return {**trust, **made, "held_out": held_out, "honest": honest}

    return full
