"""Search every subset of K environments for the one that best predicts the full benchmark.

examples:
  python jobs/subset_search.py logs/demo/dataset.csv --subset-size 3 --out logs/demo/search
      search all subsets of 3, 2 and 1 environments
  python jobs/subset_search.py TABLE --subset-size 5 --dry-run --n-shards 16
      check the table and the flags, and say what would be searched; write nothing
  python jobs/subset_search.py TABLE --subset-size 5 --out DIR --shard 0/16
      search the first of 16 shards (0/16 to 15/16), each perhaps on a machine of its own; if it is stored, pass it over
  python jobs/subset_search.py TABLE --subset-size 5 --out DIR --merge
      merge them: the same files as without shards, to the byte where all ran on one kind of CPU
On a Slurm cluster, slurm/subset_search.sh does all three.

files written to DIR, by default logs/search/NAME: the table's name, that of its folder for a dataset.csv
  ranking.csv   the best subsets of K; errors in full precision, relative errors in percent
  sizes.csv     K, K - 1, ... 1: the best subset inside the next larger one (nested), and the best of all
  problem.npz   what was regressed, as arrays
  search.json   what was searched, by which rules, hashes of input and files; written last, and without times,
                so that searching again on the same machine gives the same bytes
  shards/       with --shard, one file a shard, and nothing else
A trust.json and report.html of an earlier search in DIR are removed.

DATASET has one row an environment (Environments, Benchmark, Action Space, Base, Reference, then one column an algorithm) or one
row a score (env_id, algo, seed, score). Scores may be missing.
Exit codes: 0 done, 1 shards are missing or do not belong together, 2 the command line or the table is wrong.
"""

from __future__ import annotations

import argparse
import re
from math import comb
from pathlib import Path
from typing import Any

from rlhpc import command
from rlhpc.benchmarks import load_benchmarks
from rlhpc.errors import InputError
from rlhpc.files import writable_folder
from rlhpc.report import search_text
from rlhpc.report.progress import subsets_bar
from rlhpc.report.search_folder import SearchFolder
from rlhpc.report.search_input import search_input
from rlhpc.report.search_record import search_record
from rlhpc.report.search_writer import remove_reports, write_search
from rlhpc.results.dataset import read_table
from rlhpc.search import (
    FOLD_SEED,
    KEEP,
    N_FOLDS,
    Problem,
    Settings,
    Shard,
    merge,
    n_shard_subsets,
    read_shards,
    search_shard,
    shard_name,
    spell_ranges,
    stored_shards,
    write_shard,
)

SUBSET_SIZE = 3  # the thesis'
OUT = Path("logs/search")
MAX_SHARDS = 4_000_001  # the largest array that Slurm can be configured for
COLLECTED = "dataset"  # the name of every table that collect_scores.py writes, which tells none apart
WHOLE = (0, 1)  # the only shard of a search that is not divided


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    built.add_argument("dataset", type=Path, metavar="DATASET", help="a CSV table of scores")
    built.add_argument("--subset-size", type=int, default=SUBSET_SIZE, metavar="K", help="environments in a subset")
    built.add_argument("--out", type=Path, metavar="DIR", help="folder for the results (default: logs/search/NAME, see below)")
    part = built.add_mutually_exclusive_group()
    part.add_argument("--shard", metavar="I/N", help="search only shard I of N; I counts from 0")
    part.add_argument("--merge", action="store_true", help="merge the shards in DIR/shards")
    part.add_argument("--dry-run", action="store_true", help="check, and say what would be searched; write nothing")
    built.add_argument("--n-shards", type=int, metavar="N", help="shards there are to be, for --dry-run and --merge")
    built.add_argument("--n-folds", type=int, default=N_FOLDS, metavar="N", help="folds; at most one an algorithm")
    built.add_argument("--fold-seed", type=int, default=FOLD_SEED, metavar="SEED", help="seed that folds are drawn with")
    built.add_argument("--intercept", action="store_true", help="fit an intercept (the thesis did not)")
    built.add_argument("--keep", type=int, default=KEEP, metavar="N", help="length of the ranking")
    built.add_argument(
        "--benchmarks",
        nargs="+",
        metavar="NAME",
        help="benchmarks (names or YAML files) that give the scores a table leaves out (default: all in configs/benchmarks)",
    )
    return built


