"""Checkpoints: whatever happens to the files, a training goes on from what verifies and fits, or says why not."""

import dataclasses
import hashlib
import importlib
import os
import pickle
import signal

import numpy as np
import pytest
from gymnasium.spaces import Box
from stable_baselines3.common.buffers import ReplayBuffer

from rlhpc.errors import DamagedCheckpointError, ForeignCheckpointError
from rlhpc.training import snapshot
from rlhpc.training.checkpoint import Checkpoints, Header, encode, read_header, refuse_foreign, verify

VERSIONS = {"rlhpc": "1.0", "torch": "2.0"}
DEVICE = {"type": "cpu", "cpu": "Some Processor"}
STATE = {"weights": list(range(50))}


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "training")


@pytest.fixture
def header(make_training):
    def make(timesteps=64, training=None, **changes):
        made = Header(training or make_training(), timesteps, learned=False, attempt=1, versions=VERSIONS, device=DEVICE)
        return dataclasses.replace(made, **changes)

    return make


def dumper(state):
    return lambda stream: pickle.dump(state, stream)


def anything_fits(path, header):
    pass


def read(checkpoints, fits=anything_fits, load=pickle.load):
    """Read the newest one; return what was found and what was said."""
    said = []
    return checkpoints.read(fits, load, said.append), said


def flip(path, place, bit=0):
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


# --- writing and reading ----------------------------------------------------------------------------------------------


def test_what_is_written_is_read(checkpoints, header):
    written = header(100, learned=True, attempt=3)
    path = checkpoints.write(written, dumper(STATE))
    assert read(checkpoints) == ((written, STATE), [])
    assert read_header(path) == verify(path) == written


def test_without_a_checkpoint_there_is_nothing_to_read(checkpoints):
    assert read(checkpoints) == (None, [])
    assert (checkpoints.paths(), checkpoints.timesteps()) == ([], 0)
    checkpoints.clear()


def test_the_newest_is_read_and_two_are_kept(checkpoints, header):
    for timesteps in (900, 1_000, 99_999, 1_000_000_000_000):  # the last has more digits than a name is padded to
        checkpoints.write(header(timesteps), dumper({"at": timesteps}))
    assert [int(path.name.removeprefix("checkpoint-")) for path in checkpoints.paths()] == [1_000_000_000_000, 99_999]
    assert checkpoints.timesteps() == 1_000_000_000_000
    assert read(checkpoints)[0][1] == {"at": 1_000_000_000_000}
    assert len(list(checkpoints.folder.iterdir())) == 2


def test_a_checkpoint_of_the_same_step_replaces_the_other(checkpoints, header):
    checkpoints.write(header(64), dumper("before"))
    checkpoints.write(header(64, learned=True), dumper("after"))
    (found, state), _ = read(checkpoints)
    assert (found.learned, state) == (True, "after")
    assert len(checkpoints.paths()) == 1


def test_what_was_encoded_in_memory_is_the_same_file(checkpoints, header):
    written = header()
    first = checkpoints.write(written, dumper(STATE)).read_bytes()
    checkpoints.clear()
    assert checkpoints.write_encoded(written, encode(written, dumper(STATE))).read_bytes() == first
    for timesteps in (65, 66):
        checkpoints.write_encoded(header(timesteps), encode(header(timesteps), dumper(STATE)))
    assert [path.name[-2:] for path in checkpoints.paths()] == ["66", "65"]


def test_a_state_of_many_megabytes_is_compressed_and_read_whole(checkpoints, header):
    frames = np.zeros(30_000_000, np.uint8)
    frames[::1_000_003] = 7
    path = checkpoints.write(header(), lambda stream: snapshot.dump(frames, stream))
    assert path.stat().st_size < frames.nbytes / 100
    assert np.array_equal(read(checkpoints, load=snapshot.load)[0][1], frames)


def test_a_snapshot_begins_with_what_a_person_can_read(checkpoints, header):
    first, second, _ = checkpoints.write(header(), dumper(STATE)).read_bytes().split(b"\n", 2)
    assert first == b"rlhpc checkpoint 3"
    assert b'"env_id": "CartPole-v1"' in second


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(checkpoints, header):
    """Two generations, the newer first."""
    for timesteps in (64, 128):
        checkpoints.write(header(timesteps), dumper({"at": timesteps}))
    return checkpoints.paths()


