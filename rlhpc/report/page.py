"""The page: everything a search found, in one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rlhpc import __version__
from rlhpc.report import figures, search_text, tables, trust_figures, trust_tables
from rlhpc.report.case_study import STATISTICS, CaseStudy, case_study
from rlhpc.report.completeness import NOT_COLLECTED, Completeness, by_state
from rlhpc.report.learning_curves import LearningCurves
from rlhpc.report.search_folder import FoundSearch
from rlhpc.report.seeds import SeedScores
from rlhpc.search.evaluation import OtherEnvs, SingleEnvs, evaluate_other_envs, evaluate_single_envs
from rlhpc.search.trust import DO_NOT_USE, SOUND, Honest
from rlhpc.words import count

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("tables.js", "sortable/sortable.min.js", "sortable/sortable.a11y.min.js")
RANKING_ROWS = 20
LACKING_ROWS = 100
PAIRS = 20  # of algorithms that are alike
TONES = {SOUND: "good", DO_NOT_USE: "bad"}  # of the verdict; every other one is a warning
# What trust.json holds only where it could be computed; None, or absent, otherwise.
PARTS = ("unselected", "interval_level", "sample_size", "alike", "seed_noise", "front", "coverage", "statistics")

UNKNOWN = dict.fromkeys([field.name for field in fields(Honest)] + ["optimism_factor", "r2"])  # honest figures that there are not


@dataclass(frozen=True, eq=False)
class Trainings:
    """What is known of single trainings, where their scores were given.

    Attributes
    ----------
    seeds : SeedScores or None
    curves : tuple of LearningCurves
        Of the chosen environments, as far as there are any.
    grid : Completeness or None
        None if nothing is known of what was launched.
    """

    seeds: SeedScores | None = None
    curves: tuple[LearningCurves, ...] = ()
    grid: Completeness | None = None

    def warnings(self) -> list[str]:
        """Say what is wrong with the table that was searched, beside the verdict."""
        found = []
        if self.grid and (n_stored := by_state(self.grid.lacking).get(NOT_COLLECTED, 0)):
            found.append(f"The table of scores lacks {count(n_stored, 'result')} of the grid: collect and search again.")
        if self.grid and len(self.grid.lacking) > n_stored:
            n_lacking, n_launched = len(self.grid.lacking) - n_stored, count(self.grid.n_launched, "training")
            found.append(f"The grid is not complete: {n_lacking:,} of its {n_launched} have no score.")
        if self.seeds and self.seeds.is_newer:
            found.append("The scores are not those that were searched: search again.")
        if self.seeds and self.seeds.unequal:
            steps = "; ".join(self.seeds.unequal)
            found.append(f"Algorithms were trained for different numbers of agent steps, and are compared all the same. {steps}.")
        if self.seeds and self.seeds.unconverged:
            found.append(
                f"The reference had not converged when its budget ended, on {', '.join(self.seeds.unconverged)}: 100 means what"
                " it had reached by then."
            )
        return found


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
    trainings : Trainings
    commands : tuple of str
        What repeats the search and the report.
    """

    found: FoundSearch
    trust: Mapping[str, Any]
    singles: SingleEnvs
    others: tuple[OtherEnvs, OtherEnvs]
    study: CaseStudy
    trainings: Trainings
    commands: tuple[str, ...]


def make_report(found: FoundSearch, trust: Mapping[str, Any], trainings: Trainings, commands: tuple[str, ...]) -> Report:
    """Evaluate the chosen subset as the thesis did, and gather everything that a page shows; arguments as in `Report`."""
    problem, settings, subset = found.problem, found.settings, found.subset
    without, with_ = (evaluate_other_envs(problem, replace(settings, fit_intercept=fitted), subset) for fitted in (False, True))
    singles = evaluate_single_envs(problem, settings)
    return Report(found, trust, singles, (without, with_), case_study(problem, settings, subset), trainings, commands)


def render(report: Report) -> str:
    """Return a report as HTML; the same report gives the same bytes."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # names of environments and algorithms are anybody's
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = ("number", "drawn", "plus_minus", "percent", "factor", "share", "level", "count")
    environment.filters |= {name: getattr(tables, name) for name in filters}
    environment.globals |= {"spread": tables.spread, "interval_of": trust_tables.interval_of}
    return environment.get_template("page.html").render(_context(report) | _trust_context(report.trust) | _script())


def _script() -> dict[str, Markup]:
    """Return the page's only script, and the hash by which browsers are told to run no other, whatever a name smuggles in."""
    script = "\n".join((TEMPLATES / name).read_text().strip() for name in SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"script": Markup(script), "script_hash": Markup(f"sha256-{digest}")}  # noqa: S704  # our own files