def main(args: argparse.Namespace) -> None:
    """Search the whole, one shard of it, merge, or say what would be searched."""
    settings, division = _read_flags(args)
    folder = SearchFolder(args.out or _default_out(args.dataset))
    given = search_input(args.dataset, read_table(args.dataset, load_benchmarks(args.benchmarks)), args.benchmarks or ())
    problem = given.problem
    settings.check(*problem.X.shape)
    if args.dry_run:
        plan = _plan(problem, settings, folder, args.n_shards or 1)
        command.answer(args, plan, f"{plan['summary']}\nResults would go to:\n  {folder.root}")
        return
    if args.shard:
        path, searched = _search_one(problem, settings, division, folder)
        told = "searched. Written" if searched else "is stored already, and passed over"
        command.answer(args, {"path": str(path), "searched": searched}, f"Shard {args.shard} {told}:\n  {path}")
        return
    shards = read_shards(folder.shards, args.n_shards) if args.merge else []
    writable_folder(folder.root)
    record = search_record(given, settings, merge(problem, settings, shards or [_search(problem, settings, WHOLE)]))
    removed = [str(path) for path in remove_reports(folder)]  # first: no report may outlive the search that it is of
    paths = [str(path) for path in write_search(record, problem, folder)]
    notes = ["Removed, the report of an earlier search:", *(f"  {path}" for path in removed)] if removed else []
    command.answer(
        args,
        {**record.found, "warnings": search_text.warnings(record), "paths": paths, "removed": removed},
        "\n".join([search_text.describe(record), "", *notes, "Written:", *(f"  {path}" for path in paths)]),
    )


def _read_flags(args: argparse.Namespace) -> tuple[Settings, tuple[int, int]]:
    """Return the settings, and the shard's index and number.

    Raises
    ------
    InputError
        With everything that is wrong with the flags.
    """
    faults: list[str] = []
    division = WHOLE
    if args.shard is not None:
        spec = re.fullmatch(r"(\d+)/(\d+)", args.shard)
        division = (int(spec[1]), int(spec[2])) if spec else (0, 0)
        if not 0 <= division[0] < division[1]:
            faults.append(
                f"--shard {args.shard} is not I/N with 0 <= I < N: shards count from 0, so 0/16 to 15/16 are 16 shards."
            )
    if args.n_shards is not None and not (args.merge or args.dry_run):
        faults.append("--n-shards goes with --dry-run and --merge alone: one shard is searched with --shard I/N.")
    if args.n_shards is not None and not 1 <= args.n_shards <= MAX_SHARDS:
        faults.append(f"--n-shards {args.n_shards} is out of range: give 1 to {MAX_SHARDS}.")
    try:
        settings = Settings(args.subset_size, args.n_folds, args.fold_seed, args.intercept, args.keep)
    except InputError as error:
        faults.extend(error.faults)
    if faults:
        raise InputError(*faults)
    return settings, division


def _default_out(dataset: Path) -> Path:
    """Name the folder of a search after its table."""
    return OUT / (dataset.stem if dataset.stem != COLLECTED else dataset.resolve().parent.name)


def _plan(problem: Problem, settings: Settings, folder: SearchFolder, n_shards: int) -> dict[str, Any]:
    """Say what would be searched in so many shards, and which of them are missing."""
    (n_algos, n_envs), size = problem.X.shape, settings.subset_size
    stored = set(stored_shards(folder.shards, problem, settings, range(n_shards), n_shards))
    missing = [shard_index for shard_index in range(n_shards) if shard_index not in stored]
    n_subsets, n_all = comb(n_envs, size), n_shard_subsets(*WHOLE, n_envs, size)
    return {
        "summary": f"{n_subsets:,} subsets of {size} of {n_envs} environments, and all smaller ones: {n_all:,} in all, "
        f"on {n_algos} algorithms. Shards: {n_shards}; stored already: {len(stored)}.",
        "n_subsets": n_subsets,
        "n_shards": n_shards,
        "n_missing": len(missing),
        "missing": spell_ranges(missing),
        "out": str(folder.root),
        "slurm": str(folder.slurm),
        "ranking": str(folder.ranking),
    }


def _search_one(problem: Problem, settings: Settings, division: tuple[int, int], folder: SearchFolder) -> tuple[Path, bool]:
    """Return the file of one shard, and whether it had to be searched."""
    shard_index, n_shards = division
    writable_folder(folder.shards)
    if stored_shards(folder.shards, problem, settings, [shard_index], n_shards):
        return folder.shards / f"{shard_name(shard_index, n_shards)}.npz", False
    return write_shard(_search(problem, settings, division), folder.shards), True


def _search(problem: Problem, settings: Settings, division: tuple[int, int]) -> Shard:
    """Search one shard, with a bar on a terminal."""
    with subsets_bar(n_shard_subsets(*division, len(problem.env_ids), settings.subset_size)) as advance:
        return search_shard(problem, settings, *division, advance)


if __name__ == "__main__":
    command.main(parser(), main)
