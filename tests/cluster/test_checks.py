"""What cannot work is refused before anything is submitted, all at once, each with what to do; what can work is not."""

import pytest

from rlhpc.cluster.checks import refusals, unfit


def names(site, request):
    return [finding.name for finding in unfit(site, request)]


def test_what_fits_is_not_refused(make_site, request_of):
    assert refusals(make_site(), request_of()) == []
    assert refusals(make_site(), request_of(partition=None)) == []
    assert refusals(make_site(), request_of(gres="gpu:a100:2")) == []
    assert refusals(make_site(), request_of(partition="cpu", gpus_per_node=0)) == []


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"partition": "gpuu"}, "unknown_partition", "no partition 'gpuu' (slurm.partition). Did you mean 'gpu'?"),
        (
            {"gpus_per_node": 4},
            "gpus_per_node",
            "asks for 4 GPUs, and no node of the partition 'gpu' has more than 2. Ask for no",
        ),
        ({"gpus_per_node": 4}, "gpus_per_node", "--gpus-per-node 2"),
        (
            {"partition": "cpu"},
            "gpus_per_node",
            "has GPUs. Name a partition that has: --partition gpu; or train on cores: packing.",
        ),
        ({"gres": "gpu:a10:2"}, "gres", "has a gpu of type 'a10'. Did you mean 'a100'?"),
        (
            {"gres": "gpu:a100:4"},
            "gpus_per_node",
            "4 a100 GPUs, and no node of the partition 'gpu' has more than 2. Ask for no more: ",
        ),
        ({"gres": "disk:10"}, "gpus_per_node", "has disk. No node of this site has disk: leave it out"),
        ({"cpus_per_node": 48}, "cpus_per_node", "48 cores, and no node of the partition 'gpu' with 2 GPUs gives more than 24"),
        (
            {"memory_gb": 97.0},
            "memory_per_node",
            "97 GB of memory, and no node of the partition 'gpu' with 2 GPUs gives more than 96.0",
        ),
        (
            {"timeout_min": 4320},
            "time_limit",
            "4,320 minutes is longer than the 2,880 that the partition 'gpu' takes. Set slurm.timeout",
        ),
        ({"timeout_min": 8, "signal_seconds": 60}, "checkpoint_interval", "8 minutes (slurm.timeout_min) is no longer than the"),
        ({"timeout_min": 1, "checkpoint_minutes": 0}, "stop_time", "Set slurm.timeout_min=12 or more"),
        (
            {"memory_gb": 48.0, "at_once": 12, "buffers_gb": 67.7},
            "replay_buffers",
            "73.7 GB of memory, 67.7 of them in replay buffers once full; 48 GB are asked for. Set slurm.memory_gb",
        ),
    ],
)
def test_each_fault_is_refused_with_what_to_do(make_site, request_of, changes, name, said):
    request = request_of(**changes)
    assert names(make_site(), request) == [name]
    assert said in refusals(make_site(), request)[0]


def test_all_faults_are_told_at_once(make_site, request_of):
    request = request_of(cpus_per_node=48, memory_gb=200.0, timeout_min=5)
    assert names(make_site(), request) == ["cpus_per_node", "memory_per_node", "checkpoint_interval"]


def test_without_a_default_partition_one_must_be_named(make_site, request_of):
    site = make_site(partitions={"Default=YES": "Default=NO"})
    assert names(site, request_of(partition=None)) == ["no_default_partition"]
    assert "--partition (slurm.partition): gpu, cpu." in refusals(site, request_of(partition=None))[0]
    assert refusals(site, request_of()) == []


@pytest.mark.parametrize("state", ["DOWN", "DRAIN", "INACTIVE"])
def test_a_partition_that_is_not_up_is_refused(make_site, request_of, state):
    site = make_site(partitions={"State=UP": f"State={state}"})
    assert names(site, request_of()) == ["partition_down"]
    assert f"is {state}: no job in it starts" in refusals(site, request_of())[0]


def test_of_several_partitions_one_that_fits_is_enough(make_site, request_of):
    assert refusals(make_site(), request_of(partition="cpu,gpu")) == []
    assert names(make_site(), request_of(partition="cpu,gpu", gpus_per_node=4)) == ["gpus_per_node", "gpus_per_node"]
    assert names(make_site(), request_of(partition="gpu,none")) == ["unknown_partition"]


def test_cores_and_memory_must_be_on_one_node(make_site, request_of):
    uneven = {"NodeName=n1 Arch=x86_64 CoresPerSocket=1  CPUAlloc=0 CPUEfctv=24": "NodeName=n1 CPUEfctv=96"}
    site = make_site(nodes=uneven)
    assert refusals(site, request_of(cpus_per_node=96)) == []
    fat = {"NodeName=n2 ": "NodeName=n2 Gres=gpu:a100:2 CPUEfctv=8 RealMemory=500000 Partitions=gpu State=IDLE\nNodeName=n4 "}
    assert refusals(make_site(nodes=fat), request_of(cpus_per_node=8, memory_gb=400.0)) == []
    assert names(make_site(nodes=fat), request_of(cpus_per_node=24, memory_gb=400.0)) == ["node_size"]


def test_a_partitions_own_limits_of_a_node_count(make_site, request_of):
    assert names(make_site(partitions={"MaxCPUsPerNode=UNLIMITED": "MaxCPUsPerNode=16"}), request_of()) == ["cpus_per_node"]
    assert names(make_site(partitions={"MaxMemPerNode=UNLIMITED": "MaxMemPerNode=65536"}), request_of()) == ["memory_per_node"]


def test_types_are_not_asked_of_gpus_that_have_none(make_site, request_of):
    site = make_site(nodes={"gpu:a100:2(S:0-1)": "gpu:2"})
    assert "They have no types there: gres=gpu:2." in refusals(site, request_of(gres="gpu:a100:2"))[0]


def test_nodes_that_are_down_are_waited_for(make_site, request_of):
    assert refusals(make_site(nodes={"State=IDLE": "State=DOWN*"}), request_of()) == []


@pytest.mark.parametrize(
    ("option", "changes"),
    [
        ("gpus-per-node", {"gpus_per_node": 4}),
        ("cpus-per-gpu", {"cpus_per_node": 48}),
        ("mem-per-cpu", {"memory_gb": 400.0}),
        ("qos", {"timeout_min": 4320}),  # a quality of service may grant more
    ],
)
def test_what_the_user_decides_himself_is_not_checked(make_site, request_of, option, changes):
    assert refusals(make_site(), request_of(**changes)) != []
    assert refusals(make_site(), request_of(**changes, has_options=frozenset({option}))) == []
