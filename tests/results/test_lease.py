"""Leases: at most one holder, whoever dies, stalls, or asks in the same instant."""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from rlhpc.files import write_json
from rlhpc.results import lease
from rlhpc.results.holder import UNKNOWN, Holder, this_process
from rlhpc.results.lease import CLAIM, LEASE, Leases, Standing, Taken

SOON = 0.3  # seconds until a lease expires, where a test waits for it
PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="absent: Linux's /proc")
PRELUDE = """
import sys
from pathlib import Path
from rlhpc.results.lease import Leases, Standing

def folder(seed):
    return Path(sys.argv[1]) / str(seed)

leases = Leases()
"""
# Takes a lease, beats whenever it is told to, and says how many it has lost.
HOLD = """
print(leases.take(folder(1)).standing.name, flush=True)
for _ in sys.stdin:
    print(len(leases.beat()), flush=True)
"""
# Asks for many leases until each is its own or seen to be another's; tells what it won and whose death it was told.
CONTEND = """
print("ready", flush=True)
sys.stdin.readline()
won, told = [], []
for seed in range(int(sys.argv[2])):
    while (taken := leases.take(folder(seed))).standing is Standing.WAIT:
        pass
    won += [seed] * (taken.standing is Standing.OURS)
    told += [seed] * (taken.former is not None)
print([won, told], flush=True)
sys.stdin.readline()
"""
# Asks for the lease that another process beside it holds.
ASK_BESIDE = """
import subprocess
beside = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
beside.stdout.readline()
print(leases.take(folder(1)).standing.name, flush=True)
"""
IN_CONTAINER = ("--user", "--map-root-user", "--pid", "--fork", "--kill-child")
CONTAINER = pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", *IN_CONTAINER, "--mount-proc", "true"], check=False, capture_output=True).returncode,
    reason="absent: namespaces that this user may make",
)


def folder_of(store, seed=1):
    return store.root / str(seed)


def another(**fields):
    """Describe a living supervisor of this machine."""
    return replace(this_process(), **fields)


def elsewhere():
    """Describe a supervisor of which only the beats can be seen."""
    return another(host=uuid.uuid4().hex)


def dead():
    """Describe a supervisor that is known to be dead at once."""
    return another(pid_start="1")


def path_of(folder):
    return folder / LEASE


def files(store):
    return sorted(path.name for path in store.root.rglob("*") if path.is_file())


def beat(leases):
    """Beat after more than the coarsest tick of a file system's clock."""
    time.sleep(0.02)
    return leases.beat()


def until_ours(leases, folder):
    """Ask until the lease is ours; return that answer and the standings before it."""
    before = []
    while (taken := leases.take(folder)).standing is not Standing.OURS:
        before.append(taken.standing)
        time.sleep(SOON / 30)
    return taken, before


