"""The trust figures of a search as data: what trust.json holds, in full precision."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rlhpc.errors import InputError
from rlhpc.report import trust_parts
from rlhpc.report.case_study import to_score
from rlhpc.report.coverage_text import coverage_told, coverage_warnings
from rlhpc.report.score_statistics import statistics_record
from rlhpc.report.search_early import split_early
from rlhpc.report.search_folder import Claimed, FoundSearch
from rlhpc.report.seeds import SeedScores
from rlhpc.report.trust_reasons import reasons
from rlhpc.report.verdict import Evidence, headline, sentences
from rlhpc.results.dataset import upside_down
from rlhpc.results.statistics import N_DRAWS
from rlhpc.search.evaluation import guess_mse
from rlhpc.search.predictor import Predictor
from rlhpc.search.predictor_fit import make_predictor
from rlhpc.search.problem import Problem, full_budgets
from rlhpc.search.regression import relative_errors
from rlhpc.search.trust import (
    BEST,
    RULE,
    Choice,
    Given,
    HeldOut,
    HeldOuts,
    Honest,
    Kind,
    Redone,
    alike,
    held_outs,
    honest_errors,
    judge,
    permutation_null,
    sample_size,
)

NONE_PREDICTED = "No algorithm that was left out has every score of the subset that was chosen without it."


@dataclass(frozen=True, eq=False)
class TrustInput:
    """What trust figures are made of.

    Attributes
    ----------
    given : Given
        What was redone, and how.
    redone : sequence of Redone
        Empty if that was not done.
    no_figure : str
        Why it was not done; blank if it was.
    """

    given: Given
    redone: Sequence[Redone]
    no_figure: str = ""

    @functools.cached_property
    def held_outs(self) -> HeldOuts:
        """Every algorithm, predicted by the searches without it."""
        return held_outs(self.given, self.redone)


def trust_record(found: FoundSearch, trust: TrustInput, seeds: SeedScores | None = None) -> dict[str, Any]:
    """Gather everything that says how far to trust a search's subset.

    Parameters
    ----------
    found : FoundSearch
    trust : TrustInput
    seeds : SeedScores or None
        None if no scores of single seeds were given.

    Returns
    -------
    dict
        Ready for JSON: None where a figure is not known or not finite. Relative errors in percent.
    """
    problem, settings, first = found.problem, found.settings, found.ranking[0]
    every = trust.held_outs
    chosen = every.get((BEST, settings.subset_size), ())
    honest = honest_errors(problem, chosen) if chosen else None
    no_figure = NONE_PREDICTED if honest and not honest.n_predicted else trust.no_figure
    shuffled, permuted = (
        permutation_null(trust.given, trust.redone, kind, first.cv_mse) for kind in (Kind.SHUFFLED, Kind.PERMUTED)
    )
    size = sample_size(trust.given, trust.redone, honest, first.cv_mse) if trust.redone else None
    like = alike(problem, found.subset)
    n_different = len({like.families[one.row] for one in chosen if not math.isnan(one.predicted)})
    verdict = judge(honest, first.cv_mse, (shuffled, permuted), n_different)
    evidence = Evidence(
        verdict=verdict,
        honest=honest,
        no_figure=no_figure,
        claimed=first.cv_mse,
        n_complete=first.n_algos,
        n_algos=len(problem.algos),
        n_different=n_different,
        shuffled=shuffled,
        permuted=permuted,
        size=size,
    )
    intervals, level = trust_parts.held_out_intervals(problem, chosen)
    record = {
        "verdict": verdict,
        "headline": headline(evidence),
        "sentences": (*sentences(evidence), *_beam(found.head), *_upside_down(problem)),
        "rule": RULE,
        "subset": first.subset,
        "claimed": {"cv_mse": first.cv_mse, "r2": first.r2, "relative_error": first.relative_error},
        "honest": _with_optimism(honest, first.cv_mse),
        "unselected": trust_parts.unselected_part(found.head),
        "no_figure": no_figure or None,
        "guess_mse": guess_mse(problem.y),
        "held_out": [_held_out(problem, one, interval) for one, interval in zip(chosen, intervals, strict=True)],
        "interval_level": level,
        "sizes": [_size(problem, row, every) for row in found.sizes],
        "null": trust_parts.null_part(shuffled, permuted),
        "stability": trust_parts.stability_part(trust.given, trust.redone),
        "sample_size": trust_parts.size_part(size, len(problem.algos)) if size else None,
        "alike": trust_parts.alike_part(problem, like),
        "seed_noise": trust_parts.seed_noise_part(trust.given, trust.redone, found.subset),
        "front": found.head["front"],
        "plan": asdict(trust.given.plan),
        "coverage": _coverage(found.head, honest),
        "statistics": _statistics(problem, seeds, trust.given.plan.seed),
        "why": {
            **reasons(trust.given, trust.no_figure, seeds=seeds is not None, costs=found.head["front"] is not None),
            **({"unselected": few} if (few := trust_parts.too_few_subsets(found.head)) else {}),
        },
        "n_algos": len(problem.algos),
        "n_envs": int(problem.in_target.sum()),
        "notes": seeds.notes if seeds else (),
        **asdict(settings),
        **{
            key: found.head[key]
            for key in ("n_subsets", "n_searched", "exhaustive", "version", "dataset", "dataset_sha256", "problem_sha256")
        },
    }
    return dict(_plain(record))


def predictor_of(found: FoundSearch, trust: TrustInput, seeds: SeedScores | None, verdict: str) -> Predictor:
    """Fit the chosen subset, for others to predict by; arguments as in `trust_record`, and its headline.

    Raises
    ------
    InputError
        If too few algorithms could be predicted when held out.
    """
    if not trust.redone:
        raise InputError(f"no interval of a prediction is known. {trust.no_figure}")
    early = {env_id: split[1] for env_id in found.problem.env_ids if (split := split_early(env_id))}
    return make_predictor(
        found.problem,
        found.settings,
        found.subset,
        trust.held_outs[BEST, found.settings.subset_size],
        budgets={**(seeds.budgets if seeds else {}), **early},
        n_seeds=seeds.n_seeds if seeds else None,
        dataset=found.head["dataset"],
        dataset_sha256=found.head["dataset_sha256"],
        target=found.head["rules"]["target"],
        verdict=verdict,
    )


def _coverage(head: Mapping[str, Any], honest: Honest | None) -> dict[str, Any] | None:
    """Say what missing scores did to the search and to these figures; None if none is missing."""
    tested = (honest.n_predicted, honest.mse) if honest and honest.n_predicted else (None, None)
    told = [*coverage_warnings(head["coverage"]), *coverage_told(head["coverage"], *tested)]
    return {"told": told} if told else None


def _statistics(problem: Problem, seeds: SeedScores | None, seed: int) -> dict[str, Any] | None:
    """Describe the scores of all algorithms; None without scores of single seeds."""
    if seeds is None:
        return None
    return statistics_record(seeds.scores[:, :, problem.in_target], full_budgets(problem), n_draws=N_DRAWS, seed=seed)


def _beam(head: Mapping[str, Any]) -> Iterator[str]:
    """Say that not all subsets were searched, if so."""
    if not head["exhaustive"]:
        searched = f"{head['n_searched']:,} of {head['n_subsets']:,}"
        yield f"The search was a beam of {head['beam']}, {searched} subsets: there may be a better one."


def _upside_down(problem: Problem) -> Iterator[str]:
    """Say where the reference is worse than the random agent."""
    return upside_down(problem.env_ids, problem.random_scores.tolist(), problem.reference_scores.tolist())


def _with_optimism(honest: Honest | None, claimed: float) -> dict[str, Any] | None:
    """Set beside the honest errors how many times too small the claimed one was."""
    if honest is None:
        return None
    return {**asdict(honest), "optimism_factor": honest.mse / claimed if claimed > 0 else math.inf}


def _held_out(problem: Problem, one: HeldOut, interval: tuple[float, float]) -> dict[str, Any]:
    """Describe how one algorithm was predicted."""
    y = problem.y[one.row]
    predicted = np.array([one.predicted])
    return {
        "algo": problem.algos[one.row],
        "subset": [problem.env_ids[column] for column in one.subset],
        "cv_mse": one.cv_mse,
        "y": y,
        "predicted_y": one.predicted,
        "low_y": interval[0],
        "high_y": interval[1],
        "baseline_y": one.baseline,
        "score": to_score(y),
        "predicted_score": to_score(predicted)[0],
        "relative_error": relative_errors(np.array([y]), predicted)[0],
    }


def _size(problem: Problem, claimed: Mapping[Choice, Claimed], every: HeldOuts) -> dict[str, Any]:
    """Set the honest errors of both choices of one size beside the claimed ones."""
    size = len(claimed[BEST].subset)
    return {
        "subset_size": size,
        **{choice: _choice(problem, claimed[choice], every.get((choice, size), ())) for choice in claimed},
    }


def _choice(problem: Problem, claimed: Claimed, held_out: Sequence[HeldOut]) -> dict[str, Any]:
    honest = honest_errors(problem, held_out) if held_out else None
    return {**asdict(claimed), "honest": _with_optimism(honest, claimed.cv_mse)}


def _plain(value: Any) -> Any:
    """Spell a value as JSON does: lists, plain numbers, None for what is not finite."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
