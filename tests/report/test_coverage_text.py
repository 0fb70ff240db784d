"""What became of missing scores, in words."""

import pytest

from rlhpc.report.coverage_text import coverage_told, coverage_warnings
from rlhpc.report.tables import number

COMPLETE = {
    "min_algo": 0.0,
    "min_env": 0.0,
    "correction": "none",
    "n_algos": 10,
    "n_complete": 10,
    "algos": [],
    "envs": [],
    "blocks": [],
    "references": [],
    "corrections": [],
}
BLOCK = {"algos": ["a", "b", "c"], "lacking": ["dmc1m"], "having": ["atari100k"], "share": 0.5}
BLOCKY = COMPLETE | {"n_complete": 7, "blocks": [BLOCK]}
CORRECTED = BLOCKY | {
    "correction": "difference",
    "references": list("defghij"),
    "corrections": [
        {"algo": "a", "correction": 0.1, "standard_error": 0.05, "spread": 0.13},
        {"algo": "b", "correction": -0.214, "standard_error": 0.04, "spread": 0.1},
        {"algo": "c", "correction": -0.01, "standard_error": 0.03, "spread": 0.09},
    ],
}


def test_a_table_without_gaps_has_nothing_to_tell():
    assert coverage_warnings(COMPLETE) == coverage_told(COMPLETE, 10, 0.1) == []


def test_a_block_is_warned_of_with_both_remedies():
    assert coverage_warnings(BLOCKY) == [
        (
            "3 of 10 algorithms have no score in dmc1m (a, b, c): their target is the atari100k one. Targets on different "
            "benchmarks are not comparable, nor are errors on them. --target-correction difference corrects for it, and "
            "--min-algo-coverage above 0.5 leaves these algorithms out."
        )
    ]


def test_a_block_whose_targets_are_corrected_is_not_warned_of():
    assert coverage_warnings(CORRECTED) == []


def test_several_blocks_are_one_warning_and_no_remedy_is_named_that_the_table_does_not_allow():
    other = {"algos": ["d"], "lacking": ["atari100k", "procgen"], "having": ["dmc1m"], "share": 1 / 3}
    (warning,) = coverage_warnings(COMPLETE | {"n_complete": 2, "blocks": [BLOCK, other]})
    assert "1 of 10 algorithms have no score in atari100k and procgen (d): their target is the dmc1m one." in warning
    assert "--target-correction" not in warning
    assert warning.endswith("--min-algo-coverage above 0.5 leaves these algorithms out.")
    (warning,) = coverage_warnings(COMPLETE | {"n_algos": 5, "n_complete": 1, "blocks": [BLOCK, other]})
    assert warning.endswith(
        "--target-correction needs 3 algorithms with every score, and there are 1; --min-algo-coverage would leave too few. Add "
        "scores, or search a table of each benchmark."
    )


def test_what_was_left_out_is_told_by_name_share_and_rule():
    record = COMPLETE | {
        "min_algo": 0.5,
        "min_env": 0.7,
        "algos": [{"name": "x", "share": 0.25, "reason": ""}, {"name": "y", "share": 0.123456, "reason": ""}],
        "envs": [{"name": "Pong", "share": 0.6, "reason": ""}],
    }
    algos, envs = coverage_told(record)
    assert algos.startswith(
        "Left out by --min-algo-coverage 0.5: x (0.25), y (0.1235); in brackets the share of the environments"
    )
    assert envs.startswith("In no subset by --min-env-coverage 0.7, but in what is predicted: Pong (0.6); in brackets the share")


def test_targets_that_are_not_corrected_are_said_not_to_be():
    target, comparison = coverage_told(BLOCKY)
    assert target.startswith("3 of 10 algorithms lack scores: the target of each is its benchmark score on the environments that")
    assert comparison.startswith("Where scores are missing, the errors of two subsets rest on different algorithms")


def test_the_largest_correction_is_told_with_its_standard_error_and_doubtful_ones_by_name():
    target, doubtful, _ = coverage_told(CORRECTED)
    assert "over the 7 algorithms with every score" in target
    assert f"The largest correction is {number(-0.214)} (b), with a standard error of 0.0400; in log10 units." in target
    assert doubtful.startswith("Smaller than its standard error is the correction of c: it may put the target further off.")


def test_trust_figures_are_set_beside_the_errors_of_corrections():
    *_, tested, _, errors = coverage_told(CORRECTED, n_tested=6, honest_mse=0.09)
    assert tested.startswith("6 of 10 algorithms could be tested: those that have every score of the subset")
    assert errors.startswith(
        "Beside the honest root mean squared error of 0.300: the corrections have standard errors of up to 0.0500, and single "
        "algorithms differ from them by 0.130"
    )


@pytest.mark.parametrize(("n_tested", "honest_mse"), [(None, None), (10, float("nan"))])
def test_trust_figures_that_are_not_there_are_not_told(n_tested, honest_mse):
    told = " ".join(coverage_told(CORRECTED, n_tested, honest_mse))
    assert "could be tested" not in told
    assert "root mean squared" not in told
