"""Findings about a launch: what a site would refuse or do to it, its host, the image, the folder of the results and the GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rlhpc.cluster import checks, gpu_use, host, limits, policies, sharing
from rlhpc.cluster.checks import Request
from rlhpc.cluster.finding import Finding, Severity
from rlhpc.cluster.image import Image
from rlhpc.cluster.queue import count_own_jobs
from rlhpc.cluster.site import Site, max_submit_jobs
from rlhpc.errors import InputError, SlurmError
from rlhpc.launch import slurm
from rlhpc.launch.config import LaunchConfig
from rlhpc.records import Training


def findings(
    config: LaunchConfig, trainings: Sequence[Training], site: Site, request: Request, *, has_probe: bool
) -> list[Finding]:
    """Check everything, and say it all, the worst first.

    Parameters
    ----------
    config : LaunchConfig
    trainings : sequence of Training
        That it would submit.
    site : Site
    request : Request
        What that asks of the site.
    has_probe : bool
        Whether jobs of seconds may look around on nodes.
    """
    found = [*_findings(config, trainings, site, request, has_probe=has_probe)]
    return sorted(found, key=lambda each: list(Severity).index(each.severity))


def _findings(
    config: LaunchConfig, trainings: Sequence[Training], site: Site, request: Request, *, has_probe: bool
) -> Iterator[Finding]:
    yield from checks.unfit(site, request)
    max_submit = max_submit_jobs(site, config.slurm.option("account"))
    yield from limits.findings(site, request, max_submit, count_own_jobs() if max_submit is not None else 0)
    yield from policies.findings(site, request)
    here = host.read_host(config.store.root)
    yield from host.findings(here, request)
    container, of_image = _image(config, trainings)
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


def _image(config: LaunchConfig, trainings: Sequence[Training]) -> tuple[Image | None, Sequence[Finding]]:
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
