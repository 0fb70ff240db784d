import os
import pty
import re
import subprocess
import sys

from rlhpc.records import Training
from rlhpc.training.progress_bar import ProgressBar

ONE, TWO = (Training("b", "X-v0", "ppo", seed, "Discrete", 1) for seed in (1, 2))
FAILURES = ["[0/2] failed  b/X-v0/ppo/1: ValueError: x; trying again", "[2/2] failed  b/X-v0/ppo/1: killed by SIGKILL"]


def tell(progress):
    progress.started(ONE, 1, 0)
    progress.started(TWO, 1, 0)
    progress.failed(ONE, "ValueError: x", will_retry=True)
    progress.started(ONE, 2, 1_024)
    progress.stored(TWO)
    progress.stopping(1, 299.6)
    progress.failed(ONE, "killed by SIGKILL", will_retry=False)
    progress.close()


def without_time(line):
    return re.sub(r" \d+:\d\d\]", "]", line)


def test_a_log_gets_a_plain_line_for_each_event_with_how_many_have_ended(capsys):
    tell(ProgressBar(2))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert without_time(shown.err).splitlines() == [
        "[0/2] started b/X-v0/ppo/1",
        "[0/2] started b/X-v0/ppo/2",
        FAILURES[0],
        "[0/2] started b/X-v0/ppo/1 (attempt 2; its newest checkpoint: 1,024 agent steps)",
        "[1/2] stored  b/X-v0/ppo/2",
        "[1/2] told to stop: 1 training saves, up to 300 s",
        FAILURES[1],
    ]


def test_a_line_tells_minutes_and_seconds(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = ProgressBar(1)
    now[0] += 3_605.9
    progress.stored(ONE)
    progress.close()
    assert capsys.readouterr().err == "[1/1 60:05] stored  b/X-v0/ppo/1\n"


def test_a_terminal_gets_a_bar_and_lines_for_failures_only():
    """On a real terminal, by a process of its own."""
    code = f"import runpy; test = runpy.run_path({__file__!r}); test['tell'](test['ProgressBar'](2))"
    terminal, side_of_the_process = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=side_of_the_process)
    os.close(side_of_the_process)
    out, _ = process.communicate(timeout=120)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert (process.returncode, out) == (0, b"")
    lines = [line.strip() for line in re.split(r"[\r\n]", shown) if line.strip()]
    assert [without_time(line) for line in lines if line.startswith("[")] == [
        FAILURES[0],
        "[1/2] told to stop: 1 training saves, up to 300 s; Ctrl-C again kills what has not left",
        FAILURES[1],
    ]
    assert "2 of 2 trainings" in lines[-1]


def test_on_a_terminal_the_clock_goes_on_while_nothing_ends():
    code = f"""
import runpy, time
test = runpy.run_path({__file__!r})
progress = test["ProgressBar"](2)
progress.started(test["ONE"], 1, 0)
progress.started(test["TWO"], 1, 0)
time.sleep(2.5)
progress.stored(test["ONE"])
time.sleep(1.5)
progress.close()
"""
    terminal, side_of_the_process = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", code], stderr=side_of_the_process) as process:
        os.close(side_of_the_process)
        process.wait(timeout=120)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert "running" not in re.split(r"[\r\n]", shown.rstrip())[-1]
    painted = re.findall(r"(\d) of 2 trainings [^\r\n]*?(00:\d\d), (\d) running", shown)
    assert len({clock for stored, clock, running in painted if (stored, running) == ("0", "2")}) >= 2
    assert ("1", "1") in {(stored, running) for stored, _, running in painted}