@pytest.fixture
def start(store):
    """Start processes that use leases of the store; they are gone after the test."""
    with contextlib.ExitStack() as stack:

        def start(code, *arguments, within=()):
            command = [*within, sys.executable, "-c", PRELUDE + code, str(store.root), *map(str, arguments)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def tell(process):
    """Give a process its cue and return its answer."""
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_a_free_lease_is_ours_one_file_until_it_is_released(store):
    leases = Leases()
    assert leases.take(folder_of(store)) == Taken(Standing.OURS)
    assert Holder(**json.loads(path_of(folder_of(store)).read_text())) == leases.holder
    assert files(store) == [LEASE]
    leases.release(folder_of(store))
    assert files(store) == []


def test_what_is_ours_stays_ours_however_often_it_is_asked_for_and_is_renewed(store):
    leases = Leases()
    leases.take(folder_of(store))
    before = path_of(folder_of(store)).stat().st_mtime_ns
    time.sleep(0.02)
    assert leases.take(folder_of(store)) == Taken(Standing.OURS)
    assert path_of(folder_of(store)).stat().st_mtime_ns != before
    assert leases.beat() == []
    assert files(store) == [LEASE]


@PROC
def test_the_lease_of_a_living_process_of_this_machine_is_held_at_once(store, start):
    holder = start(HOLD)
    assert holder.stdout.readline() == "OURS\n"
    taken = Leases().take(folder_of(store))
    assert taken.standing is Standing.HELD
    assert str(taken.holder) == f"process {holder.pid} on host {this_process().host}"
    assert tell(holder) == "0"


@PROC
@pytest.mark.parametrize("is_reaped", [True, False], ids=["reaped", "zombie"])
def test_the_lease_of_a_killed_process_is_taken_over_at_once_and_its_death_told(store, start, is_reaped):
    holder = start(HOLD)
    holder.stdout.readline()
    holder.kill()
    os.waitid(os.P_PID, holder.pid, os.WEXITED | (0 if is_reaped else os.WNOWAIT))
    leases = Leases()
    taken = leases.take(folder_of(store))
    assert (taken.standing, taken.former.pid) == (Standing.OURS, holder.pid)
    assert leases.take(folder_of(store)).former is None
    assert files(store) == [LEASE]


@PROC
def test_another_process_that_got_the_same_pid_is_not_the_holder(store):
    former = another(pid_start="1")
    Leases(former).take(folder_of(store))
    assert Leases().take(folder_of(store)) == Taken(Standing.OURS, former=former)


@PROC
def test_a_process_that_may_not_be_asked_counts_as_living(store):
    Leases(another(pid=1, pid_start="")).take(folder_of(store))  # another user's, unless the tests are root's
    assert Leases().take(folder_of(store)).standing is Standing.HELD


def test_a_machine_that_was_started_anew_waits_until_the_lease_of_before_expires(store):
    former, holder = another(boot_id="before"), another(boot_id="now")
    Leases(former).take(folder_of(store))
    taken, before = until_ours(Leases(holder, expiry_seconds=SOON), folder_of(store))
    assert set(before) == {Standing.WAIT}
    assert taken.former == former


def test_two_living_machines_of_one_name_do_not_take_each_others_lease(store):
    first, second = (Leases(another(host="n1", boot_id=boot_id)) for boot_id in ("a", "b"))
    first.take(folder_of(store))
    assert second.take(folder_of(store)) == Taken(Standing.WAIT, first.holder)
    assert beat(first) == []
    assert second.take(folder_of(store)) == Taken(Standing.HELD, first.holder)
    assert beat(first) == []
    assert first.take(folder_of(store)) == Taken(Standing.OURS)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"host": "n1"}, {"host": "n2"}),
        ({"host": ""}, {"host": ""}),
        ({"boot_id": "a"}, {"boot_id": "b"}),  # started anew, or another machine of the same name
        ({"boot_id": ""}, {}),
        ({}, {"boot_id": ""}),
        ({"pid_namespace": "pid:[1]"}, {}),
        ({"pid_namespace": ""}, {"pid_namespace": ""}),
    ],
)
def test_a_pid_that_means_nothing_here_proves_no_death(store, theirs, ours):
    holder = another(pid_start="1", **theirs)
    Leases(holder).take(folder_of(store))
    assert Leases(another(**ours)).take(folder_of(store)) == Taken(Standing.WAIT, holder)


def test_a_holder_elsewhere_is_unknown_until_it_is_seen_to_beat_and_dead_when_it_stops(store):
    holder, leases = Leases(elsewhere()), Leases(expiry_seconds=SOON)
    holder.take(folder_of(store))
    assert leases.take(folder_of(store)) == Taken(Standing.WAIT, holder.holder)
    beat(holder)
    assert leases.take(folder_of(store)) == Taken(Standing.HELD, holder.holder)
    taken, before = until_ours(leases, folder_of(store))
    assert set(before) == {Standing.HELD}
    assert taken.former == holder.holder
    assert holder.beat() == [folder_of(store)]


def test_a_holder_elsewhere_that_never_beats_is_dead_after_a_time(store):
    holder = elsewhere()
    Leases(holder).take(folder_of(store))
    taken, before = until_ours(Leases(expiry_seconds=SOON), folder_of(store))
    assert set(before) == {Standing.WAIT}
    assert taken.former == holder


def test_a_lease_that_changed_hands_between_two_looks_has_a_living_holder(store):
    first, second, leases = Leases(elsewhere()), Leases(elsewhere()), Leases()
    first.take(folder_of(store))
    leases.take(folder_of(store))
    first.release(folder_of(store))
    second.take(folder_of(store))
    assert leases.take(folder_of(store)) == Taken(Standing.HELD, second.holder)


