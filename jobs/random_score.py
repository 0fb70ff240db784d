# PYTHON_ARGCOMPLETE_OK
"""Print the random agent's score of environments: the score that is normalised to 0.

examples:
  python jobs/random_score.py CartPole-v1
  python jobs/random_score.py MsPacmanNoFrameskip-v4 dm_control/pendulum-swingup-v0 --n-trials 2 --n-episodes 10
  python jobs/random_score.py --benchmarks dmc1m --json

Takes any registered Gymnasium environment; trials are played side by side, one on each core. The same seed gives the same
score. Writes nothing. In a grid `random` is an algorithm like any other, and jobs/collect_scores.py uses its results.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from tqdm import tqdm

from rlhpc import command
from rlhpc.benchmarks import available, load_benchmarks
from rlhpc.errors import InputError, RlhpcError
from rlhpc.training import random_agent, registry
from rlhpc.training.process import libraries_of


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    built.add_argument("env_ids", nargs="*", metavar="ENV_ID", help="registered Gymnasium ids")
    benchmarks = built.add_argument(
        "--benchmarks", nargs="+", default=[], metavar="NAME", help="all environments of these benchmarks"
    )
    command.complete(benchmarks, lambda prefix: command.names_or_files(available(), prefix))
    built.add_argument("--n-trials", type=int, default=10, metavar="N", help="times that everything is seeded anew")
    built.add_argument("--n-episodes", type=int, default=100, metavar="N", help="episodes of each trial")
    built.add_argument("--seed", type=int, default=111)
    return built


def main(args: argparse.Namespace) -> None:
    """Play, and print a table."""
    env_ids = list(dict.fromkeys([*args.env_ids, *(env.env_id for env in load_benchmarks(args.benchmarks))]))
    _refuse_faults(args, env_ids)
    scores = _play(env_ids, random_agent.trial_seeds(args.seed, args.n_trials), args.n_episodes)
    rows = [_row(env_id, scores[env_id]) for env_id in env_ids]
    width = max(len(env_id) for env_id in env_ids)
    lines = [f"{'environment':{width}}  random score  standard error  episodes"]
    lines += [
        f"{row['env_id']:{width}}  {row['score']:12.4f}  {row['standard_error']:14.4f}  {row['n_episodes']:8d}" for row in rows
    ]
    command.answer(args, {"seed": args.seed, "n_trials": args.n_trials, "scores": rows}, "\n".join(lines))


def _refuse_faults(args: argparse.Namespace, env_ids: Sequence[str]) -> None:
    """Refuse counts below one and unknown environments, all at once."""
    counts = {"--n-trials": args.n_trials, "--n-episodes": args.n_episodes}
    faults = [f"{flag} {value} must be at least 1." for flag, value in counts.items() if value < 1]
    if args.n_trials * args.n_episodes == 1:
        faults.append("one episode has no standard error: play at least 2.")
    if not 0 <= args.seed < 2**31:
        faults.append(f"--seed {args.seed} must lie between 0 and {2**31 - 1}.")
    faults += (
        registry.unknown_ids(env_ids) if env_ids else ["no environment given: name Gymnasium ids, or --benchmarks atari100k."]
    )
    if not faults:  # what cannot be made is told now, not by a worker
        faults += [fault for env_id in env_ids for fault in _make_faults(env_id)]
    if faults:
        raise InputError(*faults)


def _make_faults(env_id: str) -> tuple[str, ...]:
    """Return why an environment cannot be made; nothing if it can."""
    try:
        registry.action_space(env_id)
    except InputError as error:
        return error.faults
    return ()


def _play(env_ids: Sequence[str], seeds: Sequence[int], n_episodes: int) -> dict[str, list[float]]:
    """Play every trial of every environment; the order of the scores does not depend on the number of cores."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(libraries_of(env_ids))
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=context) as pool:
        trials = [
            (env_id, pool.submit(random_agent.play_trial, env_id, n_episodes, seed)) for env_id in env_ids for seed in seeds
        ]
        scores: dict[str, list[float]] = {env_id: [] for env_id in env_ids}
        for env_id, trial in tqdm(trials, unit="trial", disable=not sys.stderr.isatty()):
            try:
                scores[env_id] += trial.result()[0]
            except Exception as error:  # an environment may raise anything, or end its process
                raise RlhpcError(f"the random agent failed in '{env_id}': {type(error).__name__}: {error}") from error
            if not np.isfinite(scores[env_id]).all():
                raise RlhpcError(f"'{env_id}' gave a score that is not finite; its rewards are NaN or infinite.")
    return scores


def _row(env_id: str, scores: Sequence[float]) -> dict[str, Any]:
    """Summarise an environment's episodes."""
    error = float(np.std(scores, ddof=1)) / len(scores) ** 0.5
    return {"env_id": env_id, "score": float(np.mean(scores)), "standard_error": error, "n_episodes": len(scores)}


if __name__ == "__main__":
    command.main(parser(), main)
