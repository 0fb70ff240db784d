"""Trust: how far a subset can be believed that was chosen as the best of thousands.

Every figure comes from redoing the whole search on a changed table::

    plan = make_plan(problem, settings)                what is redone, and how often            plan.py
    replicates(problem, plan)                          one changed table each                   replicates.py
    redo(...) -> Redone                                the best subsets of each                 redone.py
    write_redone, read_redone, join                    the same in shards                       redone_file.py

and from what that finds::

    held_outs -> honest_errors                         predicted by a search without it         held_out.py
    permutation_null                                   how good chance alone looks              null.py
    stability                                          how often which environment is chosen    stability.py
    sample_size                                        how many algorithms it takes             sample_size.py
    alike                                              rows and targets that are hardly new     alike.py
    judge                                              the verdict, by a rule                   verdict.py
"""

from rlhpc.search.trust.alike import Alike, alike
from rlhpc.search.trust.held_out import HeldOut, HeldOuts, Honest, held_outs, hold_out_each, honest_errors
from rlhpc.search.trust.null import Null, permutation_null
from rlhpc.search.trust.plan import MIN_ALGOS, Plan, make_plan, why_no_figure
from rlhpc.search.trust.redone import BEST, NESTED, Choice, Redone, redo
from rlhpc.search.trust.replicates import Given, Kind, Replicate
from rlhpc.search.trust.sample_size import SampleSize, sample_size
from rlhpc.search.trust.stability import Stability, stability
from rlhpc.search.trust.verdict import BELIEVABLE_ALGOS, DO_NOT_USE, ENOUGH_ALGOS, NO_FIGURE, PROMISING, RULE, SOUND, judge

__all__ = [
    "BELIEVABLE_ALGOS",
    "BEST",
    "DO_NOT_USE",
    "ENOUGH_ALGOS",
    "MIN_ALGOS",
    "NESTED",
    "NO_FIGURE",
    "PROMISING",
    "RULE",
    "SOUND",
    "Alike",
    "Choice",
    "Given",
    "HeldOut",
    "HeldOuts",
    "Honest",
    "Kind",
    "Null",
    "Plan",
    "Redone",
    "Replicate",
    "SampleSize",
    "Stability",
    "alike",
    "held_outs",
    "hold_out_each",
    "honest_errors",
    "judge",
    "make_plan",
    "permutation_null",
    "redo",
    "sample_size",
    "stability",
    "why_no_figure",
]
