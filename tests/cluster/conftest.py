"""A site as a real Slurm 22.05.8 describes it (shortened), which tests change a word at a time."""

import dataclasses

import pytest

from rlhpc.cluster.checks import Request
from rlhpc.cluster.site import Site, parse_config, parse_nodes, parse_partitions

CONFIG = """\
Configuration data as of 2026-11-25T02:45:47
AccountingStorageType   = accounting_storage/none
AuthInfo                = socket=/run/munge.socket,cred_expire=5
ClusterName             = box
DefMemPerNode           = UNLIMITED
JobRequeue              = 1
KillWait                = 30 sec
MaxArraySize            = 1001
MaxJobCount             = 10000
PowerPlugin             = 
PreemptMode             = OFF
PreemptType             = preempt/none
ProctrackType           = proctrack/cgroup
RequeueExit             = (null)
SelectType              = select/cons_tres
SelectTypeParameters    = CR_CORE_MEMORY
SLURM_VERSION           = 22.05.8
SlurmctldParameters     = (null)

Slurmctld(primary) at vm is UP
"""  # noqa: W291  # as it is
PARTITION = (
    "PartitionName={name} AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL Default={default} QoS=N/A"
    " DefaultTime=NONE DisableRootJobs=NO ExclusiveUser=NO GraceTime=0 Hidden=NO MaxNodes=UNLIMITED MaxTime={time} MinNodes=0"
    " LLN=NO MaxCPUsPerNode=UNLIMITED Nodes={nodes} PriorityJobFactor=1 PriorityTier=1 RootOnly=NO ReqResv=NO OverSubscribe=NO"
    " OverTimeLimit=NONE PreemptMode=OFF State=UP TotalCPUs=48 TotalNodes=2 SelectTypeParameters=NONE JobDefaults=(null)"
    " DefMemPerNode=UNLIMITED MaxMemPerNode=UNLIMITED TRES=cpu=48,mem=192G,node=2,billing=48\n"
)
NODE = (
    "NodeName={name} Arch=x86_64 CoresPerSocket=1  CPUAlloc=0 CPUEfctv=24 CPUTot=24 CPULoad=1.78 AvailableFeatures=(null)"
    " ActiveFeatures=(null) Gres={gres} NodeAddr=127.0.0.1 NodeHostName=vm Port=30167 Version=22.05.8 OS=Linux 6.1.0 #1 SMP"
    " PREEMPT_DYNAMIC @0  RealMemory=98304 AllocMem=0 FreeMem=21230 Sockets=24 Boards=1 State=IDLE ThreadsPerCore=1 TmpDisk=0"
    " Weight=1 Owner=N/A MCS_label=N/A Partitions={partitions}  BootTime=2026-11-25T02:27:38 CfgTRES=cpu=24,mem=96G,billing=24"
    " AllocTRES= CapWatts=n/a CurrentWatts=0 AveWatts=0\n"
)
PARTITIONS = PARTITION.format(name="gpu", default="YES", time="2-00:00:00", nodes="n[1-2]")
PARTITIONS += PARTITION.format(name="cpu", default="NO", time="UNLIMITED", nodes="n3")
NODES = "".join(NODE.format(name=name, gres="gpu:a100:2(S:0-1)", partitions="gpu") for name in ("n1", "n2"))
NODES += NODE.format(name="n3", gres="(null)", partitions="cpu")


def changed(text, changes):
    """Replace words of a text, each of which must be there."""
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture
def make_site():
    """Build the site, with words of its three answers replaced."""

    def make(config=None, partitions=None, nodes=None):
        return Site(
            parse_config(changed(CONFIG, config or {})),
            tuple(parse_partitions(changed(PARTITIONS, partitions or {}))),
            tuple(parse_nodes(changed(NODES, nodes or {}))),
        )

    return make


@pytest.fixture
def request_of():
    """Build a request that the site can meet, with some of it changed."""
    fits = Request(
        partition="gpu",
        n_elements=32,
        gpus_per_node=2,
        cpus_per_node=24,
        memory_gb=96.0,
        timeout_min=1440,
        checkpoint_minutes=10.0,
        signal_seconds=90.0,
        longest_hours=20.0,
        n_files=10_000,
        gigabytes=20.0,
    )
    return lambda **changes: dataclasses.replace(fits, **changes)
