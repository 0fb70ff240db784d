# PYTHON_ARGCOMPLETE_OK
"""Say what this cluster will do to a launch before anything is submitted: what it refuses, what would go wrong, what to do.

examples:
  python jobs/check_cluster.py
      the default grid in the site's default partition
  python jobs/check_cluster.py --partition gpu --config configs/demo.yaml
      takes every key and file that jobs/launch_training.py takes
  python jobs/check_cluster.py --partition gpu --no-probe slurm.timeout_min=600

Reads Slurm's settings (scontrol, squeue), the file system of the results and the quota, and starts two jobs of seconds in
the partition: one looks whether its node sees the folder of the results, one has torch compute on a GPU, where GPUs are asked
for. What does not start within ten seconds is given up and told. Submits and keeps nothing else.

severities:
  refused   the launch cannot work: Slurm would refuse it, never start it, or every element would fail
  warning   it works, but something may get lost, or wait for you
  note      what you should know; nothing has to be done
  good      checked, and in order

--json prints one object:
  ok         true if nothing is refused
  cluster    {name, version}
  partitions names of the partitions that would be used
  plan       {n_trainings, n_elements, gpus_per_node, cpus_per_node, memory_gb, timeout_min, longest_hours, n_files, gigabytes};
             of an element: GPUs, cores, memory, time limit; of all: the longest element's estimate, files and their size
  findings   [{name, severity, what, remedy}], the worst first; name stays the same from version to version, remedy may be blank
  counts     {severity: number of findings}, every severity

exit codes: 0 nothing is refused, 1 something is, or Slurm does not answer, 2 the command line or configuration is wrong, or there
is no Slurm here
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rlhpc import command
from rlhpc.cluster import checks, gpu_use, host, limits, policies, programs, sharing
from rlhpc.cluster.checks import Request
from rlhpc.cluster.finding import Finding, Severity
from rlhpc.cluster.image import Image
from rlhpc.cluster.queue import count_own_jobs
from rlhpc.cluster.site import Site, max_submit_jobs, read_site
from rlhpc.errors import InputError, SlurmError
from rlhpc.launch import slurm
from rlhpc.launch.config import LaunchConfig, add_flags, read
from rlhpc.launch.expansion import expand
from rlhpc.records import Training
from rlhpc.results import ledger
from rlhpc.training.estimate import measured_hours
from rlhpc.words import count, duration

HEADINGS = {
    Severity.REFUSED: "refused:",
    Severity.WARNING: "warnings:",
    Severity.NOTE: "notes:",
    Severity.GOOD: "in order:",
}


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    add_flags(built)
    built.add_argument(
        "--no-probe", action="store_true", help="start no job that looks at the folder of the results and tries a GPU"
    )
    return built


def main(args: argparse.Namespace) -> int:
    """Check and report."""
    config = read(args)
    if not programs.is_there():
        raise InputError("There is no Slurm here: 'sbatch' is not on PATH. Log in to a cluster, or load its Slurm module.")
    site = _site()
    trainings, request = _request(config, site)
    found = list(_findings(config, site, request, _image(config, trainings), has_probe=not args.no_probe))
    found.sort(key=lambda each: list(Severity).index(each.severity))
    command.answer(args, _data(site, request, len(trainings), found), _text(site, request, len(trainings), found))
    return 1 if any(each.severity is Severity.REFUSED for each in found) else 0


def _site() -> Site:
    """Ask Slurm for its settings; say what to look at if it does not answer."""
    try:
        return read_site()
    except SlurmError as error:
        conf = os.environ.get("SLURM_CONF")
        set_to = f"it is '{conf}'" if conf else "it is not set"
        raise SlurmError(
            f"{error}\nSlurm's programs are here, and no cluster answers. Is SLURM_CONF right ({set_to})? Is the controller up"
            " (scontrol ping)? To try launches without a cluster, `make cluster` starts a small one on this machine."
        ) from error


def _request(config: LaunchConfig, site: Site) -> tuple[Sequence[Training], Request]:
    """Return what is not stored yet, or all if all is stored, and what its launch would ask, the queue's limits apart."""
    expanded = expand(config)
    found = ledger.check(config.store, expanded.trainings)
    trainings, hours = found.to_train or expanded.trainings, measured_hours(config.store, found, config.planned_device)
    planned = slurm.plan(trainings, config, hours, dataclasses.replace(site, config={}))
    return trainings, slurm.request(planned, config, hours)


_Looked = tuple[Image | None, Sequence[Finding]]  # at the image that trainings are to run in, if any


def _findings(config: LaunchConfig, site: Site, request: Request, looked: _Looked, *, has_probe: bool) -> Iterator[Finding]:
    """Check everything else, and say it all."""
    yield from checks.unfit(site, request)
    max_submit = max_submit_jobs(site, config.slurm.option("account"))
    yield from limits.findings(site, request, max_submit, count_own_jobs() if max_submit is not None else 0)
    yield from policies.findings(site, request)
    here = host.read_host(config.store.root)
    yield from host.findings(here, request)
    container, of_image = looked
    yield from of_image
    lacks_cuda = [*_torch_faults(config)]
    yield from lacks_cuda
    startable = [each for each in checks.named_partitions(site, request) if each.is_up]
    if not has_probe or not startable:
        return
    seen = [*_seen(config, site, container)] if not here.fault else []
    yield from seen
    if any(each.severity is Severity.REFUSED for each in seen):
        return
    is_known = config.container.image is None or container is not None  # what trainings would run in
    if config.planned_device == "cuda" and is_known and not lacks_cuda and not checks.unfit(site, request):
        yield _gpu_use(config, container)


