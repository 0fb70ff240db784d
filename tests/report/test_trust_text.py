"""What the report says on a terminal."""

import numpy as np
import pytest

from rlhpc.report.trust_record import TrustInput, trust_record
from rlhpc.report.trust_text import describe
from rlhpc.search.trust import Given, Plan, redo


@pytest.fixture(scope="module")
def given(found):
    return Given(found.problem, found.settings, Plan(n_permutations=20, n_fold_seeds=3, n_pairs=5))


def test_without_an_honest_error_only_the_claim_is_shown(found, given):
    lines = describe(trust_record(found, TrustInput(given, (), "It was left out."))).splitlines()
    assert lines[0] == "Verdict: no trust figure"
    assert lines[1] == f"Chosen subset: {', '.join(found.ranking[0].subset)}"
    assert any(line.startswith("Claimed: CV MSE ") for line in lines)
    assert "Honest:" not in "\n".join(lines)


def test_with_one_the_claim_the_honest_error_and_the_guess_follow_each_other(found, given):
    trust = trust_record(found, TrustInput(given, redo(given, given.replicates)))
    lines = describe(trust).splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("Claimed"))
    assert [line.split(":")[0] for line in lines[first : first + 4]] == [
        "Claimed",
        "Honest",
        "Guessing the mean of the others",
        "A subset that nobody selected",
    ]
    assert lines[0] == f"Verdict: {trust['headline']}"
    n = trust["honest"]["n_distinct_subsets"]
    assert any(line.startswith(f"Without each algorithm in turn (6 searches): {n} different subset") for line in lines)
    assert any(line.startswith("Without two algorithms (5 searches): ") for line in lines)


def test_seed_noise_is_told(found):
    rng = np.random.default_rng(0)
    seeds = found.problem.scores[:, None] + rng.normal(0, 1, (6, 3, 5))
    given = Given(found.problem, found.settings, Plan(n_permutations=0, n_resamples=9), lambda _: found.problem, seeds)
    trust = trust_record(found, TrustInput(given, redo(given, given.replicates)))
    assert "of 9 searches choose the same subset" in describe(trust).splitlines()[-2]
    assert describe(trust).splitlines()[-1] == "What is random here was drawn with --trust-seed 0."
