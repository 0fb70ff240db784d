"""check_cluster.py without a Slurm: one clear sentence. With one it is tested in tests/slurm."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*arguments, path):
    command = [sys.executable, "jobs/check_cluster.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PATH": str(path)})


def test_without_slurm_it_exits_2_with_one_sentence(tmp_path):
    done = run(path=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: There is no Slurm here: 'sbatch' is not on PATH. Log in to a cluster, or load its Slurm module.\n"
    )


def test_a_wrong_key_is_told_also_without_slurm(tmp_path):
    done = run("slurm.partitoin=gpu", path=tmp_path)
    assert done.returncode == 2
    assert "Did you mean" in done.stderr


def test_a_slurm_that_does_not_answer_exits_1_and_says_what_to_look_at(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", "/etc/mine.conf")
    for name in ("sbatch", "scontrol"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'Unable to contact slurm controller' >&2; exit 1\n")
        (tmp_path / name).chmod(0o755)
    done = run(path=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    said, hint = done.stderr.splitlines()
    assert said == "error: 'scontrol show config' failed: Unable to contact slurm controller"
    assert all(words in hint for words in ("SLURM_CONF right (it is '/etc/mine.conf')", "scontrol ping", "`make cluster`"))
