import errno
import hashlib
import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhpc import files
from rlhpc.errors import InputError, StorageError
from rlhpc.files import (
    atomic_write,
    canonical_json,
    digest,
    file_digest,
    try_writing,
    user_cache,
    writable_folder,
    write_json,
    write_text,
)

PROC = Path("/proc/self")  # not even root can write here
WRITERS = {"text": lambda path, **how: write_text(path, "new", **how), "json": lambda path, **how: write_json(path, "new", **how)}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_write_makes_the_folder_replaces_the_file_and_leaves_nothing_else(tmp_path, write):
    path = tmp_path / "a" / "b" / "file"
    for _ in range(2):
        assert write(path) == path
    assert "new" in path.read_text()
    assert names(path.parent) == ["file"]


def test_a_writer_that_raises_leaves_the_old_file_and_no_temporary(tmp_path):
    path = write_text(tmp_path / "file", "old")
    with pytest.raises(TypeError), atomic_write(path) as stream:
        stream.writelines([b"half", "a text where bytes belong"])
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_the_name_is_taken_only_when_the_block_has_ended(tmp_path):
    with atomic_write(tmp_path / "file") as stream:
        stream.write(b"text")
        assert not (tmp_path / "file").exists()
    assert (tmp_path / "file").read_text() == "text"


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = write_text(tmp_path / "file", "old")
    code = (
        "import os, signal, sys; from pathlib import Path; from rlhpc.files import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])) as stream:\n"
        "    stream.write(b'half'); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_an_exclusive_write_never_replaces(tmp_path, write):
    path = write(tmp_path / "file", exclusive=True)
    path.write_text("first")
    with pytest.raises(FileExistsError):
        write(path, exclusive=True)
    assert path.read_text() == "first"
    assert names(tmp_path) == ["file"]


def test_of_racing_processes_exactly_one_creates_the_file(tmp_path):
    code = (
        "import sys; from pathlib import Path; from rlhpc.files import write_text\n"
        "name, folder = sys.argv[1:]; print('ready', flush=True); sys.stdin.readline(); wins = 0\n"
        "for i in range(200):\n"
        "    try: write_text(Path(folder) / str(i), name, exclusive=True)\n"
        "    except FileExistsError: continue\n"
        "    wins += 1\n"
        "print(wins)"
    )
    folder = tmp_path / "raced"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, name, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("a", "b")
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    wins = [int(racer.communicate()[0]) for racer in racers]
    written = [(folder / str(i)).read_text() for i in range(200)]
    assert wins == [written.count("a"), written.count("b")]
    assert sum(wins) == len(names(folder)) == 200


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_know_is_refused_and_nothing_is_written(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a" / "file", {"scores": [1.0, value]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"scores": [1.0, value]})
    assert names(tmp_path) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_a_digest_survives_the_way_through_a_file(value):
    assert digest(json.loads(json.dumps(value))) == digest(value)


def test_a_digest_does_not_depend_on_the_order_of_keys_but_on_every_value():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1, "b": [1, 2]}) != digest({"a": 1, "b": [2, 1]})
    assert digest({"a": 1}) != digest({"a": "1"})


def test_a_digest_is_the_sha256_of_the_canonical_json():
    value = {"b": 1.5, "a": ["ü"]}
    assert digest(value) == hashlib.sha256(canonical_json(value).encode()).hexdigest()
    assert json.loads(canonical_json(value)) == value


def test_file_digest_is_that_of_the_bytes(tmp_path):
    path = write_text(tmp_path / "file", "text\n")
    assert file_digest(path) == hashlib.sha256(b"text\n").hexdigest()


def test_json_is_written_readable_and_in_full_precision(tmp_path):
    path = write_json(tmp_path / "file", {"b": 0.1 + 0.2, "a": [1]})
    assert path.read_text() == '{\n  "b": 0.30000000000000004,\n  "a": [\n    1\n  ]\n}\n'


def test_a_trial_of_writing_leaves_nothing(tmp_path):
    try_writing(tmp_path, 1 << 20)
    assert names(tmp_path) == []


def test_a_trial_of_writing_more_than_there_is_room_for_fails_and_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match=r"No space left|File too large"):
        try_writing(tmp_path, 1 << 55)
    assert names(tmp_path) == []


def test_a_writable_folder_is_made_and_left_empty(tmp_path):
    for _ in range(2):
        assert writable_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert names(tmp_path / "a" / "b") == []


@pytest.mark.parametrize("below", ["file", "file/folder"])
def test_a_folder_that_cannot_be_made_is_named_with_the_reason(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        writable_folder(tmp_path / below)
    assert f"cannot write to the folder '{tmp_path / below}': " in str(caught.value)
    assert str(caught.value).endswith(" Give another folder.")


def test_only_permissions_that_lack_are_to_be_mended(tmp_path, monkeypatch):
    def refuse(_folder, _n_bytes):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files, "try_writing", refuse)
    with pytest.raises(InputError, match=r"Permission denied\. Give another folder, or mend its permissions\.$"):
        writable_folder(tmp_path)


def test_a_disk_that_is_full_is_no_mistake_of_the_user(small_disk, fill):
    fill(small_disk)
    with pytest.raises(StorageError, match=r"No space left on device\. Free space, or mend the file system"):
        writable_folder(small_disk / "a" / "b")


def test_a_disk_that_is_read_only_is_no_mistake_of_the_user(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for folder in (small_disk, small_disk / "a"):
        with pytest.raises(StorageError, match=r"Read-only file system\. Free space, or mend the file system"):
            writable_folder(folder)


@pytest.mark.skipif(not PROC.is_dir(), reason="absent: Linux's /proc")
def test_a_folder_that_can_be_seen_but_not_written_is_refused():
    with pytest.raises(InputError, match=f"cannot write to the folder '{PROC}'"):
        writable_folder(PROC)


def test_what_need_not_be_durable_waits_for_no_disk_and_is_whole_all_the_same(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("os.fsync", synced.append)
    write_json(tmp_path / "file", [1], durable=False)
    assert (synced, (tmp_path / "file").read_text()) == ([], "[\n  1\n]\n")
    write_json(tmp_path / "file", [2])
    assert len(synced) == 2  # the file, and the folder that names it
    assert names(tmp_path) == ["file"]


def test_what_may_be_lost_is_kept_where_the_user_keeps_such_things(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, expected in (("/x", "/x/rlhpc"), ("", f"{tmp_path}/.cache/rlhpc"), ("relative", f"{tmp_path}/.cache/rlhpc")):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert str(user_cache()) == expected
