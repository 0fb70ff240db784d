import pytest

from rlhpc import command
from rlhpc.config import CONFIGS, load, to_yaml
from rlhpc.errors import ConfigError
from rlhpc.launch.config import DEFAULTS, LaunchConfig, add_flags, read

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


def test_flags_go_before_files_and_keys():
    built = command.parser("Do something.")
    add_flags(built)
    args = built.parse_intermixed_args(["--max-nodes", "3", "--partition=gpu", "packing.max_nodes=4", "slurm.timeout_min=7"])
    config = read(args)
    assert (config.packing.max_nodes, config.slurm.partition, config.slurm.timeout_min) == (3, "gpu", 7)
    assert config.packing.gpus_per_node == 2  # of the defaults


def test_gpus_that_nobody_asks_for_are_not_trained_on():
    with pytest.raises(ConfigError, match="device = cuda needs GPUs"):
        load(LaunchConfig, [DEFAULTS], ["device=cuda", "packing.gpus_per_node=0"])


@pytest.mark.parametrize(
    ("word", "meant"), [("on", "on"), ("off", "off"), ("true", "on"), ("false", "off"), ("auto", "auto"), ("'on'", "on")]
)
def test_whether_mps_is_used_is_told_by_words_that_yaml_reads_as_truth_values(tmp_path, word, meant):
    file = tmp_path / "mine.yaml"
    file.write_text(f"packing:\n  mps: {word}\n")
    for config in (load(LaunchConfig, [DEFAULTS], [f"packing.mps={word}"]), load(LaunchConfig, [DEFAULTS, file])):
        assert config.packing.mps == config.settings("cuda").mps == meant
        (tmp_path / "again.yaml").write_text(to_yaml(config))
        assert load(LaunchConfig, [tmp_path / "again.yaml"]) == config


def test_another_word_for_mps_is_refused_with_those_that_are_allowed():
    with pytest.raises(ConfigError, match=r"packing\.mps = 'always' must be one of auto, on, off"):
        load(LaunchConfig, [DEFAULTS], ["packing.mps=always"])


@pytest.mark.parametrize("other", ["packing.gpus_per_node=0", "device=cpu"])
def test_mps_without_gpus_is_refused(other):
    with pytest.raises(ConfigError, match=r"packing.mps = on shares GPUs.*Give packing.mps=auto"):
        load(LaunchConfig, [DEFAULTS], ["packing.mps=on", other])


def test_a_folder_is_found_as_a_shell_would_find_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    assert load(LaunchConfig, [DEFAULTS], ["logs_dir=~/logs"]).store.root == tmp_path / "logs" / "default"
    assert str(load(LaunchConfig, [DEFAULTS], ["logs_dir=$SCRATCH/logs"]).store.root) == "/scratch/me/logs/default"
    with pytest.raises(ConfigError, match="names a variable of the environment that is not set"):
        load(LaunchConfig, [DEFAULTS], ["logs_dir=$NO_SUCH_PLACE/logs"])
