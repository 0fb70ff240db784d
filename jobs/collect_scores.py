# PYTHON_ARGCOMPLETE_OK
"""Collect the stored results of logs/NAME into tables of scores.

examples:
  python jobs/collect_scores.py logs/thesis
  python jobs/collect_scores.py logs/mine --benchmarks my_benchmark.yaml
  python jobs/collect_scores.py logs/mine --at 25000 50000
      also what trainings had reached after so many steps, for subsets of environments that are stopped early

files written into logs/NAME:
  scores.csv    one row a training: score, budget, seconds, device, its W&B link, its folder
  dataset.csv   one row an environment: Base (random), Reference (converged PPO), one column an algorithm; means over seeds
  summary.csv   one row an environment and algorithm: mean, standard error and interquartile mean over seeds, and whose score
  early.csv     with --at: one row a training and number of steps, from learning curves, such as Pong@25000

exit codes: 0 done (what is missing or left out is listed), 1 no result could be read, 2 no such folder, or no trainings in it
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rlhpc import command
from rlhpc.benchmarks import available, load_benchmarks
from rlhpc.config import read_yaml
from rlhpc.errors import InputError, RlhpcError
from rlhpc.files import writable_folder
from rlhpc.records import BenchmarkEnv
from rlhpc.results.collect import Collection, collect, write_scores
from rlhpc.results.dataset import write_wide
from rlhpc.results.early import early_scores, write_early
from rlhpc.results.scores import RANDOM_ALGO, REFERENCE_ALGO
from rlhpc.results.store import Store
from rlhpc.results.summary import origins, summarise, write_summary
from rlhpc.results.wrong_folder import refuse_without_trainings
from rlhpc.words import count


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    built.add_argument("folder", type=command.path, metavar="logs/NAME", help="the folder that holds trainings/")
    benchmarks = built.add_argument(
        "--benchmarks",
        nargs="+",
        metavar="NAME_OR_FILE",
        help="benchmarks whose results and published scores count; default: all in configs/benchmarks, and the files that "
        "logs/NAME/config.yaml names",
    )
    command.complete(benchmarks, lambda prefix: command.names_or_files(available(), prefix))
    built.add_argument(
        "--at", nargs="+", type=int, metavar="STEPS", default=[], help="agent steps after which trainings are looked at, too"
    )
    return built


def main(args: argparse.Namespace) -> None:
    """Collect, write and report."""
    store = Store(args.folder)
    if wrong := [at for at in args.at if at < 1]:
        raise InputError(f"--at {' '.join(map(str, wrong))}: give numbers of agent steps, 1 or more.")
    refuse_without_trainings(store)
    collection = collect(store, _known_benchmarks(store, args.benchmarks))
    if not collection.results:
        raise RlhpcError("\n".join((f"no result in '{args.folder}' could be collected.", *collection.problems)))
    rows = summarise(collection)
    early = early_scores(collection.results, store, sorted({*args.at}))
    if args.at and not early.rows:
        raise InputError(
            f"no training has an episode that ended after {min(args.at)} steps, and went on: give other numbers to --at."
        )
    folder = writable_folder(args.folder)
    paths = (
        write_scores(collection.results, folder, store.scores),
        write_wide(collection.dataset, folder / "dataset.csv"),
        write_summary(rows, folder / "summary.csv"),
        *([write_early(early, folder / "early.csv")] if args.at else []),
    )
    problems = (*collection.problems, *early.problems)
    base, reference = origins(rows, RANDOM_ALGO), origins(rows, REFERENCE_ALGO)
    seeds = sorted({score.seed for score in collection.scores})
    data = {
        "n_trainings": len(collection.results),
        "env_ids": list(collection.dataset.env_ids),
        "algos": list(collection.dataset.algos),
        "seeds": seeds,
        "base": base,
        "reference": reference,
        "problems": list(problems),
        "paths": [str(path) for path in paths],
    }
    lines = [
        f"{_counts(collection)}, seeds {' '.join(map(str, seeds))}",
        f"Base (random agent): {_origin(base)}",
        f"Reference: {_origin(reference)}",
        *_problems(problems),
        *map(str, paths),
    ]
    command.answer(args, data, "\n".join(lines))


def _known_benchmarks(store: Store, given: list[str] | None) -> tuple[BenchmarkEnv, ...]:
    """Load the benchmarks given, else all of the project's and the files that the folder's own configuration names."""
    if given is not None:
        return load_benchmarks(given)
    named = (read_yaml(store.config).get("benchmarks") or []) if store.config.exists() else []
    files = [name for name in named if str(name).endswith(".yaml") and Path(name).exists()]
    return load_benchmarks([*available(), *files])


def _counts(collection: Collection) -> str:
    dataset = collection.dataset
    algos = count(len(dataset.algos), "algorithm") + (f" ({', '.join(dataset.algos)})" if dataset.algos else "")
    return f"{count(len(collection.results), 'training')}: {count(len(dataset.env_ids), 'environment')}, {algos}"


def _problems(problems: Sequence[str]) -> list[str]:
    return [f"{count(len(problems), 'problem')}:", *(f"  - {problem}" for problem in problems)] if problems else []


def _origin(found: dict[str, int]) -> str:
    """Spell how many environments have a score from where."""
    words = {"own": "from your own results", "benchmark": "from benchmark files", "unknown": "without any"}
    (kind, n), *others = [(kind, n) for kind, n in found.items() if n]
    return ", ".join([f"{count(n, 'environment')} {words[kind]}", *(f"{n} {words[kind]}" for kind, n in others)])


if __name__ == "__main__":
    command.main(parser(), main)
