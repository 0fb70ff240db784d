# PYTHON_ARGCOMPLETE_OK
"""Say how far to trust the subset that a search found, and show everything that it found on one page.

examples:
  python jobs/subset_report.py logs/demo --scores logs/demo/scores.csv
      with the scores of single seeds: their noise, intervals, statistics and W&B links
  python jobs/subset_report.py DIR --json
      print the trust figures and the paths as one object
  python jobs/subset_report.py DIR --permutations 1000 --fold-seeds 50 --trust-seed 1
      redo the search more often than by default, and by another seed

DIR is what jobs/subset_search.py wrote.

files written to DIR:
  trust.json    claimed and honest errors, nulls, stability, ...: in full precision; relative errors in percent, null where a
                figure is not known
  report.html   the same and more for people; one file, opens offline
  subset.json   the fitted subset: jobs/predict_benchmark.py predicts by it
  redone.npz    the best subset of every redone search: a second report takes it from there, and goes by the same flags unless
                others are given; what is redone by flags of its own is not stored

All figures come from redoing the whole search: without each algorithm and each two, with the target shuffled, with every
environment's scores exchanged among the algorithms, with other folds, on parts of the algorithms, and with seeds drawn anew.
Where that takes longer than --max-hours it is left out, and verdict and page say so; 0 leaves it out in any case. A search that
was given --trust (on a cluster: sbatch slurm/subset_search.sh DATASET --trust) has done it already.
Exit codes: 0 done, 2 the command line or the search is wrong.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rlhpc import command
from rlhpc.errors import InputError
from rlhpc.files import writable_folder, write_json, write_text
from rlhpc.report import search_coverage, search_rules, search_time, trust_plan, trust_text
from rlhpc.report.completeness import read_completeness
from rlhpc.report.learning_curves import read_learning_curves
from rlhpc.report.page import Trainings, make_report, render
from rlhpc.report.search_folder import FoundSearch, SearchFolder, read_search
from rlhpc.report.seeds import SeedScores, read_seeds
from rlhpc.report.subsets_bar import subsets_bar
from rlhpc.report.trust_record import TrustInput, predictor_of, trust_record
from rlhpc.report.trust_work import Stored, choose_plan, complete, read_stored, trust_given
from rlhpc.search.predictor_file import write_predictor
from rlhpc.search.trust import Given, Plan, Redone, Replicate, redo, why_no_figure
from rlhpc.search.trust.redone import n_redone_subsets
from rlhpc.search.trust.redone_file import write_redone


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    built.add_argument("folder", type=command.path, metavar="DIR", help="folder of a finished search")
    built.add_argument(
        "--scores", type=command.path, metavar="FILE", help="table of one row a training, for what seeds do to all figures"
    )
    built.add_argument(
        "--max-hours",
        type=float,
        default=trust_plan.MAX_HOURS,
        metavar="H",
        help="leave out trust figures that take longer, as tried on a little of them",
    )
    trust_plan.add_flags(built)
    command.add_threads(built)
    return built


def main(args: argparse.Namespace) -> None:
    """Measure, write and report."""
    faults = [*command.thread_faults(args)]
    if not args.max_hours >= 0:
        faults.append(f"--max-hours {args.max_hours} is no time: give 0, to leave trust figures out, or more.")
    if faults:
        raise InputError(*faults)
    folder = SearchFolder(args.folder)
    found = read_search(folder)
    seeds = read_seeds(args.scores, found.problem) if args.scores else None
    stored = read_stored(folder.redone)
    plan = choose_plan(stored, found.problem, found.settings, trust_plan.given_values(args))
    rules = search_coverage.recorded_rules(found.head["coverage"])
    given = trust_given(found.problem, found.settings, plan, rules, seeds)
    writable_folder(folder.root)
    trust_input = _redo(args, found, given, stored)
    trust = trust_record(found, trust_input, seeds)
    trainings = Trainings(seeds)
    if args.scores:
        curves = read_learning_curves(args.scores, found.problem, found.subset)
        trainings = Trainings(seeds, curves, read_completeness(args.scores))
        for warning in trainings.warnings():
            print(f"warning: {warning}", file=sys.stderr)
    paths = [
        *([] if trust_plan.given_values(args) else _write_redone(folder, trust_input, stored)),
        *_write_predictor(found, trust_input, seeds, trust["headline"], folder),
        write_json(folder.trust, trust),
        write_text(folder.page, render(make_report(found, trust, trainings, _repeat(args, found, plan)))),
    ]
    command.answer(
        args,
        {**trust, "paths": [str(path) for path in paths]},
        "\n".join([trust_text.describe(trust), "Written:", *(f"  {path}" for path in paths)]),
    )


def _redo(args: argparse.Namespace, found: FoundSearch, given: Given, stored: Stored) -> TrustInput:
    """Redo what is not stored, with a bar on a terminal; or say why not."""
    no_figure, n_threads = why_no_figure(given.problem, given.settings, given.plan) or "", command.n_threads(args)
    if no_figure:
        return TrustInput(given, (), no_figure)
    if args.max_hours == 0:
        return TrustInput(given, (), "It was left out, as --max-hours 0 asked.")
    known = stored.found(given)
    n_missing = len(given.replicates) - len(known)
    if n_missing:
        seconds = trust_plan.seconds_of(given, n_missing, n_threads)
        scores = ["--scores", str(args.scores)] if args.scores else []
        trusting = ["--trust", *scores, *trust_plan.words(given.problem, given.settings, given.plan)]
        search = [*_search_words(found, args.folder), *trusting]
        if no_figure := trust_plan.too_long(seconds, args.max_hours, search):
            return TrustInput(given, (), no_figure)
        search_time.tell(seconds)

    def redo_missing(missing: Sequence[Replicate]) -> list[Redone]:
        with subsets_bar(n_redone_subsets(given, missing)) as report:
            return redo(given, missing, n_threads=n_threads, report=report)

    return TrustInput(given, complete(given, known, redo_missing))


def _write_redone(folder: SearchFolder, trust: TrustInput, stored: Stored) -> Iterator[Path]:
    """Store the redone searches, unless that would lose others of the same table."""
    if trust.redone and stored.may_be_replaced(trust.given):
        yield write_redone(folder.redone, trust.given, 0, trust.redone)


def _write_predictor(
    found: FoundSearch, trust: TrustInput, seeds: SeedScores | None, verdict: str, folder: SearchFolder
) -> Iterator[Path]:
    """Write the fitted subset, if it can be; else remove that of an earlier search."""
    try:
        predictor = predictor_of(found, trust, seeds, verdict)
    except InputError as error:
        folder.predictor.unlink(missing_ok=True)
        print(f"No {folder.predictor.name}: {error}", file=sys.stderr)
        return
    yield write_predictor(predictor, folder.predictor)


def _search_words(found: FoundSearch, folder: Path) -> list[str]:
    """Return what the command line of the search gave, after its job's name."""
    words = [str(found.head["dataset"]), *search_rules.words(found.settings), "--out", str(folder)]
    words += search_coverage.words(search_coverage.recorded_rules(found.head["coverage"]))
    words += ["--benchmarks", *found.benchmarks] if found.benchmarks else []
    return [*words, *found.head["tables"]]


def _repeat(args: argparse.Namespace, found: FoundSearch, plan: Plan) -> tuple[str, ...]:
    """Return the command lines that repeat the search and this report."""
    report = ["python", "jobs/subset_report.py", str(args.folder), *(["--scores", str(args.scores)] if args.scores else [])]
    report += trust_plan.words(found.problem, found.settings, plan)
    if args.max_hours != trust_plan.MAX_HOURS:
        report += ["--max-hours", f"{args.max_hours:g}"]
    return shlex.join(["python", "jobs/subset_search.py", *_search_words(found, args.folder)]), shlex.join(report)


if __name__ == "__main__":
    command.main(parser(), main)
