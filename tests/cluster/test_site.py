"""What a real Slurm answers is read as it is."""

import pytest

from rlhpc.cluster import site as sites
from rlhpc.cluster.site import Gres, max_submit_jobs, parse_gres, parse_max_submit_jobs
from rlhpc.errors import SlurmError


def test_settings_are_read(make_site):
    site = make_site()
    assert site.config["KillWait"] == "30 sec"
    assert site.config["AuthInfo"] == "socket=/run/munge.socket,cred_expire=5"
    assert site.config["PowerPlugin"] == ""
    assert (site.max_array_size, site.max_job_count, site.has_accounting) == (1001, 10_000, False)
    assert make_site(config={"accounting_storage/none": "accounting_storage/slurmdbd"}).has_accounting


def test_partitions_are_read(make_site):
    site = make_site()
    assert [(each.name, each.is_default, each.is_up, each.max_minutes) for each in site.partitions] == [
        ("gpu", True, True, 2880),
        ("cpu", False, True, None),
    ]
    assert site.partition(None) == site.partition("gpu")
    assert site.partition("none") is None


def test_nodes_are_read(make_site):
    site = make_site()
    assert [node.name for node in site.nodes_of("gpu")] == ["n1", "n2"]
    first, *_, last = site.nodes
    assert (first.count("gpu"), first.n_cpus, first.memory_mb, first.is_usable) == (2, 24, 98_304, True)
    assert (first.count("gpu"), first.count("gpu", "a100"), first.count("gpu", "h100")) == (2, 2, 0)
    assert (last.count("gpu"), last.gres) == (0, ())


def test_what_the_system_keeps_of_a_node_is_not_counted(make_site):
    (node, *_) = make_site(nodes={"CPUEfctv=24": "CPUEfctv=22", " FreeMem": " MemSpecLimit=2048 FreeMem"}).nodes
    assert (node.n_cpus, node.memory_mb) == (22, 98_304 - 2048)


@pytest.mark.parametrize(
    ("state", "is_usable"),
    [
        ("IDLE", True),
        ("MIXED+PLANNED", True),
        ("ALLOCATED", True),
        ("IDLE+CLOUD+POWERED_DOWN", True),  # is started when a job needs it
        ("IDLE+POWERING_DOWN", True),
        ("RESERVED", True),
        ("DOWN", False),
        ("DOWN*", False),
        ("IDLE*", False),
        ("IDLE+DRAIN", False),
        ("MIXED+DRAIN", False),
        ("DOWN+DRAIN+INVALID_REG", False),
        ("IDLE+FAIL", False),
        ("IDLE+NOT_RESPONDING", False),
        ("UNKNOWN*", False),
    ],
)
def test_a_node_is_usable_if_it_takes_jobs(make_site, state, is_usable):
    node = make_site(nodes={"State=IDLE": f"State={state}", "AveWatts=0": "AveWatts=0 Reason=bad gpu [root@2026-11-25]"}).nodes[0]
    assert (node.is_usable, node.state, node.reason) == (is_usable, state, "bad gpu [root@2026-11-25]")


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("(null)", []),
        ("", []),
        ("gpu", [Gres("gpu", "", 1)]),
        ("gpu:2", [Gres("gpu", "", 2)]),
        ("gpu:a100", [Gres("gpu", "a100", 1)]),
        ("gpu:a100:4(S:0-1)", [Gres("gpu", "a100", 4)]),
        ("gpu:tesla:2(S:0),gpu:kepler:1(S:1)", [Gres("gpu", "tesla", 2), Gres("gpu", "kepler", 1)]),
        ("gpu:1g.10gb:7", [Gres("gpu", "1g.10gb", 7)]),  # a seventh of an A100
        ("gpu:2,disk:no_consume:4K", [Gres("gpu", "", 2), Gres("disk", "", 4096)]),
        ("vgpu:3", [Gres("vgpu", "", 3)]),
    ],
)
def test_generic_resources_are_read(spelled, expected):
    assert list(parse_gres(spelled)) == expected


ASSOCIATION = (
    "ClusterName=box Account={account} UserName={user} Partition= Priority=0 ID=2 ParentAccount= Lft=2 DefAssoc={default}"
    " GrpJobs=N(0) GrpJobsAccrue=N(0) GrpSubmitJobs={group} GrpWall=N(0.00) GrpTRES=cpu=N(0),mem=N(0) MaxJobs=0(0)"
    " MaxJobsAccrue=0(0) MaxSubmitJobs={most} MaxWallPJ=0 MaxTRESPJ= MinPrioThresh=0\n"
)
ASSOCIATIONS = "Current Association Manager state\nAssociation Records\n"
ASSOCIATIONS += ASSOCIATION.format(account="lab", user="ada(7)", default="Yes", group="50(2)", most="100(2)")
ASSOCIATIONS += ASSOCIATION.format(account="big", user="ada(7)", default="No", group="N(0)", most="900(0)")
ASSOCIATIONS += ASSOCIATION.format(account="free", user="ada(7)", default="No", group="N(0)", most="N(0)")
ASSOCIATIONS += ASSOCIATION.format(account="lab", user="", default="No", group="1(0)", most="")


@pytest.mark.parametrize(("account", "limit"), [(None, 50), ("lab", 50), ("big", 900), ("free", None), ("none", None)])
def test_the_least_limit_of_an_account_counts(account, limit):
    assert parse_max_submit_jobs(ASSOCIATIONS, account) == limit


def test_limits_that_are_not_told_are_none(make_site, monkeypatch):
    def refuse(*_):
        raise SlurmError("Access denied")

    monkeypatch.setattr(sites, "ask", refuse)
    assert max_submit_jobs(make_site()) is None
    assert max_submit_jobs(make_site(config={"AuthInfo ": "AccountingStorageEnforce = associations,limits\nAuthInfo "})) is None
