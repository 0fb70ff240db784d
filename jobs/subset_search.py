# PYTHON_ARGCOMPLETE_OK
"""Search every subset of K environments for the one that best predicts the full benchmark.

examples:
  python jobs/subset_search.py logs/demo/dataset.csv --subset-size 3 --out logs/demo
      search all subsets of 3, 2 and 1 environments
  python jobs/subset_search.py TABLE --subset-size 5 --dry-run --n-shards 16
      check the table and the flags, and say what would be searched; write nothing
  python jobs/subset_search.py TABLE --subset-size 5 --out DIR --shard 0/16
      search the first of 16 shards (0/16 to 15/16), each perhaps on a machine of its own; if it is stored, pass it over
  python jobs/subset_search.py TABLE --subset-size 5 --out DIR --merge
      merge them: the same files as without shards, to the byte where all ran on one kind of CPU
  python jobs/subset_search.py TABLE --subset-size 5 --out DIR --submit --n-shards 16
      all three on a Slurm cluster: check, search what is missing as one array of CPU jobs, merge; from a login node. The same,
      with sbatch's options, is: SHARDS=16 sbatch slurm/subset_search.sh TABLE --subset-size 5 --out DIR
  python jobs/subset_search.py TABLE --subset-size 5 --force Pong --exclude "Montezuma Revenge" --only-action-spaces Discrete
      of subsets of discrete environments, with Pong and without Montezuma Revenge, the one that best predicts the score on all
  python jobs/subset_search.py logs/demo/dataset.csv --costs logs/demo/scores.csv --max-cost 0.01
      and which subsets no cheaper one beats, by the hours that were measured; --early logs/demo/early.csv: stopped early, too
  python jobs/subset_search.py TABLE --subset-size 6 --out DIR --submit --n-shards 64 --trust --scores SCORES
      and redo the search for trust figures (see jobs/subset_report.py), as a part of every shard
  python jobs/subset_search.py TABLE --min-algo-coverage 0.5 --min-env-coverage 0.3 --target-correction difference
      of a table whose papers report one benchmark each: which of them count, and how their benchmark score is corrected
  python jobs/subset_search.py TABLE --subset-size 14 --beam 100
      not all subsets, which would take days, but extensions of the 100 best of 13, these of the 100 best of 12, ...

A search takes 0.2 s for the 4 million subsets of 5 of 57 environments, on one thread; the first one after an installation is
compiled, in 15 seconds. One that would take days is refused, with what to do instead.

files written to DIR, by default logs/search/NAME: the table's name, that of its folder for a dataset.csv
  ranking.csv   the best subsets of K; errors in full precision, relative errors in percent
  sizes.csv     K, K - 1, ... 1: the best subset inside the next larger one (nested), and the best of all searched; whether these
                were all there are of this size (exhaustive)
  front.csv     with --costs: error against cost, of subsets of all sizes
  problem.npz   what was regressed, as arrays
  redone.npz    with --trust: the best subset of every search on a changed table
  search.json   what was searched, by which rules, hashes of input and files; written last, and without times,
                so that searching again on the same machine gives the same bytes
  shards/       with --shard, one file a shard, and nothing else; redone/ the same of --trust
  slurm/        with --submit, what jobs print
A trust.json, subset.json and report.html of an earlier search in DIR are removed.

DATASET has one row an environment (Environments, Benchmark, Action Space, Base, Reference, then one column an algorithm) or one
row a score (env_id, algo, seed, score). Scores may be missing.
Exit codes: 0 done, 1 shards are missing or do not belong together, or Slurm refuses, 2 the command line or the table is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlhpc import __version__, command
from rlhpc.benchmarks import available, load_benchmarks
from rlhpc.cluster import image, programs
from rlhpc.cluster.driver import read_options
from rlhpc.cluster.image import Image
from rlhpc.cluster.shards import Shards, describe, interpreter, remedy, submit
from rlhpc.errors import IncompleteSearchError, InputError
from rlhpc.files import writable_folder
from rlhpc.report import search_costs, search_coverage, search_rules, search_text, search_time, trust_plan
from rlhpc.report.search_early import excluded_with, with_early
from rlhpc.report.search_folder import SearchFolder
from rlhpc.report.search_input import SearchInput, search_input
from rlhpc.report.search_part import N_SHARDS, WHOLE, add_flags, common_words, part_faults, shard_of
from rlhpc.report.search_plan import SearchPlan, plan_search
from rlhpc.report.search_record import search_record
from rlhpc.report.search_writer import remove_reports, write_search
from rlhpc.report.seeds import read_seeds
from rlhpc.report.subsets_bar import subsets_bar
from rlhpc.report.trust_work import complete, read_stored, trust_given
from rlhpc.results.coverage import CoverageRules
from rlhpc.results.dataset import read_table
from rlhpc.search import (
    Best,
    Problem,
    Settings,
    merge,
    n_shard_subsets,
    n_to_search,
    read_shards,
    search,
    search_shard,
    shard_name,
    stored_shards,
    write_shard,
)
from rlhpc.search.trust import Given, Redone, Replicate, redo, why_no_figure
from rlhpc.search.trust.redone import n_redone_subsets
from rlhpc.search.trust.redone_file import read_shares, share, stored_shares, write_redone, write_share

OUT = Path("logs/search")
COLLECTED = "dataset"  # the name of every table that collect_scores.py writes, which tells none apart
SCRIPT = Path(__file__).resolve().parents[1] / "slurm" / "subset_search.sh"


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    built.add_argument("dataset", type=command.path, metavar="DATASET", help="a CSV table of scores")
    built.add_argument(
        "--out", type=command.path, metavar="DIR", help="folder for the results (default: logs/search/NAME, see below)"
    )
    add_flags(built)
    command.add_threads(built)
    search_time.add_flag(built)
    search_rules.add_flags(built)
    search_coverage.add_flags(built)
    search_costs.add_flags(built)
    early = "candidates stopped early: rows of ENV@STEPS, algo, score"
    built.add_argument("--early", type=command.path, metavar="FILE", help=early)
    built.add_argument("--trust", action="store_true", help="redo the search on changed tables, too, for jobs/subset_report.py")
    built.add_argument("--scores", type=command.path, metavar="FILE", help="for --trust: one row a training, to draw seeds anew")
    trust_plan.add_flags(built)
    benchmarks = built.add_argument(
        "--benchmarks",
        nargs="+",
        metavar="NAME",
        help="benchmarks (names or YAML files) that give the scores a table leaves out (default: all in configs/benchmarks)",
    )
    command.complete(benchmarks, lambda prefix: command.names_or_files(available(), prefix))
    return built


def main(args: argparse.Namespace) -> None:
    """Search the whole, one shard of it, merge, have Slurm do so, or say what would be searched."""
    settings, rules = _read_flags(args)
    folder = SearchFolder(args.out or _default_out(args.dataset))
    given, settings = _read_input(args, settings, rules)
    problem, trust = given.problem, _trust(args, given, settings)
    if args.dry_run or args.submit:
        n_shards = args.n_shards or (N_SHARDS if args.submit else 1)
        n_threads = 1 if args.submit or n_shards > 1 else command.n_threads(args)
        seconds = search_time.check_time(problem, settings, (0, n_shards), n_threads, args.max_hours)
        seconds += trust_plan.check_time(trust, n_threads, args.max_hours, n_shards) if trust else 0
        plan = plan_search(problem, settings, folder, n_shards, seconds, trust=trust)
        if args.dry_run:
            inside = f"\nin the image {_image(args).path}" if args.container is not None else ""
            command.answer(args, plan.described(), f"{plan.summary}{inside}\nResults would go to:\n  {folder.root}")
        else:
            _submit(args, plan)
        return
    if args.shard:
        path, searched = _search_one(args, problem, settings, folder)
        redone, redone_now = _redo_one(args, trust, folder) if trust else (None, False)
        told = "searched. Written" if searched or redone_now else "is stored already, and passed over"
        named = "\n  ".join(map(str, filter(None, (path, redone))))
        answer = {"path": str(path), "searched": searched} | ({"redone_path": str(redone)} if redone else {})
        command.answer(args, answer, f"Shard {args.shard} {told}:\n  {named}")
        return
    record = search_record(given, settings, _find(args, problem, settings, folder))
    redone_all = _redo_all(args, trust, folder) if trust else ()
    removed = [str(path) for path in remove_reports(folder)]  # first: no report may outlive the search that it is of
    paths = [str(path) for path in write_search(record, problem, folder)]
    paths += [str(write_redone(folder.redone, trust, 0, redone_all))] if trust else []
    notes = ["Removed, the report of an earlier search:", *(f"  {path}" for path in removed)] if removed else []
    command.answer(
        args,
        {**record.found, "warnings": search_text.warnings(record), "paths": paths, "removed": removed},
        "\n".join([search_text.describe(record, args.max_cost), "", *notes, "Written:", *(f"  {path}" for path in paths)]),
    )


def _read_flags(args: argparse.Namespace) -> tuple[Settings, CoverageRules]:
    """Return the settings, and what becomes of missing scores.

    Raises
    ------
    InputError
        With everything that is wrong with the flags.
    """
    faults = [*part_faults(args), *search_rules.beam_faults(args), *command.thread_faults(args), *search_costs.flag_faults(args)]
    if not args.max_hours > 0:
        faults.append(f"--max-hours {args.max_hours} is no time: give more than 0.")
    made: list[Any] = []
    for read in (search_rules.read_flags, search_coverage.read_flags, trust_plan.given_values):
        try:
            made.append(read(args))
        except InputError as error:
            faults.extend(error.faults)
    if not args.trust and (args.scores or trust_plan.is_given(args)):
        faults.append("--scores and how often what is redone go with --trust alone; or give them to jobs/subset_report.py.")
    if faults:
        raise InputError(*faults)
    settings, rules, _ = made
    return settings, rules


def _read_input(args: argparse.Namespace, settings: Settings, rules: CoverageRules) -> tuple[SearchInput, Settings]:
    """Read the tables; return what is searched, and the settings without the environments that cannot be chosen."""
    table = read_table(args.dataset, load_benchmarks(args.benchmarks))
    given = search_input(args.dataset, table, args.benchmarks or (), rules)
    problem = with_early(given.problem, args.early) if args.early else given.problem
    settings = search_coverage.choose_covered(search_rules.choose_only(settings, problem, args), given)
    settings = replace(settings, excluded=excluded_with(problem, settings.excluded))
    problem = search_costs.with_costs(problem, settings, args, [args.early] if args.early else [])
    settings.check(problem)
    tables = [*search_costs.words(args), *(["--early", str(args.early)] if args.early else [])]
    return replace(given, problem=problem, tables=tuple(tables)), settings


def _trust(args: argparse.Namespace, given: SearchInput, settings: Settings) -> Given | None:
    """Return what is redone for trust figures; None if they were not asked for, or there can be none."""
    if not args.trust:
        return None
    problem, several = given.problem, given.dataset.scores.shape[1] > 1
    path = args.scores or (args.dataset if several else None)
    trust = trust_given(
        problem,
        settings,
        trust_plan.read_plan(args, problem, settings),
        given.rules,
        read_seeds(path, problem) if path else None,
    )
    if reason := why_no_figure(problem, settings, trust.plan):
        raise InputError(f"--trust: {reason}")
    return trust


def _default_out(dataset: Path) -> Path:
    """Name the folder of a search after its table."""
    return OUT / (dataset.stem if dataset.stem != COLLECTED else dataset.resolve().parent.name)


def _submit(args: argparse.Namespace, plan: SearchPlan) -> None:
    """Have Slurm search what is missing, and merge."""
    if not programs.is_there():
        raise InputError("there is no sbatch here. Log in to a cluster, or search on this machine: leave out --submit.")
    writable_folder(plan.folder.root)
    shards = Shards(
        script=SCRIPT,
        job=Path(__file__).resolve(),
        python=interpreter(),
        folder=Path.cwd(),
        words=common_words(sys.argv[1:]),
        n_shards=plan.n_shards,
        missing=plan.missing_ranges,
        at_once=args.at_once,
        logs=plan.folder.slurm,
        driver=read_options(args.like_job) if args.like_job else None,
        image=_image(args, plan.folder.root.resolve()) if args.container is not None else None,
    )
    taken = submit(shards)
    text = "\n".join([plan.summary, describe(shards, taken), f"The result will be {plan.folder.ranking}"])
    command.answer(args, {**plan.described(), "array": taken.array_id, "merge": taken.merge_id}, text)


def _image(args: argparse.Namespace, *writes: Path) -> Image:
    """Look at the image that jobs are to run in; refuse one that cannot be used, warn of one of another source."""
    tables = [args.dataset, args.costs, args.early, args.scores, *map(Path, args.benchmarks or ())]
    paths = [path for table in tables if table and table.exists() for path in (table.absolute(), table.resolve())]
    reads = dict.fromkeys(path.parent for path in paths)
    found = image.look(image.ContainerConfig(args.container), writes, [Path.cwd(), *reads])
    if doubt := image.refuse_other(found, __version__, SCRIPT.parents[1]):
        print(f"warning: {doubt}", file=sys.stderr)
    return found


def _find(args: argparse.Namespace, problem: Problem, settings: Settings, folder: SearchFolder) -> Sequence[Best]:
    """Search the whole, or merge what is stored of its shards."""
    if args.merge:
        try:
            shards = read_shards(folder.shards, args.n_shards)
            writable_folder(folder.root)
            return merge(problem, settings, shards, n_threads=command.n_threads(args))
        except IncompleteSearchError as error:
            raise IncompleteSearchError(f"{error}\n{remedy()}".rstrip()) from error
    n_threads = command.n_threads(args)
    search_time.tell(search_time.check_time(problem, settings, WHOLE, n_threads, args.max_hours))
    writable_folder(folder.root)
    with subsets_bar(n_to_search(problem, settings)) as report:
        return search(problem, settings, n_threads=n_threads, report=report)


def _search_one(args: argparse.Namespace, problem: Problem, settings: Settings, folder: SearchFolder) -> tuple[Path, bool]:
    """Return the file of one shard, and whether it had to be searched."""
    (shard_index, n_shards), n_threads = shard_of(args.shard), command.n_threads(args)
    if stored_shards(folder.shards, problem, settings, [shard_index], n_shards):
        return folder.shards / f"{shard_name(shard_index, n_shards)}.npz", False
    search_time.tell(search_time.check_time(problem, settings, (shard_index, n_shards), n_threads, args.max_hours))
    writable_folder(folder.shards)
    with subsets_bar(n_shard_subsets(problem, settings, shard_index, n_shards)) as report:
        shard = search_shard(problem, settings, shard_index, n_shards, n_threads=n_threads, report=report)
    return write_shard(shard, folder.shards), True


def _redo_one(args: argparse.Namespace, trust: Given, folder: SearchFolder) -> tuple[Path, bool]:
    """Return the file of one shard's share of the redone searches, and whether they had to be redone."""
    shard_index, n_shards = shard_of(args.shard)
    if stored_shares(folder.redone_shards, trust, [shard_index], n_shards):
        return folder.redone_shards / f"{shard_name(shard_index, n_shards)}.npz", False
    _, replicates = share(trust, shard_index, n_shards)
    search_time.tell(trust_plan.check_time(trust, command.n_threads(args), args.max_hours, n_shards))
    writable_folder(folder.redone_shards)
    return write_share(folder.redone_shards, trust, shard_index, n_shards, _redo(args, trust, replicates)), True


def _redo_all(args: argparse.Namespace, trust: Given, folder: SearchFolder) -> Sequence[Redone]:
    """Redo all searches, or join what is stored of their shards."""
    if args.merge:
        try:
            return read_shares(folder.redone_shards, trust, args.n_shards or read_shards(folder.shards)[0].n_shards)
        except IncompleteSearchError as error:
            raise IncompleteSearchError(f"{error}\n{remedy()}".rstrip()) from error
    stored = read_stored(folder.redone).found(trust)

    def redo_missing(missing: Sequence[Replicate]) -> Sequence[Redone]:
        search_time.tell(trust_plan.check_time(trust, command.n_threads(args), args.max_hours))
        return _redo(args, trust, missing)

    return complete(trust, stored, redo_missing)


def _redo(args: argparse.Namespace, trust: Given, replicates: Sequence[Replicate]) -> Sequence[Redone]:
    with subsets_bar(n_redone_subsets(trust, replicates)) as report:
        return redo(trust, replicates, n_threads=command.n_threads(args), report=report)


if __name__ == "__main__":
    command.main(parser(), main)