def _context(report: Report) -> dict[str, Any]:
    """Gather what the template names of the search."""
    found, trust, problem = report.found, report.trust, report.found.problem
    seeds, curves, grid = report.trainings.seeds, report.trainings.curves, report.trainings.grid
    held_out = {one["algo"]: one["predicted_score"] for one in trust["held_out"]}
    return {
        "found": found,
        "problem": problem,
        "ranking": found.ranking[:RANKING_ROWS],
        "single_rows": tables.single_rows(problem, report.singles, found.subset),
        "other_rows": tables.other_rows(problem, *report.others),
        "case_rows": tables.case_rows(problem, report.study, held_out),
        "statistics": list(STATISTICS),
        "score_rows": tables.score_rows(problem, found.subset, seeds.intervals if seeds else {}),
        "seeds": seeds,
        "n_curves": sum(one.n_trainings for one in curves if one.has_lines),
        "without_curve": [one.env_id for one in curves if one.scores and not one.has_lines],
        "mixed_curves": [f"{', '.join(one.not_averaged)} in {one.env_id}" for one in curves if one.not_averaged],
        "grid": grid,
        "n_lacking": LACKING_ROWS,
        "warnings": report.trainings.warnings(),
        "lacking_by_state": by_state(grid.lacking) if grid else {},
        "figures": {name: Markup(svg) for name, svg in _figures(report).items()},  # noqa: S704  # matplotlib escapes text
        "commands": report.commands,
        "rules": search_text.rules(found.head),
        "version": __version__,
    }


def _trust_context(trust: Mapping[str, Any]) -> dict[str, Any]:
    """Gather what the template names of trust."""
    return {
        "trust": trust,
        "tested": bool(trust["honest"] and trust["honest"]["n_predicted"]),
        "honest": UNKNOWN | (trust["honest"] or {"baseline_mse": trust["guess_mse"]}),
        "unknown": UNKNOWN,
        "tone": TONES.get(trust["verdict"], "warning"),
        "parts": {key: trust.get(key) for key in PARTS} | {"front": trust_tables.readable_front(trust)},
        "below_zero": trust_tables.any_below_zero(trust),
        "why": trust.get("why") or {},
        "null_rows": trust_tables.null_rows(trust),
        "stability_rows": trust_tables.stability_rows(trust),
        "env_rows": trust_tables.env_rows(trust),
        "algo_rows": trust_tables.algo_rows(trust),
        "improvement_rows": trust_tables.improvement_rows(trust),
        "summaries": trust_tables.SUMMARIES,
        "n_envs_drawn": trust_figures.MOST_ENVS,
        "n_pairs": PAIRS,
        "n_lines": len(figures.LINES),
        "n_bands": figures.MOST_BANDS,
    }


def _figures(report: Report) -> dict[str, str]:
    """Draw every figure that there is something to draw for."""
    problem, singles, trust = report.found.problem, report.singles, report.trust
    without, with_ = report.others
    chosen = [env in report.found.subset for env in range(len(problem.env_ids))]
    held_out, intervals = trust_figures.held_out_y(trust), trust_figures.held_out_intervals(trust)
    drawn = trust_figures.draw(trust) | {
        "singles": figures.single_envs(problem.env_ids, singles.cv_mse, chosen, trust["guess_mse"]),
        "predicted": figures.predicted_scores(problem.algos, problem.y, report.study.fitted, held_out, intervals),
    }
    if np.isfinite([*without.cv_mse, *with_.cv_mse]).any():
        names = [problem.env_ids[column] for column in without.columns]
        drawn["others"] = figures.other_envs(names, without.cv_mse, with_.cv_mse)
    if curves := [one for one in report.trainings.curves if one.has_lines]:
        by_iqm = [row["algo"] for row in trust_tables.algo_rows(trust)] or problem.algos
        drawn["curves"] = figures.learning_curves(curves, by_iqm)
    if report.trainings.grid:
        drawn["grid"] = figures.training_grid(report.trainings.grid)
    return drawn
