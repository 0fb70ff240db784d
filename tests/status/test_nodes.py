"""Where trainings run, as they tell themselves."""

from rlhpc.status.nodes import NodePart, nodes
from rlhpc.status.state import State, TrainingStatus


def test_trainings_that_run_are_gathered_by_host_and_gpu_in_order(make_progress, tmp_path):
    def running(host, gpu, job, rate, state=State.RUNNING):
        told = make_progress(host=host, gpu=gpu, job=job, steps_per_second=rate)
        return TrainingStatus("b/e/a/1", state, "", tmp_path, told, steps_per_second=rate)

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
        NodePart("n0", "", (), 2, 1.0),
        NodePart("n1", "0", ("7_0",), 1, None),
        NodePart("n1", "1", ("6_2", "7_0"), 2, 7.0),
        NodePart("n2", "0", ("7_1",), 1, 5.0),
    )
