"""Chaos: a real launch hit by random faults at random instants, against the same grid left in peace.

    .venv/bin/python tests/benchmarks/chaos.py                  # 200 faults, 40 minutes on 2 idle cores
    .venv/bin/python tests/benchmarks/chaos.py --n-faults 30 --n-trainings 12 --seed 7

First the grid is trained undisturbed. Then it is launched again in another folder, and hit: signals to trainings, to their
supervisor and to the forkserver, processes stopped for a while, a full disk, checkpoints that are cut, a second supervisor
of the same plan, leftovers of dead writers. Each time that no supervisor is left, it is started again. If everything is
stored before all faults were needed, another round begins in a new folder.

After each round it must hold, or it is told and the exit code is 1: the audit finds every training recorded exactly once; scores,
SHA-256 of the policies and learning curves are those of the undisturbed launch; no process is left, no checkpoint and no lease;
no supervisor ended with a traceback, or otherwise than a fault explains that hit while it lived; no attempt is held against its
training; no kill cost more than an interval and one rollout or the start. In the end something must have been continued.

What is printed in the end: the faults that really hit, by kind; how the supervisors ended; and what the kills have cost: for each
training that was killed while it learned, the seconds of a processor that it had spent since its last checkpoint, or since its
process began. They are held against the interval between checkpoints and what was at stake at the worst instant in peace, where
it is saved as often as can be: one rollout, or the time until the first one. An evaluation in the end that is killed is
repeated whole; that is counted. Not counted is what it costs to cut checkpoints: one more of them, or all work. The seed repeats
the sequence of kinds, victims and delays, though not what the processes do at each instant.
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
    undisturbed = faults.in_peace(config, folder, places=args.places)
    print(f"undisturbed: {len(list(undisturbed.store.iterate()))} trainings, {time.monotonic() - started:.0f} s", flush=True)
    with faults.small_disk(folder / "disk", DISK_MEGABYTES) as is_mounted:
        if not is_mounted:
            print("no full disk: mounting one is not allowed here")
        problems, tallies = _rounds(args, config, folder, undisturbed, is_mounted=is_mounted)
    _report(tallies, faults.most_lost(undisturbed))
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
    problems, tallies, n_resumes, started = [], [], 0, time.monotonic()
    for launch, problems in faults.rounds(config, folder, undisturbed, sequence, args.n_faults, places=args.places):
        tallies.append(launch.tally)
        n_resumes += faults.n_resumes(launch.store)
        name = f"round-{len(tallies)}"
        print(
            f"{name}: {launch.tally.injected.total()} faults, {launch.tally.exit_codes.total()} supervisors,"
            f" {faults.n_resumes(launch.store)} resumes, {faults.n_temporary(launch.store)} temporary files left,"
            f" {time.monotonic() - started:.0f} s",
            flush=True,
        )
        started = time.monotonic()
        if problems:
            shutil.copytree(launch.store.root, folder / f"{name}-results", symlinks=True)
    return problems or ([] if n_resumes else ["nothing was ever continued"]), tallies


def _report(tallies, most_lost):
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
            f" max {np.max(lost):.2f} s of a processor; at most {most_lost:.2f} s is right, with a checkpoint every"
            f" {faults.CHECKPOINT_SECONDS:.2f} s"
        )
    print(f"evaluations that a kill had repeated: {sum(tally.n_evaluations for tally in tallies)}")


if __name__ == "__main__":
    sys.exit(main(parser().parse_args()))