DAMAGES = {
    "its first byte": lambda path: flip(path, 0),
    "its version": lambda path: flip(path, len("rlhpc checkpoint ")),
    "its header": lambda path: flip(path, 100, bit=3),
    "its state": lambda path: flip(path, -40, bit=7),
    "its checksum": lambda path: flip(path, -32),
    "its last byte": lambda path: flip(path, -1, bit=5),
    "one byte less": lambda path: os.truncate(path, path.stat().st_size - 1),
    "half of it": lambda path: os.truncate(path, path.stat().st_size // 2),
    "no header": lambda path: os.truncate(path, 10),
    "nothing": lambda path: os.truncate(path, 0),
    "one byte more": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "another file": lambda path: path.write_bytes(b"\0" * 10_000),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_older_is_read_where_the_newest_is_damaged(checkpoints, two, damage):
    newer, older = two
    DAMAGES[damage](newer)
    content = newer.read_bytes()
    (header, state), (said,) = read(checkpoints)
    assert (header.timesteps, state) == (64, {"at": 64})
    assert f"'{newer}' is damaged" in said
    assert f"turns to the older '{older.name}'" in said
    assert "have the disk or the file system looked at" in said
    assert checkpoints.paths() == [older]
    (kept,) = checkpoints.folder.glob(f"{newer.name}.damaged-*")
    assert kept.read_bytes() == content  # for whoever wants to know


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_training_whose_checkpoints_are_all_damaged_begins_anew_and_says_so(checkpoints, two, damage):
    for path in two:
        DAMAGES[damage](path)
    found, (first, second) = read(checkpoints)
    assert found is None
    assert "turns to the older" in first
    assert "begins anew, and comes to the same result" in second
    assert checkpoints.paths() == []
    assert len(list(checkpoints.folder.glob("*.damaged-*"))) == 2
    assert read(checkpoints) == (None, [])  # said once


def test_a_bit_that_is_flipped_is_found_wherever_it_is(two):
    path = two[0]
    bits = np.random.default_rng(1).integers(8, size=path.stat().st_size)
    missed = []
    for place, bit in enumerate(bits):
        flip(path, place, bit)
        try:
            verify(path)
            missed.append(place)
        except DamagedCheckpointError:
            pass
        flip(path, place, bit)
    assert missed == []
    assert verify(path).timesteps == 128


def test_a_byte_that_is_missing_at_the_end_is_found_wherever_that_is(two):
    path = two[0]
    for size in reversed(range(path.stat().st_size)):
        os.truncate(path, size)
        with pytest.raises(DamagedCheckpointError, match="is damaged"):
            verify(path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_of_a_damaged_checkpoint_is_loaded(checkpoints, two, damage):
    for path in two:
        DAMAGES[damage](path)
    loaded = []
    read(checkpoints, load=loaded.append)
    assert loaded == []


def test_a_damaged_header_is_told_without_reading_the_rest(two):
    for damage in ("its first byte", "no header"):
        DAMAGES[damage](two[0])
        with pytest.raises(DamagedCheckpointError, match="does not begin as a checkpoint does"):
            read_header(two[0])
    two[0].write_bytes(b"rlhpc checkpoint 3\n{}\n")
    with pytest.raises(DamagedCheckpointError, match="its header cannot be read"):
        read_header(two[0])


def test_an_error_of_the_disk_is_no_damage(checkpoints, two):
    """It may pass; a checkpoint is not given up for it."""
    two[0].unlink()
    two[0].mkdir()  # what no user, not even root, can read
    with pytest.raises(IsADirectoryError):
        read(checkpoints)
    assert two[0].exists()


# --- checkpoints of something else ------------------------------------------------------------------------------------


def fitting(training, versions=VERSIONS, device_type="cpu"):
    return lambda path, header: refuse_foreign(path, header, training, versions, device_type)


FOREIGN = {
    "another seed": ({"seed": 2}, {}, "it is of the training custom/CartPole-v1/ppo/2, not of custom/CartPole-v1/ppo/1"),
    "another environment": ({"env_id": "Acrobot-v1"}, {}, "it is of the training custom/Acrobot-v1/ppo/1, not of"),
    "another budget": ({"total_timesteps": 99}, {}, "its configuration differs: total_timesteps 99 -> 64."),
    "another hyperparameter": ({"hyperparameters": {"class": "PPO", "n_envs": 2, "gamma": 0.5}}, {}, "gamma 0.5 -> None"),
    "another evaluation": ({"n_episodes": 5}, {}, "its configuration differs: evaluation.n_episodes 5 -> 2."),
    "another package": ({}, {"versions": {"rlhpc": "1.0", "torch": "1.9"}}, "its packages differ: torch 1.9 -> 2.0."),
    "another version of rlhpc": ({}, {"versions": {"rlhpc": "0.9", "torch": "2.0"}}, "its packages differ: rlhpc 0.9 -> 1.0."),
    "a package less": ({}, {"versions": {"rlhpc": "1.0"}}, "its packages differ: torch None -> 2.0."),
    "a package more": ({}, {"versions": {**VERSIONS, "jax": "1"}}, "its packages differ: jax 1 -> None."),
    "another device": ({}, {"device": {"type": "cuda"}}, "it was made on the device cuda, and this is cpu."),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_checkpoint_of_something_else_is_refused_by_name_and_left_alone(checkpoints, make_training, header, what):
    training, changes, told = FOREIGN[what]
    path = checkpoints.write(header(training=make_training(**training), **changes), dumper(STATE))
    content = path.read_bytes()
    loaded = []
    with pytest.raises(ForeignCheckpointError) as refused:
        read(checkpoints, fits=fitting(make_training()), load=loaded.append)
    said = str(refused.value)
    assert said.startswith(f"'{path}' cannot be continued: ")
    assert told in said
    assert said.endswith("Go back to what it was made with, or delete it to begin this training anew.")
    assert loaded == []
    assert list(checkpoints.folder.iterdir()) == [path]
    assert path.read_bytes() == content


def test_the_third_number_of_python_may_differ_as_between_a_host_and_an_image(checkpoints, make_training, header):
    path = checkpoints.write(header(training=make_training(), versions={**VERSIONS, "python": "3.11.2"}), dumper(STATE))
    fitting(make_training(), {**VERSIONS, "python": "3.11.7"})(path, read_header(path))
    with pytest.raises(ForeignCheckpointError, match=r"python 3\.11 -> 3\.12"):
        fitting(make_training(), {**VERSIONS, "python": "3.12.2"})(path, read_header(path))


def test_all_differences_are_told_at_once(checkpoints, make_training, header):
    foreign = make_training(total_timesteps=99, hyperparameters={"class": "A2C", "gamma": 0.5})
    checkpoints.write(header(training=foreign, versions={"torch": "1.9"}, device={"type": "cuda"}), dumper(STATE))
    with pytest.raises(ForeignCheckpointError) as refused:
        read(checkpoints, fits=fitting(make_training(hyperparameters={"class": "A2C", "gamma": 0.9})))
    for told in ("total_timesteps 99 -> 64", "gamma 0.5 -> 0.9", "torch 1.9 -> 2.0", "rlhpc None -> 1.0", "the device cuda"):
        assert told in str(refused.value)


def test_another_processor_or_host_is_not_refused(checkpoints, make_training, header):
    """It may round otherwise; the result says so."""
    checkpoints.write(header(device={**DEVICE, "cpu": "Another", "host": "elsewhere"}), dumper(STATE))
    assert read(checkpoints, fits=fitting(make_training()))[0][1] == STATE


def with_checksum(path, content):
    """Write a file that verifies."""
    path.write_bytes(content + hashlib.sha256(content).digest())


def test_the_format_of_another_version_is_refused(checkpoints, header):
    path = checkpoints.write(header(), dumper(STATE))
    with_checksum(path, path.read_bytes()[:-32].replace(b"rlhpc checkpoint 3\n", b"rlhpc checkpoint 1\n"))
    for function in (read_header, verify):
        with pytest.raises(ForeignCheckpointError, match=r"has the format of another version of rlhpc\. Go back to"):
            function(path)
    with pytest.raises(ForeignCheckpointError, match="another version"):
        read(checkpoints)
    assert path.exists()


@pytest.mark.parametrize(
    ("ours", "theirs"), [(b'"attempt"', b'"try"'), (b'"learned": false', b'"learned": false, "new": 1'), (b"rlhpc", b"other")]
)
def test_a_header_of_other_fields_is_of_another_version_and_not_damaged(checkpoints, header, ours, theirs):
    path = checkpoints.write(header(), dumper(STATE))
    with_checksum(path, path.read_bytes()[:-32].replace(ours, theirs, 1))
    with pytest.raises(ForeignCheckpointError, match=r"is whole, but has the header of another version of rlhpc\. Go back to"):
        read(checkpoints)
    assert checkpoints.paths() == [path]


def test_a_state_that_cannot_be_loaded_any_more_is_refused(checkpoints, header, tmp_path, monkeypatch):
    (tmp_path / "users_env.py").write_text("class Env: pass")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("users_env")
    path = checkpoints.write(header(), lambda stream: snapshot.dump(module.Env(), stream))
    assert isinstance(read(checkpoints, load=snapshot.load)[0][1], module.Env)
    del module.Env  # renamed in the user's next version
    with pytest.raises(ForeignCheckpointError, match=r"cannot be continued: AttributeError.*Env.*delete it to begin") as refused:
        read(checkpoints, load=snapshot.load)
    assert f"'{path}'" in str(refused.value)
    assert path.exists()


@pytest.mark.parametrize("error", [MemoryError("too little"), OSError(5, "Input/output error")])
def test_a_machine_that_cannot_load_it_is_no_fault_of_the_checkpoint(checkpoints, two, error):
    def fail(stream):
        raise error

    with pytest.raises(type(error)):
        read(checkpoints, load=fail)
    assert checkpoints.paths() == two


# --- writing that breaks ----------------------------------------------------------------------------------------------


def test_a_state_that_cannot_be_written_leaves_the_others(checkpoints, two):
    def fail(stream):
        stream.write(b"half")
        raise snapshot.UnsavableError("a lock")

    before = [path.read_bytes() for path in two]
    with pytest.raises(snapshot.UnsavableError):
        checkpoints.write(verify(two[0]), fail)
    assert [path.read_bytes() for path in two] == before
    assert len(list(checkpoints.folder.iterdir())) == 2


def test_a_disk_that_is_full_leaves_the_older_checkpoint(small_disk, header):
    checkpoints = Checkpoints(small_disk)
    noise = np.random.default_rng(1).bytes(4_000_000)
    older = checkpoints.write(header(64), dumper(noise))
    with pytest.raises(OSError, match="No space left on device"):
        checkpoints.write(header(128), dumper(noise))
    with pytest.raises(OSError, match="No space left on device"):
        checkpoints.write_encoded(header(128), encode(header(128), dumper(noise)))
    assert list(small_disk.iterdir()) == [older]
    assert read(checkpoints)[0][1] == noise


def test_a_writer_that_is_killed_leaves_the_older_checkpoint(checkpoints, two):
    half_written = os.fork()
    if not half_written:

        def die(stream):
            stream.write(os.urandom(1_000_000))
            os.kill(os.getpid(), signal.SIGKILL)

        try:
            checkpoints.write(dataclasses.replace(verify(two[0]), timesteps=999), die)
        finally:
            os._exit(1)
    assert os.waitpid(half_written, 0)[1] == signal.SIGKILL
    (leftover,) = set(checkpoints.folder.iterdir()) - set(two)
    assert leftover.name.startswith(".checkpoint-000000000999.")
    assert checkpoints.paths() == two
    assert checkpoints.timesteps() == 128
    assert read(checkpoints)[0][1] == {"at": 128}
    checkpoints.clear()
    assert list(checkpoints.folder.iterdir()) == []


def test_once_the_result_is_stored_nothing_is_left_but_what_is_not_ours(checkpoints, two):
    DAMAGES["its state"](two[0])
    read(checkpoints)
    for name in ("result.json", "checkpoints.txt", "checkpoint.md"):
        (checkpoints.folder / name).touch()
    checkpoints.clear()
    assert {path.name for path in checkpoints.folder.iterdir()} == {"result.json", "checkpoints.txt", "checkpoint.md"}


def test_what_cannot_be_removed_is_left(checkpoints, two):
    (checkpoints.folder / "checkpoint-best").mkdir()
    checkpoints.clear()
    assert [path.name for path in checkpoints.folder.iterdir()] == ["checkpoint-best"]


def test_what_writers_left_long_ago_is_swept_and_what_is_written_now_is_not(checkpoints, two):
    old, new = (checkpoints.folder / f".{two[0].name}.{letter}.tmp" for letter in "ab")
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    checkpoints.sweep()
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == sorted([new.name, *(path.name for path in two)])


@pytest.mark.parametrize("name", ["checkpoint-", "checkpoint-12a", "checkpoint-000000000064.damaged-1", ".checkpoint-1.x.tmp"])
def test_other_files_are_no_checkpoints(checkpoints, two, name):
    (checkpoints.folder / name).write_bytes(b"")
    assert checkpoints.paths() == two


def test_a_replay_buffer_goes_through_a_file_and_back(checkpoints, header):
    """The snapshot's own tests write to memory; the compressing stream of a file is another kind."""
    buffer = ReplayBuffer(1_000, Box(-1, 1, (3,)), Box(-1, 1, (2,)), device="cpu")
    for step in range(700):
        buffer.add(*(np.full((1, n), step) for n in (3, 3, 2)), np.array([step]), np.array([False]), [{}])
    checkpoints.write(header(700), lambda stream: snapshot.dump(buffer, stream))
    _, again = checkpoints.read(anything_fits, snapshot.load, pytest.fail)
    assert again.pos == 700
    assert (again.observations == buffer.observations).all()
    assert (again.next_observations == buffer.next_observations).all()
