"""The verdict in plain words: what to do with a subset, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rlhpc.report.tables import drawn, number
from rlhpc.search.trust import DO_NOT_USE, ENOUGH_ALGOS, NO_FIGURE, PROMISING, Honest, Null, SampleSize
from rlhpc.search.trust.verdict import HALF_OF_GUESSING, OPTIMISM, SIGNIFICANT


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on.

    Attributes
    ----------
    verdict : str
        From `rlhpc.search.trust.judge`.
    honest : Honest or None
    no_figure : str
        Why there is no honest error; blank if there is one.
    claimed : float
        CV MSE of the chosen subset.
    n_complete, n_algos, n_different : int
        Algorithms with every score of the chosen subset; all; and the tested ones, nearly equal ones counted once.
    shuffled, permuted : Null or None
        The nulls of shuffled targets and of permuted columns.
    size : SampleSize or None
    """

    verdict: str
    honest: Honest | None
    no_figure: str
    claimed: float
    n_complete: int
    n_algos: int
    n_different: int
    shuffled: Null | None = None
    permuted: Null | None = None
    size: SampleSize | None = None

    @property
    def no_better_than_guessing(self) -> bool:
        """Whether guessing the mean of the others errs no more."""
        return self.honest is not None and not self.honest.mse < self.honest.baseline_mse


def headline(evidence: Evidence) -> str:
    """Spell a verdict in a few words."""
    if evidence.verdict == DO_NOT_USE:
        return f"{DO_NOT_USE}: {'worse than guessing' if evidence.no_better_than_guessing else 'chance does as well'}"
    if evidence.verdict == PROMISING:
        needed = evidence.size.needed if evidence.size else None
        wanted = max(needed or 0, ENOUGH_ALGOS)
        if wanted > evidence.n_algos:
            return f"{PROMISING}, needs about {wanted} algorithms"
        return f"{PROMISING}, needs more algorithms" if needed is None else f"{PROMISING}, not more"
    return evidence.verdict


def sentences(evidence: Evidence) -> tuple[str, ...]:
    """Spell out what a verdict rests on: the reasons for it first, then what it lacks, or what speaks against it."""
    rests = incomplete(evidence.n_complete, evidence.n_algos)
    if evidence.verdict == NO_FIGURE or evidence.honest is None:
        return (
            f"How far this subset can be trusted is not known. {evidence.no_figure}",
            "Its claimed error is the smallest of all that were searched; on its own it says little about a new algorithm.",
            *rests,
        )
    guessing = [_against_guessing(evidence, evidence.honest)]
    as_small, hardly = (list(_against_chance(evidence, as_small=as_small)) for as_small in (True, False))
    bad, good = (guessing, hardly) if evidence.no_better_than_guessing else ([], guessing + hardly)
    lacks = [*_untested(evidence, evidence.honest), *_short_of_sound(evidence, evidence.honest), *rests]
    if evidence.verdict != DO_NOT_USE:
        return *good, *lacks
    if good:
        good[0] = f"What speaks for it all the same: {good[0][0].lower()}{good[0][1:]}"
    return *bad, *as_small, *lacks, *good


def incomplete(n_complete: int, n_algos: int) -> list[str]:
    """Say that the best subset rests on some of the algorithms only; nothing if it rests on all."""
    if n_complete == n_algos:
        return []
    rests = f"The best subset rests on {n_complete} of {n_algos} algorithms; errors on different algorithms are not comparable."
    return [f"{rests} Add the scores that are missing, or leave out environments that few algorithms have (--exclude)."]


def _against_guessing(evidence: Evidence, honest: Honest) -> str:
    compared = "no better" if evidence.no_better_than_guessing else "better"
    return (
        f"Subsets chosen this way predict algorithms that had no part in choosing them {compared} than a guess: an MSE of "
        f"{honest.mse:.3g}, against {honest.baseline_mse:.3g} for guessing the mean of the others. "
        f"{honest.n_closer} of {honest.n_predicted} were predicted closer than by the guess."
    )


