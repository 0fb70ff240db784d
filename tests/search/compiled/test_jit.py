"""Compiled code is kept between processes, safely, and only its making is told."""

import os
import subprocess
import sys

import pytest

from rlhpc.search.compiled import jit

CODE = """
import numpy as np
from rlhpc.search import cv_mse
rng = np.random.default_rng(0)
print(cv_mse(rng.normal(size=(9, 4)), rng.normal(size=9), np.array([[0, 1], [1, 3]])).tolist())
"""


def start(cache, **variables):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), **variables}
    return subprocess.Popen(
        [sys.executable, "-c", CODE], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_first_process_says_that_it_compiles_and_later_ones_do_not(tmp_path):
    first, second = [start(tmp_path).communicate() for _ in range(2)]
    assert first[1] == f"Compiling the search: about {jit.SECONDS} s, once for this kind of processor.\n"
    assert second[1] == ""
    assert first[0] == second[0] != ""


def test_processes_that_compile_at_once_share_a_folder(tmp_path):
    told = [process.communicate() for process in [start(tmp_path) for _ in range(3)]]
    assert {error for _, error in told} == {f"Compiling the search: about {jit.SECONDS} s, once for this kind of processor.\n"}
    assert len({found for found, _ in told}) == 1
    assert start(tmp_path).communicate() == (told[0][0], "")


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_damaged_files_in_the_folder_are_replaced(tmp_path, ending):
    whole = start(tmp_path).communicate()[0]
    for path in tmp_path.rglob(f"*.{ending}"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    damaged = start(tmp_path)
    found, error = damaged.communicate()
    assert (damaged.returncode, found) == (0, whole), error
    assert start(tmp_path).communicate() == (whole, "")


def test_a_full_disk_keeps_nothing_and_ends_no_search(small_disk, fill):
    (small_disk / "key").mkdir()
    fill(small_disk)
    full = start(small_disk, TMPDIR=str(small_disk), XDG_CACHE_HOME=str(small_disk))
    found, error = full.communicate()
    assert full.returncode == 0, error
    assert found != ""


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path):
    mine, others = tmp_path / "mine", tmp_path / "others"
    others.mkdir()
    others.chmod(0o777)
    assert jit._is_private(mine / "key")
    assert not jit._is_private(others)
    (tmp_path / "file").write_text("")
    assert not jit._is_private(tmp_path / "file" / "key")
    (tmp_path / "to mine").symlink_to(mine)
    (tmp_path / "to others").symlink_to(others)
    assert jit._is_private(tmp_path / "to mine")
    assert not jit._is_private(tmp_path / "to others")


@pytest.mark.parametrize("variable", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME"])
def test_variables_choose_the_folder(tmp_path, monkeypatch, variable):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    assert jit.cache_folder().is_relative_to(tmp_path)


def test_a_home_that_cannot_be_written_gives_way_to_temporary_files(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path))
    assert jit.cache_folder().parent.name == f"rlhpc-{os.getuid()}"
    monkeypatch.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    assert jit.cache_folder() is None


def test_the_key_depends_on_the_sources_and_the_processor(monkeypatch):
    key = jit._key()
    assert key == jit._key()
    monkeypatch.setattr(jit.llvm, "get_host_cpu_name", lambda: "another")
    assert jit._key() != key
