"""Stopping: signals become requests, and wake who waits."""

import os
import signal
import threading
import time
from contextlib import closing
from multiprocessing.connection import wait

import pytest

from rlhpc.training import stop as module
from rlhpc.training.stop import SECONDS_AFTER_SIGTERM, SIGNALS, Stop, blocked, on_signals


def test_a_request_wakes_who_waits_once():
    with closing(Stop()) as stop:
        assert not stop.requested
        assert wait([stop], 0) == []
        stop.request(5)
        assert stop.requested
        assert wait([stop], 0) == [stop]
        stop.hear()
        assert wait([stop], 0) == []
        assert stop.requested


def test_a_later_request_may_only_shorten_the_time():
    with closing(Stop()) as stop:
        stop.request(50)
        first = stop.deadline
        stop.request(100)
        assert stop.deadline == first
        stop.request(1)
        assert stop.deadline < first


@pytest.fixture
def ordinary_hang_up():
    """Undo that hang-ups are ignored, where the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("signum", [*SIGNALS, signal.SIGINT, signal.SIGHUP])
@pytest.mark.usefixtures("ordinary_hang_up")
def test_every_signal_of_a_scheduler_is_a_request(signum):
    before = signal.getsignal(signum)
    with on_signals(1000.0) as stop:
        started = time.monotonic()
        os.kill(os.getpid(), signum)
        assert stop.requested
        expected = SECONDS_AFTER_SIGTERM if signum == signal.SIGTERM else 1000.0
        assert started + expected <= stop.deadline <= time.monotonic() + expected
    assert signal.getsignal(signum) is before


def test_a_hang_up_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with on_signals(10.0) as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interrupt_that_comes_twice_at_once_is_one(monkeypatch):
    monkeypatch.setattr(module, "_ECHO_SECONDS", 1000)
    with on_signals(10.0) as stop:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_interrupt_interrupts(monkeypatch, first):
    monkeypatch.setattr(module, "_ECHO_SECONDS", 0)
    with on_signals(10.0) as stop:
        os.kill(os.getpid(), first)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_blocked_signals_arrive_afterwards():
    with on_signals(10.0) as stop:
        with blocked():
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)
            assert not stop.requested
        assert stop.requested


def test_more_requests_than_a_pipe_holds_do_not_block():
    with closing(Stop()) as stop:
        for _ in range(100_000):
            stop.request(5)
        stop.hear()
        assert wait([stop], 0) == []