def _untested(evidence: Evidence, honest: Honest) -> Iterator[str]:
    if honest.n_predicted < evidence.n_algos:
        yield (
            f"Only {honest.n_predicted} of {evidence.n_algos} algorithms could be tested; the others lack a score on the subset "
            "that was chosen without them."
        )


def _against_chance(evidence: Evidence, *, as_small: bool) -> Iterator[str]:
    """Say how often chance claims as small an error, of the kinds of chance that do, or of those that hardly do."""
    kinds = (
        (evidence.shuffled, "with the target shuffled among the algorithms"),
        (evidence.permuted, "with every environment's scores exchanged among the algorithms"),
    )
    for null, how in kinds:
        if null is not None and (null.p > SIGNIFICANT) == as_small:
            all_of = "all " if null.exact else ""
            spread = "" if null.exact else drawn(null.standard_error)
            found = "Chance claims as small an error" if as_small else "Chance hardly claims as small an error"
            yield f"{found}, {how}: p = {number(null.p)}{spread} ({all_of}{len(null.draws):,} searches)."


def _short_of_sound(evidence: Evidence, honest: Honest) -> Iterator[str]:
    """Say what a subset that is not sound lacks, and how many algorithms it would take."""
    if evidence.verdict == PROMISING:
        if evidence.n_different < ENOUGH_ALGOS:
            yield f"With {_tested(evidence, honest)} that can be luck; have at least {ENOUGH_ALGOS}."
        if evidence.shuffled is None or evidence.permuted is None:
            yield "Whether chance does as well was not asked (--permutations)."
        if honest.mse > HALF_OF_GUESSING * honest.baseline_mse:
            yield f"Its honest error is more than {HALF_OF_GUESSING:g} of guessing's."
        if not evidence.claimed:
            yield "Its claimed error, which is exact, is not kept."
        elif honest.mse > OPTIMISM * evidence.claimed:
            yield f"Its claimed error is {honest.mse / evidence.claimed:.3g} times too small."
    elif evidence.verdict == DO_NOT_USE and evidence.n_different < ENOUGH_ALGOS:
        yield (
            f"{_tested(evidence, honest)} are too few to trust any subset; have at least {ENOUGH_ALGOS}. Variants of "
            "one algorithm resemble each other: with them the honest error is that of another variant, not of another algorithm."
        )
    if evidence.size is not None and evidence.verdict in {PROMISING, DO_NOT_USE}:
        yield told_size(evidence.size, evidence.n_algos)


def _tested(evidence: Evidence, honest: Honest) -> str:
    """Count the tested algorithms, and those that are different ones."""
    tested = f"{honest.n_predicted} tested algorithms"
    if evidence.n_different == honest.n_predicted:
        return tested
    return f"{tested}, of which {evidence.n_different} are different and the others nearly the same as one of these,"


def told_size(size: SampleSize, n_algos: int) -> str:
    """Say how many algorithms it would take for the claimed error to be believable."""
    believable = f"for the claimed error to be at most {OPTIMISM:g} times too small"
    if not size.points:
        if size.needed is None:
            return f"No parts of the {n_algos} algorithms were searched: how many it takes {believable} is not known."
        return (
            f"It takes about {size.needed} algorithms {believable}, by the experience with another table: no parts of these were "
            "searched."
        )
    smallest, largest = size.points[0].n_algos, size.points[-1].n_algos
    seen = f"by searches on {smallest} to {largest} of them"
    if size.needed is None:
        return f"How many algorithms it takes {believable} cannot be told {seen}: more than there are."
    line = " and the line through their errors" if size.extrapolated else ""
    if size.needed <= n_algos:
        return f"About {size.needed} algorithms are enough {believable}, {seen}{line}."
    return f"It takes about {size.needed} algorithms {believable}, {seen}{line}."
