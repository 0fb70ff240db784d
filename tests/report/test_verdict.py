"""The verdict in words: every figure it rests on is in it."""

from dataclasses import replace

import numpy as np
import pytest

from rlhpc.report.verdict import Evidence, headline, incomplete, sentences, told_size
from rlhpc.search.trust import DO_NOT_USE, NO_FIGURE, PROMISING, SOUND, Honest, Null, SampleSize
from rlhpc.search.trust.sample_size import Point

HONEST = Honest(7, 4, 0.437, 76.4, 57.9, 0.399, 290.0, -0.5, 7)
GOOD = replace(HONEST, mse=0.1)
POINTS = tuple(Point(n, 5, 0.01, 0.03, 0.001, 0.4) for n in (10, 20))


def evidence(verdict, honest=HONEST, **changed):
    made = Evidence(verdict, honest, "", 0.0035, 7, 7, honest.n_predicted if honest else 0)
    return replace(made, **{"shuffled": null(0.01, exact=True), "permuted": null(0.01, exact=True), **changed})


def null(p, *, exact):
    return Null(0.01, np.full(200, 0.02), p, exact)


@pytest.mark.parametrize(
    ("verdict", "honest", "words"),
    [(DO_NOT_USE, HONEST, "no better than a guess"), (PROMISING, GOOD, "them better than"), (SOUND, GOOD, "them better than")],
)
def test_honest_error_stands_beside_that_of_guessing(verdict, honest, words):
    first = sentences(evidence(verdict, honest))[0]
    assert words in first
    assert f"{honest.mse:.3g}, against 0.399" in first
    assert "4 of 7 were predicted closer than by the guess." in first


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (evidence(DO_NOT_USE), "do not use: worse than guessing"),
        (evidence(DO_NOT_USE, GOOD), "do not use: chance does as well"),
        (evidence(PROMISING, GOOD, size=SampleSize((), 30)), "promising, needs about 30 algorithms"),
        (evidence(PROMISING, GOOD), "promising, needs about 20 algorithms"),
        (evidence(PROMISING, GOOD, size=SampleSize(POINTS, 30), n_algos=40), "promising, not more"),
        (evidence(PROMISING, GOOD, size=SampleSize(POINTS, None), n_algos=40), "promising, needs more algorithms"),
        (evidence(SOUND, GOOD), "sound"),
        (evidence(NO_FIGURE, None), "no trust figure"),
    ],
)
def test_headline_says_it_in_a_few_words(given, said):
    assert headline(given) == said


def test_p_values_stand_with_draws_and_monte_carlo_error():
    said = sentences(evidence(DO_NOT_USE, shuffled=null(0.0623, exact=True), permuted=null(0.04, exact=False)))
    shuffled = "Chance claims as small an error, with the target shuffled among the algorithms: p = 0.0623"
    permuted = "Chance hardly claims as small an error, with every environment's scores exchanged among the algorithms: p ="
    assert f"{shuffled} (all 200 searches)." in said
    assert said[-1] == f"What speaks for it all the same: c{permuted[1:]} 0.0400 ± 0.014 (200 searches)."


def test_reasons_not_to_use_it_come_before_what_speaks_for_it():
    better = evidence(DO_NOT_USE, GOOD, shuffled=null(0.2, exact=True), n_complete=5)
    said = sentences(better)
    assert said[0].startswith("Chance claims as small an error")
    (place,) = (place for place, one in enumerate(said) if one.startswith("What speaks for it all the same: subsets chosen"))
    assert "better than a guess" in said[place]
    assert [one.split(",")[0] for one in said[place + 1 :]] == ["Chance hardly claims as small an error"]
    worse = sentences(evidence(DO_NOT_USE, shuffled=null(0.2, exact=True), permuted=None))
    assert "no better than a guess" in worse[0]
    assert not any("speaks for it" in one for one in worse)


def test_what_speaks_for_a_subset_that_may_be_used_comes_first():
    said = sentences(evidence(PROMISING, GOOD))
    assert "better than a guess" in said[0]
    assert not any("speaks for it" in one for one in said)


def test_what_a_promising_subset_lacks_is_said():
    said = " ".join(sentences(evidence(PROMISING, replace(GOOD, mse=0.3), size=SampleSize((), 30))))
    assert "With 7 tested algorithms that can be luck; have at least 20." in said
    assert "more than 0.5 of guessing's" in said
    assert "claimed error is 85.7 times too small" in said
    assert "about 30 algorithms" in said
    sound = " ".join(sentences(evidence(SOUND, replace(GOOD, n_predicted=40), claimed=0.09, n_algos=40, n_complete=40)))
    assert not any(word in sound for word in ("luck", "too small", "too few"))


def test_chance_that_was_not_asked_for_is_said():
    said = sentences(evidence(PROMISING, GOOD, permuted=None))
    assert "Whether chance does as well was not asked (--permutations)." in said


def test_exact_claims_are_not_divided_by():
    assert "which is exact, is not kept" in " ".join(sentences(evidence(PROMISING, GOOD, claimed=0.0)))


def test_too_few_tested_algorithms_are_said_to_be_too_few():
    assert any("7 tested algorithms are too few" in one for one in sentences(evidence(DO_NOT_USE)))
    twenty = evidence(DO_NOT_USE, replace(HONEST, n_predicted=20), n_algos=20, n_complete=20)
    copies = evidence(PROMISING, replace(GOOD, n_predicted=24), n_algos=24, n_complete=24, n_different=4)
    assert any("24 tested algorithms, of which 4 are different" in one for one in sentences(copies))
    assert not any("too few" in one for one in sentences(twenty))


def test_algorithms_that_could_not_be_tested_are_counted():
    assert "Only 7 of 12 algorithms could be tested" in sentences(evidence(DO_NOT_USE, n_algos=12, n_complete=12))[1]
    assert not any("could be tested" in sentence for sentence in sentences(evidence(DO_NOT_USE)))


@pytest.mark.parametrize(("verdict", "honest"), [(NO_FIGURE, None), (DO_NOT_USE, HONEST)])
def test_a_subset_that_rests_on_some_algorithms_only_is_said_to(verdict, honest):
    some, every = (sentences(evidence(verdict, honest, n_complete=n, n_algos=20)) for n in (4, 20))
    (rests,) = set(some) - set(every)
    assert rests.startswith("The best subset rests on 4 of 20 algorithms; ")
    assert incomplete(20, 20) == []


def test_reason_for_no_figure_is_given():
    assert sentences(evidence(NO_FIGURE, None, no_figure="There are 3."))[0].endswith("There are 3.")


@pytest.mark.parametrize(
    ("size", "n_algos", "said"),
    [
        (SampleSize((), 30), 7, "It takes about 30 algorithms"),
        (SampleSize((), None), 40, "is not known"),
        (SampleSize(POINTS, None), 25, "cannot be told"),
        (SampleSize(POINTS, 20), 25, "About 20 algorithms are enough"),
        (SampleSize(POINTS, 47, extrapolated=True), 25, "It takes about 47 algorithms"),
    ],
)
def test_number_of_algorithms_is_told_with_where_it_comes_from(size, n_algos, said):
    told = told_size(size, n_algos)
    assert said in told
    assert "2 times too small" in told
    assert ("10 to 20 of them" in told) == bool(size.points)
    assert ("the line through their errors" in told) == size.extrapolated