def _image(config: LaunchConfig, trainings: Sequence[Training]) -> _Looked:
    """Look at the image that trainings are to run in, from inside."""
    try:
        found, doubt = slurm.look_at_image(trainings, config, ())
    except InputError as error:
        return None, [Finding("image", Severity.REFUSED, f"{fault[0].upper()}{fault[1:]}") for fault in error.faults]
    if found is None:
        return None, []
    if doubt:
        return found, [Finding("image", Severity.WARNING, f"{doubt}.", "Build it anew if that is not what you want.")]
    return found, [Finding("image", Severity.GOOD, f"The image '{found.path}' runs here, and holds this rlhpc.")]


def _seen(config: LaunchConfig, site: Site, container: Image | None) -> Iterator[Finding]:
    """Ask a node whether it sees what it has to."""
    root, partition = config.store.root, config.slurm.partition
    if sharing.is_this_host(site, partition):
        yield Finding("shared_folder", Severity.GOOD, "This machine is the only node: it sees what you see.")
        return
    there = host.nearest_folder(root)
    try:
        seen = sharing.look(there, partition, config.slurm.sbatch_options, slurm.to_try(config, container))
    except SlurmError as error:
        what = f"Whether the nodes see '{root}' was not found out: {error}"
        yield Finding("shared_folder", Severity.WARNING, what, "Check again when the partition has a free node.")
        return
    faults = list(seen.faults())
    yield from (Finding("shared_folder", Severity.REFUSED, *_halves(fault)) for fault in faults)
    if not faults:
        runs = ", and runs the image" if seen.image else ""
        yield Finding(
            "shared_folder", Severity.GOOD, f"The node {seen.node} sees the folder '{there}' and the Python that runs this{runs}."
        )


def _torch_faults(config: LaunchConfig) -> Iterator[Finding]:
    """Yield that the torch here can never use a GPU, if that is so."""
    try:
        slurm.refuse_torch(config)
    except InputError as error:
        yield from (Finding("torch", Severity.REFUSED, *_halves(fault[0].upper() + fault[1:])) for fault in error.faults)


def _gpu_use(config: LaunchConfig, container: Image | None) -> Finding:
    """Have torch use a GPU of a node."""
    if config.slurm.setup:
        what = "Whether torch can use the nodes' GPUs was not tried: slurm.setup may load what it needs."
        return Finding("gpu_use", Severity.NOTE, what)
    try:
        tried = gpu_use.try_gpu(config.slurm.partition, config.slurm.sbatch_options, container)
    except SlurmError as error:
        what = f"Whether torch can use the nodes' GPUs was not found out: {error}"
        return Finding("gpu_use", Severity.WARNING, what, "Check again when the partition has a free GPU.")
    if tried.fault:
        return Finding(
            "gpu_use",
            Severity.REFUSED,
            f"On the node {tried.node} torch cannot use a GPU: {tried.fault.rstrip('.')}.",
            "Install a torch that fits the driver and the GPUs there (nvidia-smi names both), leave the node out"
            " (slurm.options.exclude), or train on cores: packing.gpus_per_node=0.",
        )
    return Finding("gpu_use", Severity.GOOD, f"On the node {tried.node} torch computes on a GPU ({tried.gpu}).")


def _halves(fault: str) -> tuple[str, str]:
    """Divide what is wrong from what to do."""
    what, _, remedy = fault.partition(": ")
    return f"{what}.", f"{remedy[:1].upper()}{remedy[1:]}"


def _data(site: Site, request: Request, n_trainings: int, found: Sequence[Finding]) -> dict[str, Any]:
    """Put everything into words that JSON knows."""
    counts = Counter(each.severity for each in found)
    plan = {
        "n_trainings": n_trainings,
        **{
            name: getattr(request, name)
            for name in ("n_elements", "gpus_per_node", "cpus_per_node", "memory_gb", "timeout_min", "longest_hours", "n_files")
        },
        "gigabytes": request.gigabytes,
    }
    return {
        "ok": not counts[Severity.REFUSED],
        "cluster": {"name": site.config.get("ClusterName", ""), "version": site.config.get("SLURM_VERSION", "")},
        "partitions": [each.name for each in checks.named_partitions(site, request)],
        "plan": plan,
        "findings": [dataclasses.asdict(each) for each in found],
        "counts": {severity: counts[severity] for severity in Severity},
    }


def _text(site: Site, request: Request, n_trainings: int, found: Sequence[Finding]) -> str:
    """Say the same to a reader, the worst first."""
    default = site.partition(None)
    asked = request.partition or (default.name if default else "")
    where = f"partition {asked}" if asked else "no partition"
    gpus = f"{count(request.gpus_per_node, 'GPU')}, " if request.gpus_per_node else ""
    needs = (
        f"{gpus}{count(request.cpus_per_node, 'core')} and {request.memory_gb or 0:g} GB,"
        f" at most {duration(60 * request.timeout_min)}"
    )
    lines = [
        f"Cluster {site.config.get('ClusterName', '')} (Slurm {site.config.get('SLURM_VERSION', '')}), {where}",
        f"{count(n_trainings, 'training')} in {count(request.n_elements, 'element')} of {needs} each",
    ]
    for severity, heading in HEADINGS.items():
        of_it = [each for each in found if each.severity is severity]
        lines += ["", heading] if of_it else []
        for each in of_it:
            lines.append(f"  - {each.what}")
            lines += [f"    -> {each.remedy}"] if each.remedy else []
    refused = sum(each.severity is Severity.REFUSED for each in found)
    lines += [
        "",
        f"{refused} refused: mend that, and check again." if refused else "Nothing is refused: launch_training.py can submit.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    command.main(parser(), main)
