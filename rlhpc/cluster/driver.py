"""The driver: a job that submits others, which are to be where it is and have what it has."""

from __future__ import annotations

from rlhpc.cluster.programs import ask, fields, lines

# Option of sbatch -> what `scontrol show job` calls it. How many nodes, tasks and CPUs a job has is its script's to say.
_NAMES = {
    "partition": "Partition",
    "account": "Account",
    "qos": "QOS",
    "reservation": "Reservation",
    "time": "TimeLimit",
    "mem": "MinMemoryNode",
    "mem-per-cpu": "MinMemoryCPU",
    "constraint": "Features",
    "nodelist": "ReqNodeList",
    "exclude": "ExcNodeList",
}
_NOT_SET = {"", "(null)", "0", "Partition_Limit"}
_HEAD, _FREE_TEXT = "JobId=", "Command="  # the line of the job's name; the first of those that a user's words may fill


def read_options(job_id: str) -> tuple[str, ...]:
    """Ask Slurm for the options that a job was given, and that hold for what it submits.

    Raises
    ------
    SlurmError
    """
    return parse_options(ask("scontrol", "show", "job", job_id))


def parse_options(text: str) -> tuple[str, ...]:
    """Read ``scontrol show job``, spelled as for sbatch: ``--partition=cpu``.

    It is read line by line: a name or a comment may hold ``Account=x``, and on one line nothing tells it from the account.
    """
    found: dict[str, str] = {}
    for line in lines(text):
        if line.lstrip().startswith(_FREE_TEXT):
            break
        if not line.startswith(_HEAD):
            found |= fields(line)
    return tuple(f"--{option}={found[name]}" for option, name in _NAMES.items() if found.get(name, "") not in _NOT_SET)
