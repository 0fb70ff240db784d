"""The verdict in plain words: what to do with a subset, and why."""

from __future__ import annotations

from collections.abc import Iterator

from rlhpc.search.trust import BELIEVABLE_ALGOS, DO_NOT_USE, ENOUGH_ALGOS, NO_FIGURE, TOO_FEW, Honest


def sentences(verdict: str, honest: Honest | None, no_figure: str, n_complete: int, n_algos: int) -> tuple[str, ...]:
    """Spell a verdict out, the most important sentence first.

    Parameters
    ----------
    verdict : str
        From `rlhpc.search.trust.judge`.
    honest : Honest or None
    no_figure : str
        Why there is no honest error; blank if there is one.
    n_complete : int
        Algorithms with every score of the chosen subset.
    n_algos : int
    """
    if verdict == NO_FIGURE or honest is None:
        spelled = [
            f"How far this subset can be trusted is not known. {no_figure}",
            "Its claimed error is the smallest of all that were searched; on its own it says little about a new algorithm.",
        ]
    else:
        spelled = list(_with_figure(verdict, honest, n_algos))
    return *spelled, *incomplete(n_complete, n_algos)


def incomplete(n_complete: int, n_algos: int) -> list[str]:
    """Say that the best subset rests on some of the algorithms only; nothing if it rests on all."""
    if n_complete == n_algos:
        return []
    rests = f"The best subset rests on {n_complete} of {n_algos} algorithms; errors on different algorithms are not comparable."
    return [f"{rests} Add the scores that are missing, or leave out environments that few algorithms have (--exclude)."]


def _with_figure(verdict: str, honest: Honest, n_algos: int) -> Iterator[str]:
    compared = "no better" if verdict == DO_NOT_USE else "better"
    luck = f" But with {honest.n_predicted} of them that can be luck." if verdict == TOO_FEW else ""
    yield (
        f"Subsets chosen this way predict algorithms that had no part in choosing them {compared} than a guess: an MSE of "
        f"{honest.mse:.3g}, against {honest.baseline_mse:.3g} for guessing the mean of the others.{luck}"
    )
    yield f"{honest.n_closer} of {honest.n_predicted} were predicted closer than by the guess."
    if honest.n_predicted < n_algos:
        yield (
            f"Only {honest.n_predicted} of {n_algos} algorithms could be tested; the others lack a score on the subset that was "
            "chosen without them."
        )
    if honest.n_predicted < ENOUGH_ALGOS:
        yield (
            f"{honest.n_predicted} tested algorithms are too few to trust any subset; have at least {ENOUGH_ALGOS}, better "
            f"{BELIEVABLE_ALGOS}. Variants of one algorithm resemble each other: with them the honest error is that of another "
            "variant, not of another algorithm."
        )
