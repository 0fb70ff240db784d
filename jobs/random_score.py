# PYTHON_ARGCOMPLETE_OK
"""Print the random agent's score of environments: the score that is normalised to 0.

examples:
  python jobs/random_score.py CartPole-v1
  python jobs/random_score.py MsPacmanNoFrameskip-v4 dm_control/pendulum-swingup-v0 --n-trials 2 --n-episodes 10
  python jobs/random_score.py --benchmarks dmc1m --json

Takes any registered Gymnasium environment; trials are played side by side, one on each core. The same seed gives the same
score. Writes nothing. In a grid `random` is an algorithm like any other, and jobs/collect_scores.py uses its results.

exit codes: 0 played, 1 an environment failed, or gave a score that is not finite, 2 the command line is wrong, or an environment
is unknown or cannot be made
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence

from rlhpc import command
from rlhpc.benchmarks import available, load_benchmarks
from rlhpc.errors import InputError
from rlhpc.training import random_agent, random_scores, registry


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
    found = random_scores.play(env_ids, random_agent.trial_seeds(args.seed, args.n_trials), args.n_episodes)
    width = max(len(env_id) for env_id in env_ids)
    lines = [f"{'environment':{width}}  random score  standard error  episodes"]
    lines += [f"{each.env_id:{width}}  {each.score:12.4f}  {each.standard_error:14.4f}  {each.n_episodes:8d}" for each in found]
    scores = [dataclasses.asdict(each) for each in found]
    command.answer(args, {"seed": args.seed, "n_trials": args.n_trials, "scores": scores}, "\n".join(lines))


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


if __name__ == "__main__":
    command.main(parser(), main)
