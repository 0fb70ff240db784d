"""Why a part of the trust report is not there, in a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from rlhpc.search.trust import Given, Kind
from rlhpc.search.trust.replicates import has_several_seeds

NO_SEEDS = "no scores of single seeds were given. Repeat the report with --scores logs/NAME/scores.csv."
NO_COSTS = "no costs were given. Search with --costs logs/NAME/scores.csv, or a table of your own."


def reasons(given: Given, no_figure: str, *, seeds: bool, costs: bool) -> dict[str, str]:
    """Say why parts of trust.json are not there.

    Parameters
    ----------
    given : Given
    no_figure : str
        Why nothing was redone; blank if it was.
    seeds, costs : bool
        Whether scores of single seeds, and costs, were given.

    Returns
    -------
    dict of str to str
        Key of trust.json -> the reason.
    """
    found = {} if seeds else {"statistics": f"Statistics of scores are left out: {NO_SEEDS}"}
    if not costs:
        found["front"] = f"There is no cost front: {NO_COSTS}"
    return found | ({"null": no_figure} if no_figure else dict(_not_redone(given)))


def _not_redone(given: Given) -> Iterator[tuple[str, str]]:
    """Say which searches the plan has none of."""
    if not given.count(Kind.SHUFFLED):
        yield "null", "No targets were shuffled: --permutations 0."
    if not given.count(Kind.RESAMPLED):
        several = has_several_seeds(given.seed_scores)
        yield "seed_noise", "No seeds were drawn anew: --resamples 0." if several else f"Not known: {_few_seeds(given)}"


def _few_seeds(given: Given) -> str:
    return NO_SEEDS if given.seed_scores is None else "there is one seed of everything."
