"""Where trainings run, as they tell themselves."""

import pytest

from rlhpc.results.node_load import GpuLoad, NodeLoad
from rlhpc.status.nodes import NodePart, nodes
from rlhpc.status.state import State, TrainingStatus


@pytest.fixture
def running(make_progress, tmp_path):
    """Make a training that runs somewhere."""

    def make(host, gpu, job, rate, state=State.RUNNING):
        told = make_progress(host=host, gpu=gpu, job=job, steps_per_second=rate)
        return TrainingStatus("b/e/a/1", state, "", tmp_path, told, steps_per_second=rate)

    return make


def test_trainings_that_run_are_gathered_by_host_gpu_and_job_in_order(running, tmp_path):
    found = [
        running("n2", "0", "7_1", 5.0),
        running("n1", "1", "7_0", 3.0),
        running("n1", "0", "7_0", None),
        running("n1", "1", "6_2", 4.0),
        running("n0", None, "", 1.0),
        running("n0", None, "", None),
        running("n0", None, "", 9.0, state=State.STOPPED),
        TrainingStatus("b/e/a/2", State.RUNNING, "", tmp_path),
    ]
    assert nodes(found) == (
        NodePart("n0", "", "", 2, 1.0),
        NodePart("n1", "0", "7_0", 1, None),
        NodePart("n1", "1", "6_2", 1, 4.0),
        NodePart("n1", "1", "7_0", 1, 3.0),
        NodePart("n2", "0", "7_1", 1, 5.0),
    )


def test_how_busy_a_node_is_is_told_of_the_job_that_its_trainings_belong_to(running):
    first, second = GpuLoad(76.0, 9.8, 85.9), GpuLoad(5.0, 1.0, 85.9)
    loads = [
        NodeLoad("n1", "7_0", 16, 98.0, {"0": first}),
        NodeLoad("n1", "7_1", 8, 50.0, {"0": second}),  # another GPU of the node, which its job calls alike
        NodeLoad("n3", "", 2, 100.0),
    ]
    found = [
        *(running("n1", "0", job, 1.0) for job in ("7_0", "7_1")),
        running("n2", "0", "7_0", 1.0),
        running("n3", "", "", 1.0),
    ]
    assert nodes(found, loads) == (
        NodePart("n1", "0", "7_0", 1, 1.0, 16, 98.0, first),
        NodePart("n1", "0", "7_1", 1, 1.0, 8, 50.0, second),
        NodePart("n2", "0", "7_0", 1, 1.0),
        NodePart("n3", "", "", 1, 1.0, 2, 100.0),
    )


def test_of_two_launches_on_one_machine_each_tells_of_its_own_gpu(running):
    loads = [
        NodeLoad("n1", "", 4, 40.0, {"0": GpuLoad(1.0, 1.0, 8.0)}),
        NodeLoad("n1", "", 4, 60.0, {"1": GpuLoad(2.0, 1.0, 8.0)}),
    ]
    found = nodes([running("n1", "0", "", 1.0), running("n1", "1", "", 1.0)], loads)
    assert [(part.gpu, part.gpu_load.busy_percent, part.cores_busy_percent) for part in found] == [
        ("0", 1.0, 40.0),
        ("1", 2.0, 60.0),
    ]
