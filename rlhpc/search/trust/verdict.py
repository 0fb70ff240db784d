"""The verdict: what to do with a subset, by a rule that is written down."""

from __future__ import annotations

from collections.abc import Sequence

from rlhpc.search.trust.held_out import Honest
from rlhpc.search.trust.null import Null

NO_FIGURE = "no trust figure"
DO_NOT_USE = "do not use"
PROMISING = "promising"
SOUND = "sound"

# Sub-sampling a real table of 62 algorithms x 57 environments (k = 3), the claimed error was 190 times too small with 7
# algorithms, 22 times with 10, 6 times with 15 to 20, and 1.7 times with 30.
BELIEVABLE_ALGOS = 30
ENOUGH_ALGOS = 20  # tested ones, of fewer than which even a good honest error is luck too often
SIGNIFICANT = 0.05  # p-value of a claimed error, above which chance makes as good ones
HALF_OF_GUESSING = 0.5  # of its squared error
OPTIMISM = 2.0  # times that the claimed error may be too small
NEGLIGIBLE = 0.01  # of the squared error of guessing, below which optimism does not matter

RULE = (
    f"'{NO_FIGURE}' if the search cannot be redone without each algorithm; else '{DO_NOT_USE}' if the honest MSE is not below "
    f"that of guessing the mean of the other algorithms, or if the claimed MSE is no better than chance makes it (p above "
    f"{SIGNIFICANT:g}, for shuffled targets or for permuted environments); else '{SOUND}' if both were asked for, at least "
    f"{ENOUGH_ALGOS} algorithms were tested that are not nearly the same as another one of them, the honest MSE is at most "
    f"{HALF_OF_GUESSING:g} of guessing's, and at most {OPTIMISM:g} times the claimed one (or {NEGLIGIBLE:g} of guessing's); else "
    f"'{PROMISING}'."
)


def judge(honest: Honest | None, claimed: float, nulls: Sequence[Null | None], n_different: int) -> str:
    """Return the verdict that `RULE` gives.

    Parameters
    ----------
    honest : Honest or None
        None if the search was not redone.
    claimed : float
        The CV error of the chosen subset.
    nulls : sequence of Null or None
        Of shuffled targets and of permuted columns; None for one that was not drawn.
    n_different : int
        Tested algorithms, each family of nearly equal ones counted once; see `rlhpc.search.trust.alike.Alike`.
    """
    if honest is None or not honest.n_predicted:
        return NO_FIGURE
    if not honest.mse < honest.baseline_mse or any(null is not None and null.p > SIGNIFICANT for null in nulls):
        return DO_NOT_USE
    accurate = honest.mse <= HALF_OF_GUESSING * honest.baseline_mse
    kept = honest.mse <= max(OPTIMISM * claimed, NEGLIGIBLE * honest.baseline_mse)
    return SOUND if accurate and kept and None not in nulls and n_different >= ENOUGH_ALGOS else PROMISING
