"""What a throw-away Slurm cluster consists of, and the text of every file that its programs read."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PARTITIONS = {"gpu": "Nodes=ALL Default=YES MaxTime=INFINITE State=UP", "cpu": "Nodes=ALL MaxTime=INFINITE State=UP"}
ADDRESS = "127.0.0.1"
CLUSTER_NAME = "box"
DATABASE = "slurm_acct_db"
# Where nothing is accounted: enough of sacct for what asks it for JobID, State and NodeList.
SACCT = """\
#!/bin/sh
# Stands in for sacct, which says nothing without a database: every job is answered, whatever was asked for.
echo 'JobID|State|NodeList'
exec squeue -h -a -r -t all -o '%i|%T|%N'
"""


@dataclass(frozen=True)
class Settings:
    """What a cluster consists of.

    Attributes
    ----------
    n_nodes : int
        Nodes; they are named n1, n2, ...
    gpus_per_node, cpus, memory_mb : int
        What each node claims to have; the machine need not have it. The GPUs are names that lead to /dev/null.
    partitions : mapping of str to str
        Name -> its parameters in slurm.conf, laid over `PARTITIONS`; an empty text takes a partition away.
    features : mapping of str to str
        Node -> its features, separated by commas.
    conf : mapping of str to str or int
        Key -> value in slurm.conf, laid over the defaults; an empty text takes a key away.
    lines : tuple of str
        More lines of slurm.conf.
    hidden : mapping of str to str
        Node -> a folder that it does not share: in the mounts of its own, an empty one lies over it.
    accounting : bool
        Whether slurmdbd and a database account for every job.
    sacct : bool
        Whether, without accounting, a stand-in answers in the place of `sacct`, which then fails.
    """

    n_nodes: int = 2
    gpus_per_node: int = 2
    cpus: int = 24
    memory_mb: int = 98_304
    partitions: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)
    conf: Mapping[str, str | int] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)
    accounting: bool = False
    sacct: bool = True

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of all nodes."""
        return tuple(f"n{number}" for number in range(1, self.n_nodes + 1))


@dataclass(frozen=True)
class Paths:
    """Where everything of a cluster lies: in one folder.

    Attributes
    ----------
    folder : Path
        At most 64 characters long: slurmstepd's socket lies in it, and a job whose socket cannot be named vanishes.
    """

    folder: Path

    @property
    def slurm_conf(self) -> Path:
        """What SLURM_CONF names."""
        return self.folder / "slurm.conf"

    @property
    def record(self) -> Path:
        """The settings and ports."""
        return self.folder / "cluster.json"

    @property
    def pids(self) -> Path:
        """One file a daemon: its process."""
        return self.folder / "pids"

    @property
    def logs(self) -> Path:
        """One file a daemon: what it says."""
        return self.folder / "log"

    @property
    def programs(self) -> Path:
        """What comes first on the PATH."""
        return self.folder / "bin"

    @property
    def state(self) -> Path:
        """What slurmctld keeps."""
        return self.folder / "state"

    @property
    def database(self) -> Path:
        """What mariadbd keeps."""
        return self.folder / "db"

    @property
    def database_socket(self) -> Path:
        """Where mariadbd answers."""
        return self.folder / "db.socket"

    @property
    def munge_socket(self) -> Path:
        """Where munged answers."""
        return self.folder / "munge.socket"

    @property
    def munge_key(self) -> Path:
        """The key with which munged signs."""
        return self.folder / "munge.key"

    def spool(self, node: str) -> Path:
        """What the slurmd of a node keeps."""
        return self.folder / "spool" / node

    def gpu(self, node: str, index: int) -> Path:
        """The device of a GPU."""
        return self.folder / "dev" / node / f"nvidia{index}"


