"""The order of sending, by a program that only notes what it is told; the real one is in test_wandb_program.py and the job's."""

import os
import signal
import threading

import pytest

from rlhpc.errors import RlhpcError
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
            assert self.is_heard.wait(30)
        if self._interrupt_at[:1] == ("twice",):
            os.kill(os.getpid(), signal.SIGINT)
            assert self.is_killed.wait(30)
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


def send(store, program, runs, at_once=1):
    sending = Sending(program, read_links(store.root), at_once, lambda _: None)
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


def test_a_disk_that_takes_nothing_ends_it(store, make):
    runs, program = [make(1, 2), make(2, 2)], Notes()
    (store.root / "wandb_links.json").mkdir()  # a file cannot take its place
    sending = Sending(program, Links(store.root), 1, lambda _: None)
    with pytest.raises(OSError, match=r"wandb_links\.json"):
        sending.send(runs, lambda _: None)
    assert program.sent == [name(1, 0)]
