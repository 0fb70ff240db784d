# PYTHON_ARGCOMPLETE_OK
"""Prove that a killed training continues to the same bits: train straight, train again with kills in between, and compare.

examples:
  python jobs/verify_resume.py --env dm_control/reacher-hard-v0 --algo sac
      a continuous task; the kills come at random points, drawn by the seed
  python jobs/verify_resume.py --env MsPacmanNoFrameskip-v4 --algo ppo --kills 5 n_envs=2 n_steps=64
      hyperparameters of your own, laid over the algorithm's file; short rollouts make it quick
  python jobs/verify_resume.py --env my_module:MyEnv-v0 --algo path/to/mine.yaml --timesteps 20_000
      any environment and algorithm: what cannot be continued exactly is found here, before a long training relies on it

Every attempt is a process of its own, killed with SIGKILL and continued from its last checkpoint. Compared are the parameters of
the policy, the scores of the evaluation and the learning curve. Prints "identical"; or the first difference, and where both
results are kept.

exit codes: 0 identical, 1 different, or the training failed or cannot be saved, 2 the command line or a hyperparameter is wrong,
or the training is too short for its kills
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from rlhpc import command
from rlhpc.config import read_values
from rlhpc.errors import ConfigError, InputError
from rlhpc.records import CUSTOM_BENCHMARK, Training
from rlhpc.training import registry
from rlhpc.training.algos import RANDOM, Algo, available, load_algos
from rlhpc.training.hyperparameters import refuse_faults


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    built.add_argument("--env", required=True, metavar="ID", help="a Gymnasium id")
    algo = built.add_argument("--algo", required=True, metavar="NAME", help="a file in configs/algos, or the path of such a file")
    command.complete(algo, lambda prefix: command.names_or_files(available(), prefix))
    built.add_argument("--timesteps", type=int, metavar="N", help="agent steps; default: enough for all kills")
    built.add_argument("--kills", type=int, default=3, metavar="N", help="how often it is killed")
    built.add_argument("--seed", type=int, default=111, help="of the training and of the kills")
    built.add_argument("--device", choices=["auto", "cpu", "cuda"], default="cpu", help="what to train on")
    built.add_argument("overrides", nargs="*", metavar="key=value", help="hyperparameters, laid over the algorithm's file")
    return built


def main(args: argparse.Namespace) -> int:
    """Verify, and say what came of it."""
    from rlhpc.training import local, verify  # noqa: PLC0415  # torch takes seconds, which --help need not wait for

    training = _training(args)
    device = local.device(args.device, local.usable_gpus(args.device))
    folder = Path(tempfile.mkdtemp(prefix="rlhpc-verify-"))
    try:
        found = verify.verify(training, folder, args.kills, device)
    except InputError:
        shutil.rmtree(folder)
        raise
    answer = {
        "identical": not found.differences,
        "differences": list(found.differences),
        "training": training.name,
        "total_timesteps": training.total_timesteps,
        "policy_sha256": found.policy_sha256,
        "resumes": list(found.resumes),
        "folder": str(folder) if found.differences else None,
    }
    points = ", ".join(f"{resume['timesteps']:,}" for resume in found.resumes)
    text = f"identical: {training.name}, {training.total_timesteps:,} agent steps, killed and continued from {points}"
    if found.differences:
        text = f"{found.differences[0]}\n(continued from {points} agent steps; both results are kept in {folder})"
    else:
        shutil.rmtree(folder)
    command.answer(args, answer, text)
    return 1 if found.differences else 0


def _training(args: argparse.Namespace) -> Training:
    """Make the training that the command line describes, and refuse what is wrong with it."""
    from rlhpc.training import machine, verify  # noqa: PLC0415  # torch takes seconds

    changes = read_values(args.overrides)
    faults = registry.unknown_ids([args.env])
    if args.kills < 1:
        faults.append(f"--kills {args.kills} must be at least 1.")
    if args.timesteps is not None and args.timesteps < 1:
        faults.append(f"--timesteps {args.timesteps} must be at least 1.")
    if not 0 <= args.seed < 2**31:
        faults.append(f"--seed {args.seed} must lie between 0 and {2**31 - 1}.")
    try:
        machine.device_kind(args.device)
    except RuntimeError as error:
        faults.append(f"--device {args.device}: {error}.")
    algo = _algo(args.algo, changes, faults)
    if faults or algo is None:
        raise InputError(*faults)
    action_space = registry.action_space(args.env)
    if not algo.acts_in(action_space):
        raise InputError(f"algorithm '{algo.name}' cannot act in the {action_space} actions of '{args.env}'.")
    hyperparameters = algo.hyperparameters(args.env, is_atari=registry.is_atari(args.env))
    probe = Training(CUSTOM_BENCHMARK, args.env, algo.name, args.seed, action_space, 0, hyperparameters, {"n_episodes": 1})
    refuse_faults([probe])
    timesteps = args.timesteps or verify.enough_timesteps(hyperparameters, args.kills)
    return Training(CUSTOM_BENCHMARK, args.env, algo.name, args.seed, action_space, timesteps, hyperparameters, {"n_episodes": 1})


def _algo(name: str, changes: dict[str, object], faults: list[str]) -> Algo | None:
    """Find an algorithm that trains, with changed hyperparameters; add to the faults if there is none."""
    try:
        (plain,) = load_algos([name])
        (algo,) = load_algos([name], {plain.name: {"all": changes}})
    except ConfigError as error:
        faults.extend(error.faults)
        return None
    if algo.class_name == RANDOM:
        faults.append("the random agent is not trained; there is nothing to verify.")
        return None
    return algo


if __name__ == "__main__":
    command.main(parser(), main)
