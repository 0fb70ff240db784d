"""What the limits of a site mean for a launch."""

import pytest

from rlhpc.cluster import limits
from rlhpc.cluster.finding import Severity


def found(site, request, **facts):
    return {finding.name: finding for finding in limits.findings(site, request, **facts)}


def test_a_good_site_has_only_good_findings(make_site, request_of):
    site = make_site(nodes={"gpu:a100:2": "gpu:a100:4"})
    assert {each.severity for each in found(site, request_of(), max_submit=100).values()} == {Severity.GOOD}


def test_an_array_that_is_too_large_is_divided(make_site, request_of):
    finding = found(make_site(config={"= 1001": "= 11"}), request_of())["max_array_size"]
    assert finding.severity is Severity.NOTE
    assert "The launch submits 3 arrays" in finding.remedy


def test_more_elements_than_the_whole_queue_holds_are_refused(make_site, request_of):
    finding = found(make_site(config={"= 10000": "= 20"}), request_of())["max_job_count"]
    assert finding.severity is Severity.REFUSED
    assert "--max-nodes 10" in finding.remedy


@pytest.mark.parametrize(
    ("max_submit", "n_queued", "severity"),
    [(32, 0, Severity.GOOD), (32, 1, Severity.NOTE), (32, 32, Severity.REFUSED), (10, 0, Severity.NOTE)],
)
def test_the_limit_of_a_user_counts_what_is_there(make_site, request_of, max_submit, n_queued, severity):
    assert found(make_site(), request_of(), max_submit=max_submit, n_queued=n_queued)["max_submit_jobs"].severity is severity
    assert "max_submit_jobs" not in found(make_site(), request_of())


@pytest.mark.parametrize(
    ("hours", "said"), [(25.0, "continued 1 time."), (48.0, "continued 1 time."), (49.0, "continued 2 times.")]
)
def test_how_often_the_time_limit_is_reached_is_told(make_site, request_of, hours, said):
    finding = found(make_site(), request_of(longest_hours=hours))["time_limit_reached"]
    assert (finding.severity, finding.remedy) == (
        Severity.NOTE,
        "A longer slurm.timeout_min is possible (limit of 'gpu': 48 hours).",
    )
    assert said in finding.what
    assert found(make_site(), request_of(longest_hours=hours, timeout_min=2880))["time_limit_reached"].remedy == ""


def test_nodes_that_are_down_are_named(make_site, request_of):
    one = make_site(nodes={"NodeName=n1 ": "NodeName=n1 Reason=Xid=79 State=DOWN Weight=9\nNodeName=n5 "})
    assert found(one, request_of())["nodes"].severity is Severity.GOOD  # it has no GPUs: it does not count
    finding = found(make_site(nodes={"State=IDLE": "State=IDLE+DRAIN Reason=broken"}), request_of())["nodes_down"]
    assert finding.severity is Severity.WARNING
    assert "0 of 2 nodes of 'gpu' that fit an element are up (2 a100 GPU); down: n1 IDLE+DRAIN (broken), n2" in finding.what


def test_gpus_that_stay_idle_are_told(make_site, request_of):
    alone = {"OverSubscribe=NO": "OverSubscribe=EXCLUSIVE"}
    assert found(make_site(partitions=alone), request_of(gpus_per_node=1))["whole_nodes"].remedy.endswith("--gpus-per-node 2.")
    assert "whole_nodes" not in found(make_site(partitions=alone), request_of())
    assert "whole_nodes" not in found(make_site(), request_of(gpus_per_node=1))


def test_memory_that_is_not_shared_out_is_told(make_site, request_of):
    assert "CR_CORE)" in found(make_site(config={"CR_CORE_MEMORY": "CR_CORE"}), request_of())["memory"].what
    assert "memory" not in found(make_site(), request_of())


def test_hyper_threads_are_told(make_site, request_of):
    site = make_site(nodes={"ThreadsPerCore=1": "ThreadsPerCore=2"})
    assert "24 of them are 12 cores" in found(site, request_of())["hyper_threads"].what


def test_for_whom_a_partition_is_is_told(make_site, request_of):
    site = make_site(partitions={"AllowAccounts=ALL": "AllowAccounts=rl,ml", "ReqResv=NO": "ReqResv=YES"})
    assert "AllowAccounts=rl,ml" in found(site, request_of())["allow_account"].what
    assert found(site, request_of())["reservation"].severity is Severity.REFUSED
    named = found(site, request_of(has_options=frozenset({"account", "reservation"})))
    assert not {"allow_account", "reservation"} & named.keys()
