"""Slurm's spellings are read, and its programs' failures are told in their own words."""

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhpc.cluster import programs
from rlhpc.errors import SlurmError

KEY = st.from_regex(r"[A-Za-z][A-Za-z_]{0,9}", fullmatch=True)
WORD = st.from_regex(r"[a-z0-9(][a-z0-9.:,()/@-]{0,9}", fullmatch=True)
VALUE = st.lists(WORD, max_size=3).map(" ".join)


@given(st.dictionaries(KEY, VALUE, min_size=1))
def test_fields_of_a_line_are_read_whatever_their_values(pairs):
    line = " ".join(f"{key}={value}" for key, value in pairs.items())
    assert programs.fields(line) == pairs


def test_a_value_may_hold_an_equals_sign():
    assert programs.fields("PartitionName=gpu TRES=cpu=48,mem=192G AllocTRES= X=1") == {
        "PartitionName": "gpu",
        "TRES": "cpu=48,mem=192G",
        "AllocTRES": "",
        "X": "1",
    }


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_every_spelling_of_a_time_gives_its_minutes(days, hours, mins, seconds):
    whole, up = (days * 24 + hours) * 60 + mins, int(seconds > 0)
    assert programs.minutes(f"{days}-{hours:02}:{mins:02}:{seconds:02}") == whole + up
    assert programs.minutes(f"{days}-{hours}:{mins}") == whole
    assert programs.minutes(f"{days}-{hours}") == (days * 24 + hours) * 60
    assert programs.minutes(f"{hours}:{mins:02}:{seconds:02}") == hours * 60 + mins + up
    assert programs.minutes(f"{mins}:{seconds:02}") == mins + up
    assert programs.minutes(f"{mins}") == mins


@pytest.mark.parametrize("spelled", ["UNLIMITED", "INFINITE", "NONE", "INVALID", "", "n/a"])
def test_no_time_is_none(spelled):
    assert programs.minutes(spelled) is None


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a shell script on PATH as one of Slurm's programs."""

    def make(name, text):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return make


def test_a_failure_is_told_in_the_programs_own_words(program):
    program("scontrol", "echo 'slurm_load_ctl_conf error: Unable to contact' >&2; exit 1")
    with pytest.raises(SlurmError, match="'scontrol show config' failed: slurm_load_ctl_conf error: Unable to contact"):
        programs.ask("scontrol", "show", "config")


def test_a_program_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmError, match="'scontrol' is not on PATH"):
        programs.ask("scontrol", "show", "config")
    assert not programs.is_there()


def test_a_program_that_does_not_answer_is_given_up(program):
    program("scontrol", "sleep 10")
    with pytest.raises(SlurmError, match="did not answer within 0 seconds"):
        programs.ask("scontrol", timeout_seconds=0.1)


def test_an_environment_is_laid_over_ours(program, monkeypatch):
    program("srun", 'echo "$OURS $THEIRS"')
    monkeypatch.setenv("OURS", "1")
    assert programs.ask("srun", env={"THEIRS": "2"}) == "1 2\n"
    assert programs.ask("srun") == "1 \n"


@pytest.mark.parametrize("in_job", [True, False])
def test_only_settings_of_sbatch_that_hold_for_every_job_are_passed_on(program, monkeypatch, in_job):
    program("sbatch", "env")
    given = {"SBATCH_ARRAY_INX": "0-4", "SBATCH_JOB_NAME": "x", "SBATCH_SIGNAL": "9", "SBATCH_QOS": "long", "SLURM_JWT": "token"}
    for name, value in (
        given | {"SLURM_ACCOUNT": "lab"} | ({"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"} if in_job else {})
    ).items():
        monkeypatch.setenv(name, value)
    with programs.outside_of_jobs():
        told = {line for line in programs.ask("sbatch").splitlines() if line.startswith(("SBATCH_", "SLURM"))}
    kept = {"SBATCH_QOS=long", "SLURM_JWT=token"} | (set() if in_job else {"SLURM_ACCOUNT=lab"})
    assert told - {f"SLURM_CONF={os.environ.get('SLURM_CONF')}"} == kept
    assert os.environ["SBATCH_ARRAY_INX"] == "0-4"


def test_a_job_that_we_are_in_does_not_leak(program, monkeypatch):
    program("srun", "env")
    for name, value in {"SLURM_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3", "SLURM_CONF": "/etc/programs.conf"}.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with programs.outside_of_jobs():
        told = programs.ask("srun").splitlines()
    assert [line for line in told if line.startswith("SLURM_")] == ["SLURM_CONF=/etc/programs.conf"]
    assert dict(os.environ) == before