def test_time_is_counted_between_looks_only_and_never_much_at_once():
    seen = lease._Seen(UNKNOWN, 1, 1)
    watch = lease._Watch(seen, looked_at=100.0)
    watch = watch.followed_by(seen, began_at=110.0, ended_at=400.0, longest=60.0)  # a file system that hung while we looked
    assert (watch.quiet_seconds, watch.has_changed) == (10.0, False)
    watch = watch.followed_by(seen, began_at=9000.0, ended_at=9000.0, longest=60.0)  # stopped between two looks
    assert (watch.quiet_seconds, watch.has_changed) == (70.0, False)
    watch = watch.followed_by(replace(seen, mtime_ns=0), began_at=9001.0, ended_at=9001.0, longest=60.0)  # clocks may go back
    assert (watch.quiet_seconds, watch.has_changed) == (0.0, True)
    watch = watch.followed_by(replace(seen, mtime_ns=0), began_at=9005.0, ended_at=9005.0, longest=60.0)
    assert (watch.quiet_seconds, watch.has_changed) == (4.0, True)


@PROC
def test_a_stopped_process_loses_its_lease_after_a_time_and_knows_it_when_it_goes_on(store, start):
    holder = start(HOLD)
    holder.stdout.readline()
    leases = Leases(expiry_seconds=SOON)
    assert leases.take(folder_of(store)).standing is Standing.HELD
    holder.send_signal(signal.SIGSTOP)
    taken, before = until_ours(leases, folder_of(store))
    assert set(before) == {Standing.HELD}
    assert taken.former.pid == holder.pid
    holder.send_signal(signal.SIGCONT)
    assert tell(holder) == "1"
    assert leases.beat() == []


@CONTAINER
@pytest.mark.parametrize("more", [["--mount-proc"], []], ids=["own /proc", "outer /proc"])
def test_a_holder_in_a_container_on_this_machine_is_watched_by_its_beats(store, start, more):
    holder = start(HOLD, within=["unshare", *IN_CONTAINER, *more])
    assert holder.stdout.readline() == "OURS\n"
    leases = Leases(expiry_seconds=SOON)
    taken = leases.take(folder_of(store))
    assert (taken.standing, taken.holder.pid, taken.holder.host) == (Standing.WAIT, 1, leases.holder.host)
    time.sleep(0.02)
    assert tell(holder) == "0"
    assert leases.take(folder_of(store)).standing is Standing.HELD
    assert until_ours(leases, folder_of(store))[0].former == taken.holder


@CONTAINER
@pytest.mark.parametrize(("more", "standing"), [(["--mount-proc"], "HELD"), ([], "WAIT")], ids=["own /proc", "outer /proc"])
def test_a_proc_of_other_processes_than_those_of_the_container_proves_no_death(start, more, standing):
    asking = start(ASK_BESIDE, PRELUDE + HOLD, within=["unshare", *IN_CONTAINER, *more])
    assert asking.stdout.readline() == f"{standing}\n"


