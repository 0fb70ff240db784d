"""Say how far to trust the subset that a search found, and show everything that it found on one page.

examples:
  python jobs/subset_report.py logs/demo/search --scores logs/demo/scores.csv
      with the scores of single seeds, their intervals and W&B links
  python jobs/subset_report.py DIR --json
      print the trust figures and the paths as one object

DIR is what jobs/subset_search.py wrote.

files written to DIR:
  trust.json    claimed and honest errors, in full precision; relative errors in percent, null where a figure is not known
  report.html   the same and more for people; one file, opens offline

The honest error comes from redoing the whole search without each algorithm. Where that takes more than --max-regressions
regressions (2 billion take seconds to two minutes on one core), it is left out, and verdict and page say so.
Exit codes: 0 done, 2 the command line or the search is wrong.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from rlhpc import command
from rlhpc.errors import InputError
from rlhpc.files import writable_folder, write_json, write_text
from rlhpc.report import search_rules, trust_text
from rlhpc.report.page import make_report, render
from rlhpc.report.progress import subsets_bar
from rlhpc.report.search_folder import FoundSearch, SearchFolder, read_search
from rlhpc.report.seeds import read_seeds
from rlhpc.report.trust_record import trust_record
from rlhpc.search import n_to_search
from rlhpc.search.trust import MAX_REGRESSIONS, HeldOuts, hold_out_each, why_no_figure


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    built.add_argument("folder", type=Path, metavar="DIR", help="folder of a finished search")
    built.add_argument("--scores", type=Path, metavar="FILE", help="table of one row a training, for intervals over seeds")
    built.add_argument(
        "--max-regressions",
        type=int,
        default=MAX_REGRESSIONS,
        metavar="N",
        help="most regressions that redoing the search may take; 0 leaves it out",
    )
    command.add_threads(built)
    return built


def main(args: argparse.Namespace) -> None:
    """Measure, write and report."""
    faults = [*command.thread_faults(args)]
    if args.max_regressions < 0:
        faults.append(f"--max-regressions {args.max_regressions} is negative; give 0 to leave the honest error out.")
    if faults:
        raise InputError(*faults)
    folder = SearchFolder(args.folder)
    found = read_search(folder)
    seeds = read_seeds(args.scores, found.problem) if args.scores else None
    writable_folder(folder.root)
    no_figure = why_no_figure(found.problem, found.settings, args.max_regressions) or ""
    trust = trust_record(found, {} if no_figure else _hold_out(found, command.n_threads(args)), no_figure)
    paths = (
        write_json(folder.trust, trust),
        write_text(folder.page, render(make_report(found, trust, seeds, _repeat(args, found)))),
    )
    command.answer(
        args,
        {**trust, "paths": [str(path) for path in paths]},
        "\n".join([trust_text.describe(trust), "Written:", *(f"  {path}" for path in paths)]),
    )


def _hold_out(found: FoundSearch, n_threads: int) -> HeldOuts:
    """Redo the search without each algorithm, with a bar on a terminal."""
    with subsets_bar(len(found.problem.algos) * n_to_search(found.problem, found.settings)) as report:
        return hold_out_each(found.problem, found.settings, n_threads=n_threads, report=report)


def _repeat(args: argparse.Namespace, found: FoundSearch) -> tuple[str, ...]:
    """Return the command lines that repeat the search and this report."""
    search = ["python", "jobs/subset_search.py", str(found.head["dataset"]), *search_rules.words(found.settings)]
    search += ["--out", str(args.folder)]
    search += ["--benchmarks", *found.benchmarks] if found.benchmarks else []
    report = ["python", "jobs/subset_report.py", str(args.folder), *(["--scores", str(args.scores)] if args.scores else [])]
    if args.max_regressions != MAX_REGRESSIONS:
        report += ["--max-regressions", str(args.max_regressions)]
    return shlex.join(search), shlex.join(report)


if __name__ == "__main__":
    command.main(parser(), main)
