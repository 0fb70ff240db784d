"""A launch on a real Slurm: what is submitted, what runs where, and that nothing is submitted twice."""

from collections import Counter

import pytest
from grids import Grid


@pytest.mark.slow
def test_30_trainings_run_on_2_nodes_12_at_once_on_each_gpu_and_each_sees_one(cluster, tmp_path):
    # Each training in the first element waits until 12 have come to its GPU: if fewer ran at once, none would ever end in time.
    grid = Grid(cluster, tmp_path, "packing.trainings_per_gpu=12", n_trainings=30, n_steps=32, step_seconds=0, together=12)
    told = grid.launch()
    assert (told["n_array_elements"], told["n_to_train"], len(told["submitted"])) == (2, 30, 1)
    grid.wait_until_ended()
    grid.assert_whole()
    seen = Counter(tuple(path.name.split(".")[:2]) for path in grid.trace.iterdir())
    assert seen == {("0", "0"): 12, ("0", "1"): 12, ("1", "0"): 3, ("1", "1"): 3}
    assert grid.launch()["n_to_train"] == 0