def slurm_conf(settings: Settings, paths: Paths, ports: Mapping[str, int], user: str) -> str:
    """Write slurm.conf.

    Parameters
    ----------
    settings : Settings
    paths : Paths
    ports : mapping of str to int
        Of "slurmctld", "slurmdbd" and every node.
    user : str
        Who runs everything.

    Returns
    -------
    str
    """
    host = socket.gethostname().partition(".")[0]
    values = _defaults(paths, ports, user, host) | (_accounting(paths, ports) if settings.accounting else {}) | {**settings.conf}
    nodes = [
        f"NodeName={node} NodeHostname={host} NodeAddr={ADDRESS} Port={ports[node]} CPUs={settings.cpus} "
        f"RealMemory={settings.memory_mb} State=UNKNOWN"
        + (f" Gres=gpu:{settings.gpus_per_node}" if settings.gpus_per_node else "")
        + (f" Feature={settings.features[node]}" if settings.features.get(node) else "")
        for node in settings.nodes
    ]
    partitions = [f"PartitionName={name} {text}" for name, text in (PARTITIONS | {**settings.partitions}).items() if text]
    return _lines([*_assigned(values), *settings.lines, *nodes, *partitions])


def _defaults(paths: Paths, ports: Mapping[str, int], user: str, host: str) -> dict[str, str]:
    return {
        "ClusterName": CLUSTER_NAME,
        "SlurmctldHost": f"{host}({ADDRESS})",
        "SlurmctldPort": str(ports["slurmctld"]),
        "SlurmUser": user,
        "SlurmdUser": user,
        "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",  # nobody outside this machine can reach it
        "AuthType": "auth/munge",
        "CredType": "cred/munge",
        # A requeued job waits as long as its credential lives: 120 s unless told, and 5 s at least.
        "AuthInfo": f"socket={paths.munge_socket},cred_expire=5",
        "StateSaveLocation": str(paths.state),
        "SlurmdSpoolDir": str(paths.spool("%n")),
        "SlurmctldPidFile": str(paths.folder / "slurmctld.pid"),
        "SlurmdPidFile": str(paths.folder / "slurmd-%n.pid"),
        "SlurmctldLogFile": str(paths.logs / "slurmctld"),
        "SlurmdLogFile": str(paths.logs / "%n"),
        "SlurmdParameters": "config_overrides",  # nodes claim what the machine may not have
        "ProctrackType": "proctrack/linuxproc",  # no cgroups needed
        "TaskPlugin": "task/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "GresTypes": "gpu",
        "MpiDefault": "none",
        "SwitchType": "switch/none",
        "SchedulerType": "sched/backfill",
        "SchedulerParameters": "bf_interval=1,sched_interval=1,batch_sched_delay=0",  # a requeued job would wait for a minute
        "ReturnToService": "2",  # a node that comes back is used again
        "SlurmdTimeout": "60",
        "MinJobAge": "86400",  # ended jobs stay in squeue
        "KillWait": "5",
    }


def _accounting(paths: Paths, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": ADDRESS,
        "AccountingStoragePort": str(ports["slurmdbd"]),
        "AccountingStoragePass": str(paths.munge_socket),  # AuthInfo does not count here
        "AccountingStorageTRES": "gres/gpu",
        "JobAcctGatherFrequency": "0",
    }


def gres_conf(settings: Settings, paths: Paths) -> str:
    """Write gres.conf: the devices of all GPUs."""
    last = settings.gpus_per_node - 1
    return _lines(
        f"NodeName={node} Name=gpu File={paths.gpu(node, 0).parent}/nvidia[0-{last}]" for node in settings.nodes if last >= 0
    )


def slurmdbd_conf(paths: Paths, port: int, user: str) -> str:
    """Write slurmdbd.conf; the socket of its database comes by MYSQL_UNIX_PORT."""
    return _lines(
        _assigned(
            {
                "DbdHost": "localhost",
                "DbdAddr": ADDRESS,
                "DbdPort": str(port),
                "SlurmUser": user,
                "AuthType": "auth/munge",
                "AuthInfo": f"socket={paths.munge_socket}",
                "CommunicationParameters": "NoCtldInAddrAny",
                "StorageType": "accounting_storage/mysql",
                "StorageHost": "localhost",
                "StorageUser": user,
                "StorageLoc": DATABASE,
                "LogFile": str(paths.logs / "slurmdbd"),
                "PidFile": str(paths.folder / "slurmdbd.pid"),
            }
        )
    )


def _assigned(values: Mapping[str, str | int]) -> list[str]:
    return [f"{key}={value}" for key, value in values.items() if value != ""]


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
