"""The order of sending, by a program that only notes what it is told; the real one is in test_wandb_program.py and the job's."""

import errno
import os
import signal
import threading
from dataclasses import asdict, replace

import pytest

from rlhpc.errors import RlhpcError
from rlhpc.files import write_json
from rlhpc.results import wandb_links
from rlhpc.results.holder import this_process
from rlhpc.results.wandb_lease import SendingLease
from rlhpc.results.wandb_links import Links, read_links
from rlhpc.results.wandb_program import Ending, Outcome
from rlhpc.results.wandb_runs import OfflineRun, Part
from rlhpc.results.wandb_sync import Sending


class Notes:
    """Note what is sent."""

    def __init__(self, endings=None, *, answers=True, interrupt_at=()):
        self.sent = []
        self.is_heard = threading.Event()
        self.is_killed = threading.Event()
        self._endings = endings or {}
        self._answers = answers
        self._interrupt_at = interrupt_at

    def ask(self):
        if not self._answers:
            raise RlhpcError("gone")
        return ""

    def send(self, part):
        self.sent.append(part.folder.name)
        if part.folder.name in self._interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
            assert self.is_heard.wait(120)
        if self._interrupt_at[:1] == ("twice",):
            os.kill(os.getpid(), signal.SIGINT)
            assert self.is_killed.wait(120)
        ending = self._endings.get(part.folder.name, Ending.SENT)
        if ending is Ending.SENT:
            part.mark.touch()
        return Outcome(part, ending, f"https://w/{part.run_id}", "" if ending is Ending.SENT else "it is so")

    def kill(self):
        self.is_killed.set()


@pytest.fixture(autouse=True)
def interrupts():
    """Hear SIGINT also where the tests were started in the background of a script, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def make(store):
    """Make a run of parts with the given names."""

    def make(seed, n_parts):
        run_id = f"run{seed}"
        folders = [store.root / "wandb" / f"offline-run-20250101_00000{place}-{run_id}" for place in range(n_parts)]
        for folder in folders:
            folder.mkdir(parents=True)
            (folder / f"run-{run_id}.wandb").touch()
        return OfflineRun(f"t{seed}", run_id, tuple(Part(f"t{seed}", folder) for folder in folders))

    return make


def name(seed, place):
    return f"offline-run-20250101_00000{place}-run{seed}"


def nothing(*_):
    pass


def send(store, program, runs, at_once=1):
    sending = Sending(program, read_links(store.root), at_once, nothing, nothing)
    sending.send(runs, lambda _: program.is_heard.set())
    return sending


def test_parts_are_sent_in_order_and_once(store, make):
    runs, program = [make(1, 3), make(2, 2)], Notes()
    sending = send(store, program, runs)
    assert program.sent == [name(1, 0), name(1, 1), name(1, 2), name(2, 0), name(2, 1)]
    assert len(sending.outcomes) == 5
    assert read_links(store.root).urls == {"run1": "https://w/run1", "run2": "https://w/run2"}
    again = Notes()
    send(store, again, runs)
    assert again.sent == []


def test_what_follows_a_part_that_failed_waits_and_what_follows_an_unreadable_one_does_not(store, make):
    program = Notes({name(1, 0): Ending.FAILED, name(2, 0): Ending.UNREADABLE})
    sending = send(store, program, [make(1, 2), make(2, 2)])
    assert program.sent == [name(1, 0), name(2, 0), name(2, 1)]
    assert sending.fault is None
    assert [entry["reason"] for entry in read_links(store.root).unreadable.values()] == ["it is so"]


def test_after_a_failure_a_server_that_does_not_answer_ends_it(store, make):
    program = Notes({name(1, 0): Ending.FAILED}, answers=False)
    sending = send(store, program, [make(1, 2), make(2, 2)])
    assert program.sent == [name(1, 0)]
    assert str(sending.fault) == "gone"


def test_an_interrupt_lets_the_part_under_way_be_sent_and_remembered(store, make):
    program = Notes(interrupt_at=(name(1, 0),))
    with pytest.raises(KeyboardInterrupt) as interrupt:
        send(store, program, [make(1, 2), make(2, 2)])
    assert program.sent == [name(1, 0)]
    assert not program.is_killed.is_set()
    assert read_links(store.root).urls == {"run1": "https://w/run1"}
    assert "start again" in interrupt.value.__notes__[0]


def test_a_second_interrupt_kills_it(store, make):
    program = Notes(interrupt_at=("twice", name(1, 0)))
    with pytest.raises(KeyboardInterrupt):
        send(store, program, [make(1, 2)])
    assert program.sent == [name(1, 0)]


def test_a_disk_that_takes_nothing_ends_it_before_anything_is_sent_and_the_next_start_knows_every_link(store, make):
    runs, program = [make(1, 2), make(2, 2)], Notes()
    blocked = store.root / "wandb_links.json"
    blocked.mkdir()  # a file cannot take its place
    sending = Sending(program, Links(store.root), 1, nothing, nothing)
    with pytest.raises(OSError, match=r"wandb_links\.json"):
        sending.send(runs, nothing)
    assert program.sent == []
    blocked.rmdir()
    send(store, program, runs)
    assert len(program.sent) == 4
    assert read_links(store.root).urls == {"run1": "https://w/run1", "run2": "https://w/run2"}


def test_a_disk_that_fills_up_while_a_part_is_sent_loses_no_link_silently(store, make, monkeypatch):
    runs, program = [make(1, 1), make(2, 2)], Notes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def send_and_fill(part):
        monkeypatch.setattr(wandb_links, "write_json", full)
        return Notes.send(program, part)

    program.send = send_and_fill
    with pytest.raises(OSError, match="No space left"):
        send(store, program, runs)
    assert program.sent == [name(1, 0)]
    monkeypatch.undo()
    assert read_links(store.root).without_link(runs) == (runs[0],)

    again = Notes()
    send(store, again, runs)
    assert again.sent == [name(2, 0), name(2, 1)]
    links = read_links(store.root)
    assert links.urls == {"run1": None, "run2": "https://w/run2"}
    assert links.without_link(runs) == (runs[0],)


def test_a_start_whose_lease_is_lost_sends_and_writes_nothing_more(store, make):
    runs, program = [make(1, 2), make(2, 2)], Notes()
    theirs = '{"urls": {"other": "https://w/other"}, "unreadable": {}}'

    def send_and_lose(part):
        write_json(store.root / "lease.json", asdict(replace(this_process(), host="elsewhere")))
        (store.root / "wandb_links.json").write_text(theirs)
        return Notes.send(program, part)

    program.send = send_and_lose
    with SendingLease(store.root, nothing) as lease, pytest.raises(RlhpcError, match="another start has taken over"):
        Sending(program, read_links(store.root), 1, nothing, lease.check).send(runs, nothing)
    assert program.sent == [name(1, 0)]
    assert (store.root / "wandb_links.json").read_text() == theirs
    assert (store.root / "lease.json").exists()  # it is another's
