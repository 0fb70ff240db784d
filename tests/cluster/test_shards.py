"""What sbatch is asked for, what the script makes of it, and what is done and said where Slurm refuses."""

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from rlhpc.cluster import shards as module
from rlhpc.cluster.image import ContainerConfig, Image
from rlhpc.cluster.shards import Shards, SubmittedJobs, array_command, command_again, describe, environment, merge_command, submit
from rlhpc.errors import InputError, SlurmError

FOR_ALL = "--mem=2G --parsable --export=ALL --requeue --open-mode=append"


@pytest.fixture
def shards(root, tmp_path):
    return Shards(
        script=root / "slurm" / "subset_search.sh",
        job=Path("/home/me/rlhpc/jobs/subset_search.py"),
        python="/usr/bin/python3",
        folder=tmp_path,
        words=("my table.csv", "--subset-size", "6"),
        n_shards=16,
        missing="0-2,5",
        at_once=None,
        logs=tmp_path / "out" / "slurm",
    )


def golden(shards, text):
    """Split an expected command line; S is the script with the words, L the folder for logs."""
    words = [word.replace("L/", f"{shards.logs}/") for word in text.split()]
    return [*words[:-1], str(shards.script), *shards.words] if words[-1] == "S" else words


def test_the_array_is_the_golden_one(shards):
    names = "--job-name=subset_search --array=0-2,5 --output=L/shard-%A_%a.out"
    assert array_command(shards, {}) == golden(shards, f"sbatch {FOR_ALL} {names} S")


def test_the_merge_is_the_golden_one(shards):
    names = "--job-name=subset_search_merge --output=L/merge-%j.out"
    assert merge_command(shards, "12", {}) == golden(shards, f"sbatch {FOR_ALL} {names} --dependency=afterany:12 S")
    assert merge_command(shards, None, {}) == golden(shards, f"sbatch {FOR_ALL} {names} S")


def test_at_most_so_many_run_at_a_time(shards):
    assert "--array=0-2,5%3" in array_command(replace(shards, at_once=3), {})


def test_a_percent_sign_in_the_folder_is_not_one_of_slurms(shards):
    named = replace(shards, logs=Path("100%d/slurm"))
    assert "--output=100%%d/slurm/shard-%A_%a.out" in array_command(named, {})
    assert str(named.shard_log("7")) == "100%d/slurm/shard-7_*.out"


@pytest.mark.parametrize(
    ("driver", "environ", "is_added"),
    [
        (("--partition=cpu",), {}, True),
        (("--mem=1G",), {}, False),
        (("--mem-per-cpu=1G",), {}, False),
        (None, {"SBATCH_MEM_PER_NODE": "1G"}, False),
        (None, {"SBATCH_MEM_PER_CPU": "1G"}, False),
    ],
)
def test_memory_is_asked_for_where_nobody_says_how_much(shards, driver, environ, is_added):
    given = replace(shards, driver=driver)
    for command in (array_command(given, environ), merge_command(given, "1", environ)):
        assert ("--mem=2G" in command) == is_added
        assert command[1 : 1 + len(driver or ())] == list(driver or ())


def test_the_command_to_call_again_is_by_a_driver_where_there_was_one(shards):
    words = "'my table.csv' --subset-size 6"
    assert command_again(shards) == f"{shards.python} {shards.job} --submit --n-shards=16 {words}"
    driven = replace(shards, driver=("--partition=cpu", "--constraint=a&b"), at_once=3)
    expected = f"SHARDS=16 PARALLEL=3 sbatch --partition=cpu '--constraint=a&b' {shards.script} {words}"
    assert command_again(driven) == expected


def test_jobs_are_described_with_where_they_print(shards):
    merge = f"Merge job 8 does the rest; it prints to {shards.logs}/merge-8.out"
    array = f"Array job 7 searches shards 0-2,5; they print to {shards.logs}/shard-7_*.out"
    assert describe(shards, SubmittedJobs("7", "8")) == f"{array}\n{merge}"
    assert describe(shards, SubmittedJobs(None, "8")) == merge


@pytest.mark.parametrize(("phase", "flags"), [("shard", "--shard 5/16"), ("merge", "--merge --n-shards 16")])
def test_the_script_does_what_its_environment_says(shards, tmp_path, phase, flags):
    python = tmp_path / "a python"
    python.write_text('#!/bin/sh\npwd\necho "$OMP_NUM_THREADS"\nprintf "%s|" "$@"\n')
    python.chmod(0o755)
    env = {"PATH": os.environ["PATH"], "SLURM_ARRAY_TASK_ID": "5", **environment(replace(shards, python=str(python)), phase)}
    command = ["bash", shards.script, *shards.words]
    told = subprocess.run(command, cwd="/", env=env, capture_output=True, text=True, check=True).stdout
    words = [str(shards.job), *flags.split(), *shards.words]
    assert told == f"{tmp_path}\n1\n{''.join(f'{word}|' for word in words)}"


def test_in_an_image_its_own_python_runs_its_own_copy_of_the_job(shards):
    image = Image(Path("/x y.sif"), "/bin/apptainer", ContainerConfig(), (Path("/data"),))
    inside = replace(shards, image=image)
    words = environment(inside, "shard")["RLHPC_SEARCH_START"].splitlines()
    assert words[-6:] == ["--bind", "/data:/data", "/x y.sif", "python", "-P", "/opt/rlhpc/jobs/subset_search.py"]
    assert "'--container=/x y.sif'" in command_again(inside)
    driven = replace(inside, driver=("--partition=cpu",))
    assert command_again(driven).startswith("SHARDS=16 CONTAINER='/x y.sif' sbatch --partition=cpu ")


