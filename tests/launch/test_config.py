import pytest

from rlhpc.config import CONFIGS, load
from rlhpc.errors import ConfigError
from rlhpc.launch.config import DEFAULTS, LaunchConfig, flags_as_overrides

CLUSTERS = sorted((CONFIGS / "clusters").glob("*.yaml"))


def test_there_is_a_cluster_to_copy():
    assert CLUSTERS


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.stem)
def test_every_cluster_is_laid_over_the_defaults(path):
    config = load(LaunchConfig, [DEFAULTS, path])
    assert config.slurm.partition
    assert config.seeds == load(LaunchConfig, [DEFAULTS]).seeds


def test_all_faults_of_all_groups_are_told_at_once():
    words = ["packing.max_nodes=0", "slurm.timeout_min=0", "stop_seconds=0", "slurm.options={array: 1}", "name=a/b"]
    with pytest.raises(ConfigError) as refused:
        load(LaunchConfig, [DEFAULTS], words)
    assert [fault.split(" ")[0] for fault in refused.value.faults] == [
        "packing.max_nodes",
        "slurm.timeout_min",
        "slurm.options.array",
        "stop_seconds",
        "name",
    ]


def test_flags_that_were_given_become_keys_and_the_others_nothing():
    assert flags_as_overrides(packing__max_nodes=3, slurm__partition=None) == ["packing.max_nodes=3"]
