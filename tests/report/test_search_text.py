"""What a search says on a terminal."""

from dataclasses import replace

import pytest

from rlhpc.report.search_record import SearchRecord
from rlhpc.report.search_text import describe, warnings
from rlhpc.search import Ranked

HEAD = {
    "n_subsets": 8436,
    "subset_size": 3,
    "n_envs": 38,
    "n_algos": 40,
    "n_folds": 10,
    "fit_intercept": False,
    "n_searched": 8436,
    "n_unsearchable": 0,
    "n_recomputed": 0,
    "exhaustive": True,
    "keep": 1000,
    "fold_rule": "fixed",
    "rank_by": "cv_mse",
    "ridge": 0.0,
    "forced": [],
    "excluded": [],
    "beam": 0,
    "left_out": [],
    "without_relative_error": [],
    "envs": [],
    "coverage": {
        "min_algo": 0.0,
        "min_env": 0.0,
        "correction": "none",
        "n_algos": 40,
        "n_complete": 40,
        "algos": [],
        "envs": [],
        "blocks": [],
        "references": [],
        "corrections": [],
    },
    "front": None,
}


def ranked(*subset, relative_error=12.3456789):
    return Ranked(subset, 0.00351234567, 0.9, relative_error, (1.0,) * len(subset), 0.0, 40)


def said(**changes):
    sizes = ({"nested": ranked("A", "B"), "best": ranked("A", "B")}, {"nested": ranked("B"), "best": ranked("C")})
    return describe(SearchRecord(HEAD | changes, tuple(ranked("A", f"B{place}") for place in range(9)), sizes))


def test_a_reference_below_random_is_warned_of():
    envs = [{"env_id": name, "random_score": 1.0, "reference_score": high} for name, high in (("Pong", 0.5), ("Boxing", 2.0))]
    (warning,) = warnings(SearchRecord(HEAD | {"envs": envs}, (ranked("A"),), ()))
    assert warning.startswith("the reference score of 'Pong', 0.5, is below its random score, 1:")


def test_first_sentence_counts_what_was_searched():
    first = said().splitlines()[0]
    assert first == (
        "Searched all 8,436 subsets of 3 of 38 environments, and all smaller ones, on 40 algorithms: 10 folds, no intercept."
    )


def test_folds_are_at_most_one_an_algorithm():
    assert "on 7 algorithms: 7 folds, an intercept." in said(n_algos=7, fit_intercept=True)


def test_five_of_the_ranking_and_both_of_every_size_are_shown():
    lines = said().splitlines()
    assert lines[2] == "     place        CV MSE  in-sample error  algorithms  subset"
    assert [line.split("        40  ")[1] for line in lines[3:8]] == [f"A; B{place}" for place in range(5)]
    assert lines[3].split() == ["1", "0.00351235", "12.3457", "%", "40", "A;", "B0"]
    assert lines[8] == "... and 4 more in ranking.csv"
    assert [line[:10].strip() for line in lines[11:]] == ["2 nested", "2 best", "1 nested", "1 best"]


def test_sizes_of_one_have_no_smaller_ones_and_a_short_ranking_no_more():
    text = describe(SearchRecord(HEAD | {"subset_size": 1, "n_subsets": 38}, (ranked("A"),), ()))
    assert text.startswith("Searched all 38 subsets of 1 of 38 environments, on 40 algorithms")
    assert "more in ranking.csv" not in text


def test_an_undefined_relative_error_is_a_dash():
    record = SearchRecord(HEAD, (ranked("A", relative_error=None),), ())
    assert describe(record).splitlines()[3].split() == ["1", "0.00351235", "-", "40", "A"]


def test_what_was_left_out_is_named():
    text = said(
        n_unsearchable=1500,
        left_out=[{"algo": "a2c", "reason": "no score"}, {"algo": "td3", "reason": "no score"}, {"algo": "ppo", "reason": "few"}],
        without_relative_error=["sac"],
    )
    assert "1,500 of those of 3 have too few algorithms" in text
    assert "Left out, without any score: a2c, td3." in text
    assert "because the benchmark score is 0: sac." in text


@pytest.mark.parametrize(
    ("n_algos", "words"),
    [
        (7, "7 algorithms are too few"),
        (19, "too few"),
        (20, "with 20 algorithms these CV errors are optimistic"),
        (29, "optimistic"),
    ],
)
def test_a_table_of_few_algorithms_is_warned_of(n_algos, words):
    (warning,) = warnings(record(n_algos, n_algos))
    assert words in warning
    assert f"Warning: {warning}" in describe(record(n_algos, n_algos))


def test_thirty_algorithms_with_all_scores_are_not_warned_of():
    assert warnings(record(30, 30)) == []


def test_a_best_subset_that_rests_on_some_algorithms_only_is_warned_of():
    (warned,) = warnings(record(40, 4))
    assert warned.startswith(
        "The best subset rests on 4 of 40 algorithms; errors on different algorithms are not comparable. Add "
    )


def record(n_algos, n_complete):
    best = replace(ranked("A"), n_algos=n_complete)
    return SearchRecord(HEAD | {"n_algos": n_algos}, (best,), ())


def test_cost_front_is_shown_with_the_best_that_is_affordable():
    points = [
        {"subset": ["A"], "cost": 1.5, "share": 0.1, "cv_mse": 0.2},
        {"subset": ["A", "B"], "cost": 3, "share": 0.2, "cv_mse": 0.1},
    ]
    with_front = SearchRecord(HEAD | {"front": {"unit": "hours", "total": 15.0, "points": points}}, (ranked("A"),), ())
    text = describe(with_front, 2.0)
    assert "subset (cost in hours; all 15)" in text
    assert text.splitlines()[-1] == (
        "The best of at most 2 hours: A (1.5 hours, CV MSE 0.2). For a report on it, search it alone: --subset-size 1 --force A"
    )


def test_rules_other_than_the_usual_are_told():
    text = said(fold_rule="drawn", ridge=0.25, rank_by="in_sample", forced=["A"], excluded=["B", "C"], n_recomputed=1200)
    assert "10 folds drawn for each subset, no intercept, ridge 0.25, the best 1,000 by in-sample error in order of" in text
    assert "In every subset: A.\nIn no subset: B, C.\n" in text
    assert "1,200 of those of 3 are nearly collinear, and were computed by an exact method." in text


def test_a_beam_is_called_not_exhaustive():
    first = said(exhaustive=False, beam=50, n_searched=1900).splitlines()[0]
    assert first.startswith("Searched 1,900 of the 8,436 subsets of 3 of 38 environments, a beam of 50, on 40 algorithms")
    assert first.endswith("NOT exhaustive: there may be a better subset.")
