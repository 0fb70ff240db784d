"""What a site does to jobs that wait or run is foreseen."""

import pytest

from rlhpc.cluster import policies
from rlhpc.cluster.finding import Severity

PREEMPT = {"preempt/none": "preempt/partition_prio"}


def found(site, request):
    return {finding.name: finding for finding in policies.findings(site, request)}


@pytest.fixture
def preempting(make_site):
    """Build a site whose other partition has priority on the nodes of 'gpu', where jobs are preempted in some way."""

    def make(mode, grace=0, config=None):
        partitions = {"Nodes=n3 PriorityJobFactor=1 PriorityTier=1": "Nodes=n[1-3] PriorityJobFactor=1 PriorityTier=9"}
        partitions |= {"PreemptMode=OFF": f"PreemptMode={mode}", "GraceTime=0": f"GraceTime={grace}"}
        return make_site(PREEMPT | (config or {}), partitions, {"Partitions=gpu": "Partitions=gpu,cpu"})

    return make


def test_a_good_site_has_only_good_findings_but_for_accounts(make_site, request_of):
    assert [name for name, each in found(make_site(), request_of()).items() if each.severity is not Severity.GOOD] == [
        "accounting"
    ]


def test_a_site_that_requeues_only_when_asked_is_named(make_site, request_of):
    assert (
        "JobRequeue=0"
        in found(make_site(config={"JobRequeue              = 1": "JobRequeue = 0"}), request_of())["job_requeue"].what
    )


@pytest.mark.parametrize(("codes", "is_told"), [("1", True), ("0-3", True), ("7,1-2", True), ("2-9", False), ("(null)", False)])
def test_exit_codes_that_bring_a_failed_element_back_are_told(make_site, request_of, codes, is_told):
    site = make_site(config={"RequeueExit             = (null)": f"RequeueExit = {codes}"})
    assert ("requeue_exit" in found(site, request_of())) == is_told


def test_without_a_partition_of_priority_nothing_is_preempted(make_site, request_of):
    site = make_site(PREEMPT, {"PreemptMode=OFF": "PreemptMode=CANCEL"})
    assert "No partition has priority over 'gpu'" in found(site, request_of())["preemption"].what


def test_cancelled_elements_do_not_come_back(preempting, request_of):
    finding = found(preempting("CANCEL"), request_of())["preempt_mode"]
    assert finding.severity is Severity.WARNING
    assert "whatever --requeue says" in finding.what
    assert "at most 10 minutes of each training" in finding.remedy


def test_suspended_elements_keep_their_gpu(preempting, request_of):
    assert "suspended" in found(preempting("GANG,SUSPEND"), request_of())["preempt_mode"].what


def test_requeued_elements_continue(preempting, request_of):
    site = preempting("REQUEUE")
    assert found(site, request_of())["preempt_mode"].severity is Severity.GOOD
    assert "preempt_signal" not in found(site, request_of())


def test_a_grace_time_without_our_signal_is_waited_for(preempting, request_of):
    assert "waits to be killed" in found(preempting("REQUEUE", 60), request_of())["preempt_signal"].what
    assert found(preempting("REQUEUE", 60), request_of())["preempt_signal"].severity is Severity.NOTE
    assert found(preempting("REQUEUE", 1200), request_of())["preempt_signal"].severity is Severity.WARNING
    signalled = {"SlurmctldParameters     = (null)": "SlurmctldParameters = preempt_send_user_signal"}
    assert "preempt_signal" not in found(preempting("REQUEUE", 60, signalled), request_of())


def test_a_short_time_to_save_is_told(make_site, request_of):
    assert "5 seconds after SIGTERM" in found(make_site(config={"= 30 sec": "= 5 sec"}), request_of())["kill_wait"].what


@pytest.mark.parametrize("kind", ["linuxproc", "pgid"])
def test_signals_that_reach_what_mounts_an_image_are_told(make_site, request_of, kind):
    site = make_site(config={"proctrack/cgroup": f"proctrack/{kind}"})
    assert kind in found(site, request_of(has_image=True))["proctrack"].what
    assert "proctrack" not in found(site, request_of())
    assert "proctrack" not in found(make_site(), request_of(has_image=True))


def test_accounts_are_told(make_site, request_of):
    site = make_site(config={"accounting_storage/none": "accounting_storage/slurmdbd"})
    assert found(site, request_of())["accounting"].severity is Severity.GOOD
    assert found(make_site(), request_of())["accounting"].severity is Severity.NOTE


def test_a_server_outside_is_a_note(make_site, request_of):
    assert "internet" not in found(make_site(), request_of())
    assert "wandb.mode=offline" in found(make_site(), request_of(needs_internet=True))["internet"].remedy
