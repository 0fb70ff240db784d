# PYTHON_ARGCOMPLETE_OK
"""Train every agent of a grid: leave out what is stored or in the queue, plan, and submit or carry out the rest.

examples:
  python jobs/launch_training.py --partition gpu
      submit the default grid (760 trainings) to Slurm as an array of nodes, 2 GPUs x 12 trainings each
  python jobs/launch_training.py --dry-run
      print its plan and price, and write nothing
  python jobs/launch_training.py --partition gpu --container rlhpc.sif
      the same in an Apptainer image, which is looked at first; Slurm is spoken to from here alone
  python jobs/launch_training.py --partition gpu --only-failed
      submit again what failed, after its cause was mended
  python jobs/launch_training.py --config configs/demo.yaml --cluster local
      train a small grid on this machine
  python jobs/launch_training.py --cluster local name=mine 'envs=[CartPole-v1]' 'algos=[ppo,dqn]' 'seeds=[1,2]'
      any registered Gymnasium environment, with or without a benchmark

Every key that key=value sets stands, commented, in configs/launch_training.yaml. Most used: name, envs, seeds, wandb.mode,
budget.total_timesteps, hyperparameters, packing.trainings_per_gpu, slurm.partition, slurm.timeout_min, and algos, of these files
in configs/algos or paths of your own: a2c, dqn, ppo, ppo_converged, ppo_high_lr, qr_dqn, random, recurrent_ppo, sac, td3, tqc,
trpo. Put what has brackets in quotes, for shells read them too: 'hyperparameters={ppo: {all: {n_steps: 64}}}'

Results go to <logs_dir>/<name>/trainings/. Started again, it trains only what is not stored and not in the queue, and continues
what was stopped or killed from its last checkpoint. Ways to follow it: python jobs/status.py <logs_dir>/<name>
The configuration is written to config.yaml there; a different one of a former launch is kept as config-1.yaml, config-2.yaml, ...

On Slurm it returns when the arrays are submitted; an element that reaches its time limit or is preempted saves all trainings and
is requeued. Here (--cluster local) it returns when all is done; on SIGTERM, SIGUSR1, SIGUSR2 or Ctrl-C every training saves and
leaves; a second one kills (130).
Exit codes: 0 all stored, or submitted; 1 a training failed (the summary names it), nothing can be written any more, or Slurm
refused; 2 the command line or configuration is wrong, or the site cannot give what is asked; 75 not finished (stopped, or in the
hands of another launch): start again to continue.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlhpc import command
from rlhpc.cluster import programs
from rlhpc.cluster.image import Image
from rlhpc.cluster.site import Site, read_site
from rlhpc.container import describe as describe_image
from rlhpc.errors import STOPPED, InputError, SlurmError
from rlhpc.files import writable_folder
from rlhpc.launch import folder, slurm, text
from rlhpc.launch.config import LaunchConfig, add_flags, read
from rlhpc.launch.expansion import expand, namesakes
from rlhpc.records import Training
from rlhpc.results import ledger, writers
from rlhpc.results.unfinished import has_given_up
from rlhpc.training import cores, gpu_sharing, grid, local, node, outcome
from rlhpc.training.estimate import MeasuredHours, measured_hours
from rlhpc.words import count


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    add_flags(built)
    built.add_argument("--cluster", choices=["auto", "slurm", "local"], default="auto", help="auto: Slurm where sbatch exists")
    built.add_argument("--only-failed", action="store_true", help="only what failed, and was given up")
    built.add_argument("--add", action="store_true", help="train the default environments, too, in a folder of others")
    built.add_argument("--dry-run", action="store_true", help="print the plan and write nothing")
    return built


def main(args: argparse.Namespace) -> int:
    """Plan and launch."""
    config = read(args)
    expanded, store = expand(config), config.store
    if not args.add:
        folder.refuse_another_grid(config, expanded.trainings)
    found = ledger.check(store, expanded.trainings)
    ledger.refuse_changed(found, store)
    wanted = found.to_train
    if args.only_failed:
        wanted = tuple(training for training in wanted if has_given_up(store.read_attempts(training)))
    cluster = _cluster(args, config)
    others = set(store.read_grid()) - {training.name for training in expanded.trainings}
    facts = {"name": config.name, "results": str(store.root), "config": str(store.config), "n_others": len(others)}
    facts |= {"cluster": cluster, "namesakes": namesakes(expanded)}
    launch = _Launch(args, config, expanded, found, wanted, facts)
    return _submit(launch) if cluster == "slurm" else _carry_out(launch)


@dataclass(frozen=True)
class _Launch:
    """What `main` has found out."""

    args: argparse.Namespace
    config: LaunchConfig
    expanded: grid.Grid
    found: ledger.Ledger
    wanted: Sequence[Training]
    facts: dict[str, Any]

    def hours(self, device: str) -> MeasuredHours:
        """Say how long a training takes on a device."""
        return measured_hours(self.config.store, self.found, device)

    def tell(self, facts: Mapping[str, Any]) -> None:
        """Say what is going to be done, where the answer is text; a plan that is the answer itself is `command.answer`."""
        if not self.args.json:
            print(text.before(facts))


def _carry_out(launch: _Launch) -> int:
    """Train on this machine."""
    args, config, store = launch.args, launch.config, launch.config.store
    gpus = local.usable_gpus(config.device)
    local.refuse_missing_gpu(config.device, gpus)
    device = "cuda" if gpus else "cpu"
    hours = launch.hours(device)
    gpu_sharing.refuse(config.packing.mps, gpus)
    cores.refuse(config.packing.affinity)
    nodes = local.pack_here(launch.wanted, config.packing, gpus, hours)
    for here in nodes:
        local.refuse_memory(here, len(gpus))
    facts = launch.facts | text.facts_of(launch.expanded, launch.found, nodes, hours) | {"device": device}
    if args.dry_run:
        command.answer(args, facts, text.before(facts))
        return 0
    launch.tell(facts)
    _prepare(launch)
    done = outcome.Outcome()
    again = "" if describe_image() else shlex.join(["python", *sys.argv])  # of which the path inside is of no use outside
    try:
        if nodes:
            done = local.carry_out(nodes[0], gpus, store, config.settings(local.device(config.device, gpus)))
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(f"start again to go on: {again}".rstrip(": "))
        raise
    _write_again(launch)
    is_online = config.wandb.mode == "online"
    summary = {**facts, **outcome.describe(done), "trainings": str(store.trainings)}
    command.answer(args, summary, text.after(done, store, is_online=is_online, command=again))
    if done.stopped or done.elsewhere:
        return STOPPED
    return 1 if done.failed else 0


def _submit(launch: _Launch) -> int:
    """Submit to Slurm; a dry run where there is none only plans."""
    args, config, store = launch.args, launch.config, launch.config.store
    hours = launch.hours(config.planned_device)
    site = _site(args)
    queued = slurm.in_queue(store, launch.wanted) if site else {}
    planned = slurm.plan([training for training in launch.wanted if training.name not in queued], config, hours, site)
    asked = slurm.request(planned, config, hours)
    facts = launch.facts | text.facts_of(launch.expanded, launch.found, planned.nodes, hours)
    facts |= slurm.describe(planned, config, queued) | {"n_files": asked.n_files, "gigabytes": asked.gigabytes}
    facts |= {"device": config.planned_device}
    if planned.nodes:
        slurm.refuse(site, asked)
    if args.dry_run and planned.nodes:
        _look_at_image(launch)
    if args.dry_run or site is None or not planned.nodes:
        facts["n_unfinished"] = len(launch.found.to_train)
        rest = [] if planned.nodes else [text.nothing(facts, store, only_failed=args.only_failed and not queued)]
        command.answer(args, facts, "\n".join([text.before(facts), *rest]))
        return STOPPED if facts["n_ending"] and not args.dry_run else 0
    launch.tell(facts)
    container = _refuse_unusable(launch, site)
    _prepare(launch)
    slurm.refuse_submitted(store, planned)
    submitted = []
    for array in slurm.submit(planned, config, store, container):
        submitted.append({"job_id": array.job_id, "job_name": array.job_name, "logs": array.logs(store.root)})
        print(f"submitted job {array.job_id} ({count(len(array.elements), 'element')})", flush=True)
    _write_again(launch)
    command.answer(args, {**facts, "submitted": submitted}, text.submitted(submitted, store))
    return 0


def _refuse_unusable(launch: _Launch, site: Site) -> Image | None:
    """Refuse a torch, a folder of results, or an image, of which nodes could make nothing; return the image, if there is one."""
    store = launch.config.store
    slurm.refuse_torch(launch.config)
    writable_folder(store.trainings)
    try:
        container = _look_at_image(launch, writes=[store.root.resolve()])
        for warning in slurm.refuse_unshared(store, launch.config, site, container):
            print(f"warning: {warning}", file=sys.stderr)
    except InputError:
        for made in (store.trainings, store.root):
            with contextlib.suppress(OSError):  # it is not empty: of an earlier launch
                made.rmdir()
        raise
    return container


def _look_at_image(launch: _Launch, writes: Sequence[Path] = ()) -> Image | None:
    """Look at the image that trainings are to run in, if any; refuse one that cannot be used, warn of one of another source."""
    found, doubt = slurm.look_at_image(launch.wanted, launch.config, writes)
    if doubt:
        print(f"warning: {doubt}", file=sys.stderr)
    return found


def _site(args: argparse.Namespace) -> Site | None:
    """Ask Slurm for its settings; a dry run does without where there is none, or none that answers."""
    if args.dry_run and not programs.is_there():
        if args.partition:
            print("warning: there is no sbatch on PATH; planned without knowing the partition", file=sys.stderr)
        return None
    try:
        return read_site()
    except SlurmError as error:
        if not args.dry_run:
            raise SlurmError(f"{error}\nTo train on this machine instead: --cluster local") from error
        print(f"warning: planned without the site's limits: {error}", file=sys.stderr)
        return None


def _prepare(launch: _Launch) -> None:
    """Write down what is launched; keep damaged records aside, and tidy up beside stored results."""
    store = launch.config.store
    writable_folder(store.trainings)
    if doubt := writers.warning(store.trainings):
        print(f"warning: {doubt}", file=sys.stderr)
    if former := folder.write_config(launch.config):
        print(f"the configuration of a former launch is kept; to launch that again: --config {shlex.quote(str(former))}")
    print(store.config)
    if kept := store.set_aside_grid():
        print(f"the damaged record of earlier launches was kept as {kept}; it is made anew of this grid alone", file=sys.stderr)
    print(store.write_grid(launch.expanded.trainings))
    for training, _ in launch.found.damaged:
        if moved := store.set_aside(training):
            print(f"the damaged result was kept as {moved}", file=sys.stderr)
    for training in launch.found.stored:
        node.tidy(store, training)


def _write_again(launch: _Launch) -> None:
    """Write down once more what another launch, which began at the same moment, may have replaced by its own."""
    launch.config.store.write_grid(launch.expanded.trainings)
    folder.keep_config(launch.config)


def _cluster(args: argparse.Namespace, config: LaunchConfig) -> str:
    """Decide where the trainings are carried out."""
    has_slurm = programs.is_there()
    if args.dry_run and args.cluster == "auto":
        return "slurm"
    cluster = args.cluster if args.cluster != "auto" else ("slurm" if has_slurm else "local")
    if cluster == "local" and args.partition:
        why = "--cluster local trains on this machine" if args.cluster == "local" else "there is no sbatch on PATH"
        raise InputError(f"--partition needs Slurm, but {why}. Log in to a cluster, or use --cluster local without --partition.")
    if cluster == "local" and config.container.image is not None:
        raise InputError(
            "container.image (--container) is for Slurm, whose elements run in the image. Here, run the whole job in it, without"
            f" --container: apptainer run --nv {config.container.image} launch_training --cluster local ..."
        )
    if cluster == "slurm" and not has_slurm and not args.dry_run:
        raise InputError(
            "--cluster slurm needs Slurm, but there is no sbatch on PATH. Log in to a cluster, or use --cluster local to train on"
            " this machine."
        )
    return cluster


if __name__ == "__main__":
    command.main(parser(), main)
