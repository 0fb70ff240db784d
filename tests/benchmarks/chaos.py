"""Chaos: a real launch hit by random faults at random instants, against the same grid left in peace.

    .venv/bin/python tests/benchmarks/chaos.py                  # 200 faults, half an hour on 2 idle cores
    .venv/bin/python tests/benchmarks/chaos.py --n-faults 30 --n-trainings 12 --seed 7

First the grid is trained undisturbed. Then it is launched again in another folder, and hit: signals to trainings, to their
supervisor and to the forkserver, processes stopped for a while, a full disk, checkpoints that are cut, a second supervisor
of the same plan, leftovers of dead writers. Each time that no supervisor is left, it is started again. If everything is
stored before all faults were needed, another round begins in a new folder.

After each round it must hold, or it is told and the exit code is 1: the audit finds every training recorded exactly once; scores,
SHA-256 of the policies and learning curves are those of the undisturbed launch; no process is left, no checkpoint and no lease;
no supervisor ended with a traceback.

What is printed in the end: the faults that really hit, by kind; how the supervisors ended; and what the kills have cost: for each
training that was killed while it learned, the seconds since its last checkpoint, or since its process began. That is to be held
against the interval between checkpoints, one rollout, and, for those that had just begun, the time until the first step. The seed
repeats the sequence of kinds, victims and delays, though not what the processes do at each instant.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import faults

DISK_MEGABYTES = 1024


def parser():
    """Build the command line."""
    built = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    per_seed = 3 * len(faults.ENVS)
    built.add_argument("--n-faults", type=int, default=200, metavar="N", help="to be injected (default: 200)")
    built.add_argument(
        "--n-trainings", type=int, default=24, metavar="N", help=f"of the grid, rounded up to a multiple of {per_seed}"
    )
    built.add_argument("--seed", type=int, default=0, help="of the sequence of faults (default: 0)")
    built.add_argument("--places", type=int, default=2, metavar="N", help="trainings at once (default: 2)")
    built.add_argument("--folder", type=Path, metavar="DIR", help="keep everything here; default: a temporary folder")
    return built


def main(args):
    """Train in peace, then under fire, and compare."""
    folder = (args.folder or Path(tempfile.mkdtemp(prefix="rlhpc-chaos-"))).resolve()
    config = faults.grid(len(faults.ENVS), -(-args.n_trainings // (3 * len(faults.ENVS))))
    print(f"seed {args.seed}; everything in {folder}", flush=True)
    started = time.monotonic()
    undisturbed = faults.Launch(config, folder / "undisturbed", folder / "undisturbed", args.places)
    undisturbed.run()
    print(f"undisturbed: {len(list(undisturbed.store.iterate()))} trainings, {time.monotonic() - started:.0f} s", flush=True)
    with faults.small_disk(folder / "disk", DISK_MEGABYTES) as is_mounted:
        if not is_mounted:
            print("no full disk: mounting one is not allowed here")
        problems, tallies = _rounds(args, config, folder, undisturbed, is_mounted=is_mounted)
    _report(tallies)
    for problem in problems:
        print(f"WRONG: {problem}")
    if problems:
        print(f"seed {args.seed}: {len(problems)} things are wrong; everything is kept in {folder}")
        return 1
    if args.folder is None:
        shutil.rmtree(folder)
    print(f"seed {args.seed}: every training is recorded exactly once, equal to the undisturbed one, and nothing is left.")
    return 0


def _rounds(args, config, folder, undisturbed, *, is_mounted):
    """Launch the grid under fire until all faults have hit; return what is wrong, and what was done in each round."""
    sequence = faults.draw(args.seed, [kind for kind in faults.KINDS if is_mounted or kind != faults.FULL_DISK])
    problems, tallies = [], []
    while not problems and (n_left := args.n_faults - sum(tally.injected.total() for tally in tallies)) > 0:
        started, name = time.monotonic(), f"round-{len(tallies) + 1}"
        launch = faults.Launch(config, folder / name, folder / "disk" / name, args.places)
        launch.run(sequence, n_left)
        problems = faults.verify(launch, undisturbed)
        tallies.append(launch.tally)
        n_resumes = sum(len(result.resumes) for result in launch.store.iterate())
        print(
            f"{name}: {launch.tally.injected.total()} faults, {launch.tally.exit_codes.total()} supervisors, {n_resumes} resumes,"
            f" {faults.n_temporary(launch.store)} temporary files left, {time.monotonic() - started:.0f} s",
            flush=True,
        )
        if problems:
            shutil.copytree(launch.store.root, folder / f"{name}-results", symlinks=True)
    return problems, tallies


def _report(tallies):
    injected = sum((tally.injected for tally in tallies), Counter())
    print(f"\n{injected.total()} faults")
    for kind in faults.KINDS:
        print(f"  {injected[kind]:4d}  {kind}")
    codes = sum((tally.exit_codes for tally in tallies), Counter())
    print("supervisors by exit code: " + ", ".join(f"{code}: {n}" for code, n in sorted(codes.items())))
    lost = [seconds for tally in tallies for seconds in tally.lost_seconds]
    if lost:
        print(
            f"work lost by a kill, {len(lost)} trainings killed: mean {np.mean(lost):.2f} s, median {np.median(lost):.2f} s,"
            f" max {np.max(lost):.2f} s; a checkpoint every {faults.CHECKPOINT_SECONDS:.2f} s"
        )


if __name__ == "__main__":
    sys.exit(main(parser().parse_args()))
