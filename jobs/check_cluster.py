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
             of an element: GPUs, cores, memory (null: as slurm.options say), time limit; of all: the longest element's estimate,
             files and their size
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
from collections.abc import Mapping, Sequence
from typing import Any

from rlhpc import command
from rlhpc.cluster import array, checks, programs
from rlhpc.cluster.array import Demand
from rlhpc.cluster.checks import Request
from rlhpc.cluster.finding import Finding, Severity
from rlhpc.cluster.site import Site, read_site
from rlhpc.errors import InputError, SlurmError
from rlhpc.launch import slurm
from rlhpc.launch.config import LaunchConfig, add_flags, read
from rlhpc.launch.expansion import expand
from rlhpc.launch.site_findings import findings
from rlhpc.launch.text import share
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
    trainings, needs, request = _request(config, site)
    found = findings(config, trainings, site, request, has_probe=not args.no_probe)
    plan = _plan(trainings, needs, request)
    command.answer(args, _data(site, request, plan, found), _text(site, request, plan, found))
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


def _request(config: LaunchConfig, site: Site) -> tuple[Sequence[Training], Demand, Request]:
    """Return what is not stored yet, or all if all is stored, and what its launch would ask, the queue's limits apart.

    Of each element, and of the site.
    """
    expanded = expand(config)
    found = ledger.check(config.store, expanded.trainings)
    trainings, hours = found.to_train or expanded.trainings, measured_hours(config.store, found, config.planned_device)
    planned = slurm.plan(trainings, config, hours, dataclasses.replace(site, config={}))
    return trainings, planned.needs, slurm.request(planned, config, hours)


def _plan(trainings: Sequence[Training], needs: Demand, request: Request) -> dict[str, Any]:
    """Put what would be submitted into words that JSON knows."""
    element = array.described(needs)
    return {
        "n_trainings": len(trainings),
        "n_elements": request.n_elements,
        "gpus_per_node": request.gpus_per_node,
        "cpus_per_node": element["cpus"],
        "memory_gb": element["memory_gb"],
        "timeout_min": request.timeout_min,
        "longest_hours": request.longest_hours,
        "n_files": request.n_files,
        "gigabytes": request.gigabytes,
    }


def _data(site: Site, request: Request, plan: Mapping[str, Any], found: Sequence[Finding]) -> dict[str, Any]:
    """Put everything into words that JSON knows."""
    counts = Counter(each.severity for each in found)
    return {
        "ok": not counts[Severity.REFUSED],
        "cluster": {"name": site.config.get("ClusterName", ""), "version": site.config.get("SLURM_VERSION", "")},
        "partitions": [each.name for each in checks.named_partitions(site, request)],
        "plan": plan,
        "findings": [dataclasses.asdict(each) for each in found],
        "counts": {severity: counts[severity] for severity in Severity},
    }


def _text(site: Site, request: Request, plan: Mapping[str, Any], found: Sequence[Finding]) -> str:
    """Say the same to a reader, the worst first."""
    default = site.partition(None)
    asked = request.partition or (default.name if default else "")
    where = f"partition {asked}" if asked else "no partition"
    gpus = f"{count(request.gpus_per_node, 'GPU')}, " if request.gpus_per_node else ""
    needs = f"{gpus}{share(plan['cpus_per_node'], plan['memory_gb'])}, at most {duration(60 * request.timeout_min)}"
    lines = [
        f"Cluster {site.config.get('ClusterName', '')} (Slurm {site.config.get('SLURM_VERSION', '')}), {where}",
        f"{count(plan['n_trainings'], 'training')} in {count(request.n_elements, 'element')} of {needs} each",
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