def damaged_texts():
    sound = json.dumps(asdict(dead()))
    return {
        "empty": "",
        "truncated": sound[: len(sound) // 2],
        "zeros": "\0" * 300,
        "another shape": "[1]",
        "a field too few": json.dumps({"id": "a"}),
        "a field too many": json.dumps({**asdict(dead()), "more": 1}),
        "a wrong type": json.dumps({**asdict(dead()), "boot_id": 5}),
        "a pid that none can be": json.dumps({**asdict(dead()), "pid": -1}),
    }


@pytest.mark.parametrize("text", damaged_texts().values(), ids=damaged_texts())
def test_a_damaged_lease_is_that_of_an_unknown_process_until_it_expires(store, text):
    path = path_of(folder_of(store))
    path.parent.mkdir(parents=True)
    path.write_text(text)
    leases = Leases(expiry_seconds=SOON)
    assert leases.take(folder_of(store)) == Taken(Standing.WAIT, UNKNOWN)
    assert str(UNKNOWN) == "an unknown process (its lease is damaged)"
    taken, before = until_ours(leases, folder_of(store))
    assert set(before) == {Standing.WAIT}
    assert taken.former == UNKNOWN


def test_a_beat_renews_all_and_tells_and_forgets_those_that_were_lost(store):
    leases = Leases(dead())
    folders = [folder_of(store, seed) for seed in range(4)]
    for folder in folders:
        leases.take(folder)
    before = [path_of(folder).stat().st_mtime_ns for folder in folders]
    path_of(folders[0]).unlink()
    Leases().take(folders[1])
    path_of(folders[2]).write_text("")
    assert beat(leases) == folders[:3]
    assert path_of(folders[3]).stat().st_mtime_ns != before[3]
    assert leases.beat() == []
    assert not path_of(folders[0]).exists()


def test_a_lease_that_cannot_be_renewed_keeps_no_other_from_it_and_is_held_still(store):
    leases = Leases()
    folders = [folder_of(store, seed) for seed in range(3)]
    for folder in folders:
        leases.take(folder)
    broken, sound, lost = (path_of(folder) for folder in folders)
    kept = broken.rename(broken.with_name("kept"))
    broken.mkdir()
    lost.unlink()
    before = sound.stat().st_mtime_ns
    assert beat(leases) == [folders[2]]
    assert sound.stat().st_mtime_ns != before
    with pytest.raises(IsADirectoryError):
        leases.beat()
    broken.rmdir()
    kept.rename(broken)
    assert leases.beat() == []
    leases.release_all()
    assert files(store) == []


def test_a_release_removes_ours_and_never_anothers(store):
    ours, theirs = Leases(), Leases()
    ours.take(folder_of(store, 1))
    theirs.take(folder_of(store, 2))
    for seed in (1, 2, 3):
        ours.release(folder_of(store, seed))
    assert theirs.beat() == []
    assert files(store) == [LEASE]
    assert ours.beat() == []


def test_all_are_released_even_if_one_cannot_be(store):
    leases = Leases()
    for seed in range(3):
        leases.take(folder_of(store, seed))
    broken = path_of(folder_of(store, 0))
    broken.unlink()
    broken.mkdir()
    with pytest.raises(IsADirectoryError):
        leases.release_all()
    assert files(store) == []
    leases.release_all()


def test_leftovers_of_killed_writers_are_no_leases(store):
    folder = folder_of(store)
    folder.mkdir(parents=True)
    for name in (LEASE, CLAIM):
        (folder / f".{name}.0123.tmp").write_text("{")
    leases = Leases()
    assert leases.take(folder_of(store)) == Taken(Standing.OURS)
    leases.release(folder_of(store))
    assert LEASE not in files(store)


@PROC
def test_a_claim_whose_holder_died_is_overcome_at_once(store):
    former = dead()
    Leases(former).take(folder_of(store))
    write_json(folder_of(store) / CLAIM, asdict(dead()))
    assert Leases().take(folder_of(store)) == Taken(Standing.OURS, former=former)
    assert files(store) == [LEASE]


@PROC
def test_a_claim_of_a_holder_elsewhere_is_overcome_when_it_expires(store):
    former, rival = dead(), elsewhere()
    Leases(former).take(folder_of(store))
    claim = write_json(folder_of(store) / CLAIM, asdict(rival))
    leases = Leases(expiry_seconds=SOON)
    assert leases.take(folder_of(store)).standing is Standing.WAIT
    assert json.loads(claim.read_text()) == asdict(rival)
    assert until_ours(leases, folder_of(store))[0].former == former
    assert files(store) == [LEASE]


def test_a_claim_of_ours_that_was_left_is_no_hindrance(store):
    leases, former = Leases(), dead()
    Leases(former).take(folder_of(store))
    write_json(folder_of(store) / CLAIM, asdict(leases.holder))  # as after a link that NFS carried out and called failed
    assert leases.take(folder_of(store)) == Taken(Standing.OURS, former=former)


@pytest.fixture
def meddle(monkeypatch):
    """Let something happen before or after one of the looks at files by which `take` goes."""

    def meddle(at, action):
        look, moment = lease._look, [0]

        def meddling(path):
            for step in ("before", "after"):
                if step == "after":
                    seen = look(path)
                if moment[0] == at:
                    with monkeypatch.context() as undone:
                        undone.setattr(lease, "_look", look)
                        moment[0] += 1
                        action()
                else:
                    moment[0] += 1
            return seen

        monkeypatch.setattr(lease, "_look", meddling)
        return lambda: moment[0]

    return meddle


# From after the lease was seen and judged until before it is seen to be ours; between, before and after each look, lie the one
# at another's claim and the one that the lease is still the same.
MOMENTS = range(1, 7)


@PROC
@pytest.mark.parametrize("at", MOMENTS)
@pytest.mark.parametrize("is_taken_for_dead", [True, False])
@pytest.mark.parametrize("action", ["beat", "release", "release and take", "take"])
def test_whatever_happens_during_a_take_over_one_holds_the_lease_in_the_end(store, meddle, action, at, is_taken_for_dead):
    holder, third = Leases(dead()), Leases()  # the holder is judged dead, and lives
    ours = Leases(dead() if is_taken_for_dead else this_process())
    holder.take(folder_of(store))
    claims = []  # who was told to have the lease after we judged it

    def act():
        if action == "beat":
            claims.extend([holder] * (beat(holder) == []))
        if action.startswith("release"):
            holder.release(folder_of(store))
        if action.endswith("take"):
            taken = third.take(folder_of(store))
            claims.extend([third] * (taken.standing is Standing.OURS))

    n_moments = meddle(at, act)
    taken = ours.take(folder_of(store))
    assert n_moments() > at
    claims.extend([ours] * (taken.standing is Standing.OURS))

    left = [each for each in (holder, third, ours) if each._held and each.beat() == []]
    assert left == claims
    assert len(left) == 1 or action == "release"
    assert files(store) == [LEASE] * len(left)


@PROC
def test_a_beat_notices_a_take_over_that_happens_during_it(store, monkeypatch):
    holder, rival, parse = Leases(dead()), Leases(), lease.parse
    holder.take(folder_of(store))

    def parsed(text):
        monkeypatch.undo()  # once, when the holder has read its lease and not yet set its time
        assert rival.take(folder_of(store)).standing is Standing.OURS
        return parse(text)

    monkeypatch.setattr(lease, "parse", parsed)
    assert holder.beat() == [folder_of(store)]
    assert rival.beat() == []


@PROC
def test_of_racing_processes_exactly_one_gets_each_lease_and_one_is_told_of_each_death(store, start):
    n_folders = 150
    for seed in range(0, n_folders, 2):
        write_json(path_of(folder_of(store, seed)), asdict(dead()))
    racers = [start(CONTEND, n_folders) for _ in range(8)]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    answers = [json.loads(racer.stdout.readline()) for racer in racers]
    assert sorted(seed for won, _ in answers for seed in won) == list(range(n_folders))
    assert sorted(seed for _, told in answers for seed in told) == list(range(0, n_folders, 2))
    for racer, (won, _) in zip(racers, answers, strict=True):
        assert all(json.loads(path_of(folder_of(store, seed)).read_text())["pid"] == racer.pid for seed in won)
    assert files(store) == [LEASE] * n_folders


@PROC
def test_contenders_that_are_killed_at_any_moment_leave_nothing_in_the_way(store, start):
    n_folders, generator = 60, random.Random(1)
    for seed in range(n_folders):
        write_json(path_of(folder_of(store, seed)), asdict(dead()))
    for _ in range(4):
        pair = [start(CONTEND, n_folders) for _ in range(2)]
        for each in pair:
            each.stdout.readline()
        for each in pair:
            each.stdin.write("\n")
            each.stdin.flush()
        time.sleep(generator.uniform(0.0, 0.2))
        for each in pair:
            each.kill()
            each.wait()
    leases = Leases()
    assert {leases.take(folder_of(store, seed)).standing for seed in range(n_folders)} == {Standing.OURS}
    leases.release_all()
    assert LEASE not in files(store)


@PROC
def test_a_file_system_that_takes_no_more_is_an_oserror_and_leaves_the_dead_lease_as_it_was(store):
    former = dead()
    Leases(former).take(folder_of(store, 1))
    before = path_of(folder_of(store, 1)).read_bytes()
    leases = Leases()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        for seed in (1, 2):
            with pytest.raises(OSError, match="File too large"):
                leases.take(folder_of(store, seed))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path_of(folder_of(store, 1)).read_bytes() == before
    assert files(store) == [LEASE]
    assert leases.take(folder_of(store, 1)) == Taken(Standing.OURS, former=former)


@PROC
def test_a_folder_that_cannot_be_written_is_an_oserror():
    with pytest.raises(OSError, match="/proc/self"):  # not even root can write here
        Leases().take(Path("/proc/self/nothing"))


def test_every_supervisor_has_an_id_of_its_own_and_names_itself_in_words(monkeypatch):
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    holder = this_process()
    assert holder != this_process()
    assert str(holder) == f"process {os.getpid()} on host {holder.host}"
    monkeypatch.setenv("SLURM_JOB_ID", "15")
    assert str(replace(this_process(), pid=4711, host="n1")) == "process 4711 on host n1 (Slurm job 15)"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert str(replace(this_process(), pid=4711, host="n1")) == "process 4711 on host n1 (Slurm job 12_3)"
