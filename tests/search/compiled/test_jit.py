"""Compiled code is kept between processes, safely, and only its making is told."""

import gc
import os
import shutil
import subprocess
import sys
import weakref

import numpy as np
import pytest

from rlhpc.search.compiled import exact, jit

CODE = """
import numpy as np
from rlhpc.search import cv_mse
rng = np.random.default_rng(0)
print(cv_mse(rng.normal(size=(9, 4)), rng.normal(size=9), np.array([[0, 1], [1, 3]])).tolist())
"""


def start(cache, program=("-c", CODE), **variables):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), **variables}
    return subprocess.Popen(
        [sys.executable, *program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A folder that two processes compiled into at once, and what both told."""
    folder = tmp_path_factory.mktemp("compiled")
    return folder, [process.communicate() for process in [start(folder) for _ in range(2)]]


def test_the_first_processes_say_that_they_compile_and_share_a_folder_and_later_ones_do_not(compiled):
    folder, told = compiled
    (found,) = {found for found, _ in told}
    assert found != ""
    assert {error for _, error in told} == {f"Compiling the search: about {jit.SECONDS} s, once for this kind of processor.\n"}
    assert start(folder).communicate() == (found, "")


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_damaged_files_in_the_folder_are_replaced(compiled, tmp_path, ending):
    folder = shutil.copytree(compiled[0], tmp_path / "compiled")
    whole = compiled[1][0][0]
    for path in folder.rglob(f"*.{ending}"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    damaged = start(folder)
    found, error = damaged.communicate()
    assert (damaged.returncode, found) == (0, whole), error
    assert start(folder).communicate() == (whole, "")


def test_of_functions_that_only_compiled_ones_call_nothing_is_kept_and_python_cannot_call_them(compiled):
    kept = {path.name.split(".")[1].split("-")[0] for path in compiled[0].rglob("*.nbi")}
    assert kept == {"errors_of", "solve"}
    with pytest.raises(TypeError):
        exact._centre(np.ones(2), 2)


@pytest.fixture
def nothing_kept(monkeypatch):
    monkeypatch.setattr(jit, "FOLDER", None)


@pytest.mark.usefixtures("nothing_kept")
def test_a_constant_is_compiled_as_any_number_is():
    power = jit.inner(lambda x, n: x**n)
    assert jit.compiled(lambda x: power(x, 2) + power(n=x, x=3) + power(x, n=1))(4) == 16 + 81 + 4
    assert len(power.overloads) == 1


@pytest.mark.usefixtures("nothing_kept")
def test_inner_functions_of_the_same_arguments_are_told_apart_also_when_one_of_them_is_gone():
    more, tenfold = jit.inner(lambda x: x + 1), jit.inner(lambda x: 10 * x)

    def with_another():
        less = jit.inner(lambda x: -x)
        assert jit.compiled(lambda x: more(x) + tenfold(x) + less(x))(4) == 41
        return weakref.ref(less)

    less = with_another()
    gc.collect()
    assert less() is None
    assert jit.compiled(lambda x: more(x) + tenfold(x))(4) == 45


def test_inner_functions_may_print_and_raise_compiled_or_kept(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("""
from rlhpc.search.compiled.jit import compiled, inner

@inner
def refuse(x):
    print("given", x)
    if x < 0:
        raise ValueError("less than 0")

@compiled
def check(x):
    refuse(x)

check(1)
check(-1)
""")
    for _ in range(2):
        found, error = start(tmp_path / "cache", program=[program]).communicate(timeout=200)  # not for ever
        assert found == "given 1\ngiven -1\n"
        assert error.endswith("ValueError: less than 0\n")
        assert list((tmp_path / "cache").rglob("*.nbc"))


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
