"""The page: everything a search found, in one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from rlhpc import __version__
from rlhpc.report import figures, search_text, tables
from rlhpc.report.case_study import STATISTICS, CaseStudy, case_study
from rlhpc.report.search_folder import FoundSearch
from rlhpc.report.seeds import SeedScores
from rlhpc.search.evaluation import OtherEnvs, SingleEnvs, evaluate_other_envs, evaluate_single_envs
from rlhpc.search.trust import BEST, BETTER, DO_NOT_USE, NESTED, Honest

TEMPLATE = "page.html"
RANKING_ROWS = 20
CHOICES = (BEST, NESTED)
TONES = {BETTER: "good", DO_NOT_USE: "bad"}  # of the verdict; every other one is a warning

UNKNOWN = dict.fromkeys([field.name for field in fields(Honest)] + ["optimism_factor"])  # honest figures that there are not


@dataclass(frozen=True, eq=False)
class Report:
    """Everything that a page shows.

    Attributes
    ----------
    found : FoundSearch
    trust : mapping
        From `rlhpc.report.trust_record.trust_record`.
    singles : SingleEnvs
    others : (OtherEnvs, OtherEnvs)
        Without and with an intercept.
    study : CaseStudy
    seeds : SeedScores or None
        None if no scores of single seeds were given.
    commands : tuple of str
        What repeats the search and the report.
    """

    found: FoundSearch
    trust: Mapping[str, Any]
    singles: SingleEnvs
    others: tuple[OtherEnvs, OtherEnvs]
    study: CaseStudy
    seeds: SeedScores | None
    commands: tuple[str, ...]


def make_report(found: FoundSearch, trust: Mapping[str, Any], seeds: SeedScores | None, commands: tuple[str, ...]) -> Report:
    """Evaluate the chosen subset as the thesis did, and gather everything that a page shows; arguments as in `Report`."""
    problem, settings, subset = found.problem, found.settings, found.subset
    without, with_ = (evaluate_other_envs(problem, replace(settings, fit_intercept=fitted), subset) for fitted in (False, True))
    singles = evaluate_single_envs(problem, settings)
    return Report(found, trust, singles, (without, with_), case_study(problem, settings, subset), seeds, commands)


def render(report: Report) -> str:
    """Return a report as HTML; the same report gives the same bytes."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # names of environments and algorithms are anybody's
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": tables.number, "percent": tables.percent, "factor": tables.factor}
    return environment.get_template(TEMPLATE).render(_context(report))


def _context(report: Report) -> dict[str, Any]:
    """Gather what the template names."""
    found, trust, problem = report.found, report.trust, report.found.problem
    held_out = {one["algo"]: one["predicted_score"] for one in trust["held_out"]}
    return {
        "found": found,
        "trust": trust,
        "tested": bool(trust["honest"] and trust["honest"]["n_predicted"]),
        "honest": trust["honest"] or UNKNOWN | {"baseline_mse": trust["guess_mse"]},
        "unknown": UNKNOWN,
        "tone": TONES.get(trust["verdict"], "warning"),
        "problem": problem,
        "ranking": found.ranking[:RANKING_ROWS],
        "single_rows": tables.single_rows(problem, report.singles, found.subset),
        "other_rows": tables.other_rows(problem, *report.others),
        "case_rows": tables.case_rows(problem, report.study, held_out),
        "statistics": list(STATISTICS),
        "score_rows": tables.score_rows(problem, found.subset, report.seeds.intervals if report.seeds else {}),
        "seeds": report.seeds,
        "figures": {name: Markup(svg) for name, svg in _figures(report).items()},  # noqa: S704 - matplotlib escapes text
        "commands": report.commands,
        "rules": search_text.rules(found.head),
        "version": __version__,
    }


def _figures(report: Report) -> dict[str, str]:
    """Draw every figure that there is something to draw for."""
    found, trust, problem, singles = report.found, report.trust, report.found.problem, report.singles
    without, with_ = report.others
    honest, guess = trust["honest"], trust["guess_mse"]
    chosen = [env in found.subset for env in range(len(problem.env_ids))]
    drawn = {
        "singles": figures.single_envs(problem.env_ids, singles.cv_mse, chosen, guess),
        "predicted": figures.predicted_scores(problem.y, report.study.fitted, _held_out_y(trust)),
    }
    if honest and honest["mse"] is not None:
        errors = {"claimed": trust["claimed"]["cv_mse"], "honest": honest["mse"], "guessing": honest["baseline_mse"]}
        drawn["errors"] = figures.error_bars(errors, "honest")
    if np.isfinite([*without.cv_mse, *with_.cv_mse]).any():
        names = [problem.env_ids[column] for column in without.columns]
        drawn["others"] = figures.other_envs(names, without.cv_mse, with_.cv_mse)
    if len(trust["sizes"]) > 1:
        drawn["sizes"] = figures.size_curves([size["subset_size"] for size in trust["sizes"]], _curves(trust), guess)
    return drawn


def _held_out_y(trust: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Return the log benchmark scores by searches without each algorithm; None if there were none."""
    predicted = np.array([one["predicted_y"] for one in trust["held_out"]], dtype=np.float64)  # None becomes NaN
    return predicted if np.isfinite(predicted).any() else None


def _curves(trust: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Return the errors of every size: claimed and honest, of the best and of the nested subset."""
    claimed = {f"claimed, {choice}": [size[choice]["cv_mse"] for size in trust["sizes"]] for choice in CHOICES}
    honest = {f"honest, {choice}": [(size[choice]["honest"] or {}).get("mse") for size in trust["sizes"]] for choice in CHOICES}
    return {name: np.array(values, dtype=np.float64) for name, values in (claimed | honest).items()}