def test_the_script_reads_no_variable_that_is_not_set(shards):
    read = set(re.findall(r"RLHPC_\w+", shards.script.read_text()))
    assert read <= environment(shards, "shard").keys()


class FakeSlurm:
    """Answers like Slurm's programs; `refuses` names jobs that sbatch does not take."""

    def __init__(self, refuses=(), says="{job_id}\n", error=None, scancel=None, most=1001):
        self.refuses, self.says, self.scancel, self.most = refuses, says, scancel, most
        self.error = error or SlurmError("'sbatch' failed: QOSMaxSubmitJobPerUserLimit")
        self.asked, self.environments = [], []

    def ask(self, *words, timeout_seconds=60.0, env=None):
        self.asked.append(words)
        if words[0] == "scancel" and self.scancel:
            raise self.scancel
        if words[0] == "scontrol":
            return f"MaxArraySize            = {self.most}\n"
        if words[0] == "sbatch":
            self.environments.append(os.environ | env)
            if any(f"--job-name={name}" in words for name in self.refuses):
                raise self.error
        return self.says.format(job_id=6 + len(self.asked))


@pytest.fixture
def slurm(monkeypatch):
    def make(**settings):
        fake = FakeSlurm(**settings)
        monkeypatch.setattr(module, "ask", fake.ask)
        return fake

    return make


def test_array_and_merge_are_submitted_outside_of_the_job_that_we_are_in(shards, slurm, monkeypatch):
    for name, value in {"SLURM_JOB_ID": "1", "SBATCH_ARRAY_INX": "0-4", "SBATCH_PARTITION": "cpu"}.items():
        monkeypatch.setenv(name, value)
    fake = slurm(says="{job_id};east\n")
    assert submit(shards) == SubmittedJobs("7", "8")
    assert fake.asked == [tuple(array_command(shards, {})), tuple(merge_command(shards, "7", {}))]
    assert [env["RLHPC_SEARCH_PHASE"] for env in fake.environments] == ["shard", "merge"]
    assert all("SLURM_JOB_ID" not in env and "SBATCH_ARRAY_INX" not in env for env in fake.environments)
    assert all(env["SBATCH_PARTITION"] == "cpu" for env in fake.environments)
    assert shards.logs.is_dir()


def test_where_nothing_is_missing_the_merge_alone_is_submitted(shards, slurm):
    fake = slurm()
    stored = replace(shards, missing="")
    assert submit(stored) == SubmittedJobs(None, "7")
    assert fake.asked == [tuple(merge_command(stored, None, {}))]


def test_a_refused_array_leaves_no_empty_folder_and_names_the_way_from_a_login_node(shards, slurm):
    fake = slurm(refuses=["subset_search"])
    with pytest.raises(SlurmError, match=r"QOSMaxSubmitJobPerUserLimit\nNothing else was submitted\.$"):
        submit(shards)
    assert not shards.logs.parent.exists()
    assert [words[0] for words in fake.asked] == ["sbatch", "scontrol"]
    with pytest.raises(SlurmError, match=f"login node: {shards.python} {shards.job} --submit --n-shards=16 'my table"):
        submit(replace(shards, driver=()))


def test_more_shards_than_the_site_takes_are_the_users_to_mend(shards, slurm):
    slurm(refuses=["subset_search"], most=5)
    with pytest.raises(InputError, match=r"(?s)QOSMax.*16 shards are too many .* MaxArraySize is 5. Give SHARDS=5 or fewer"):
        submit(shards)
    slurm(refuses=["subset_search"], most=6)  # the last is shard 5: that was not the reason
    with pytest.raises(SlurmError):
        submit(shards)


def test_an_array_whose_merge_is_refused_is_cancelled(shards, slurm):
    fake = slurm(refuses=["subset_search_merge"])
    with pytest.raises(SlurmError, match=r"QOSMax.*\nThere is no merge, so the array 7 is cancelled\."):
        submit(shards)
    assert fake.asked[-1] == ("scancel", "7")


def test_an_array_that_cannot_be_cancelled_is_told_of(shards, slurm):
    slurm(refuses=["subset_search_merge"], scancel=SlurmError("'scancel 7' failed: no"))
    with pytest.raises(SlurmError, match="the array 7 was to be cancelled, but 'scancel 7' failed: no"):
        submit(shards)


def test_ctrl_c_before_the_merge_cancels_the_array(shards, slurm):
    fake = slurm(refuses=["subset_search_merge"], error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        submit(shards)
    assert fake.asked[-1] == ("scancel", "7")


def test_a_refused_merge_without_an_array_cancels_nothing(shards, slurm):
    fake = slurm(refuses=["subset_search_merge"])
    with pytest.raises(SlurmError, match=r"QOSMaxSubmitJobPerUserLimit$"):
        submit(replace(shards, missing=""))
    assert len(fake.asked) == 1


def test_a_sites_own_words_around_the_id_are_passed_over(shards, slurm):
    slurm(says="Welcome to 12 nodes\n{job_id}\n")
    assert submit(shards) == SubmittedJobs("7", "8")


def test_an_answer_without_an_id_is_shown(shards, slurm):
    slurm(says="Submitted\n")
    with pytest.raises(SlurmError, match="printed 'Submitted', which is no job's id"):
        submit(shards)


def test_the_merge_is_told_what_to_do_where_shards_are_missing(shards, monkeypatch):
    monkeypatch.delenv("RLHPC_SEARCH_AGAIN", raising=False)
    assert module.remedy() == ""
    monkeypatch.setenv("RLHPC_SEARCH_AGAIN", environment(shards, "merge")["RLHPC_SEARCH_AGAIN"])
    assert module.remedy().endswith(f"call again in '{shards.folder}': {command_again(shards)}")
    assert str(shards.logs) in module.remedy()
