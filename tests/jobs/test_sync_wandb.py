"""The job, end to end: the real `wandb sync` sends real offline runs to a local stand-in for the server."""

import csv
import json
import os
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOB = (sys.executable, "jobs/sync_wandb.py")
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
WORLD = runpy.run_path(str(ROOT / "tests" / "wandb_server.py"))
STEPS = {1: [10, 20], 2: [10, 20, 30, 40, 50, 60], 4: [10, 20]}  # seed -> what a server has in the end; 3 is cut


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make the grid once."""
    folder = tmp_path_factory.mktemp("made") / "demo"
    program = [sys.executable, "tests/offline_runs.py", folder]
    subprocess.run(program, cwd=ROOT, env={**os.environ, **WORLD["isolated"](folder.parent)}, check=True, capture_output=True)
    return folder


@pytest.fixture
def demo(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "demo"))


@pytest.fixture
def server():
    with WORLD["serving"]() as server:
        yield server


@pytest.fixture
def environment(server, tmp_path):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return clean | server.environment(tmp_path / "home")


def run(*arguments, env):
    return subprocess.run([*JOB, *map(str, arguments)], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def answer(*arguments, env):
    return json.loads(run(*arguments, "--json", env=env).stdout)


def wait_for(is_so):
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def parts(demo, seed):
    return sorted((demo / "trainings" / "bench" / "Pong-v0" / "ppo" / str(seed) / "wandb").glob("offline-run-*"))


def id_of(demo, seed):
    return parts(demo, seed)[0].name.split("-")[-1]


def collect(demo):
    subprocess.run([sys.executable, "jobs/collect_scores.py", demo], cwd=ROOT, check=True, capture_output=True)
    return demo / "scores.csv"


def links_in(scores):
    with scores.open(newline="") as stream:
        return {int(row["seed"]): row["wandb_url"] for row in csv.DictReader(stream)}


def test_everything_is_sent_in_order_once_and_what_was_cut_is_named(demo, server, environment):
    done = run(demo, env=environment)
    assert done.returncode == 0, done.stderr
    assert "logged in as: me" in done.stderr
    assert "4 runs in 6 parts" in done.stdout
    assert "5 parts sent" in done.stdout
    assert {seed: server.history[id_of(demo, seed)] for seed in STEPS} == STEPS
    assert server.history[id_of(demo, 3)][-3:] == [40, 50, 60]  # though the part before is cut
    assert "1 part cannot be read to the end" in done.stdout
    assert "bench/Pong-v0/ppo/3: " in done.stdout
    assert "incomplete record" in done.stdout
    assert f"wandb sync {parts(demo, 3)[0]}" in done.stdout

    before = {run_id: list(steps) for run_id, steps in server.history.items()}
    again = run(demo, env=environment)
    assert again.returncode == 0
    assert "0 runs, 0.0 MB to send\n5 parts sent before" in again.stdout
    assert "incomplete record" in again.stdout  # told each time
    assert server.history == before


def test_the_links_that_the_server_told_come_into_scores_csv_and_nothing_else_changes(demo, server, environment):
    scores = collect(demo)
    before = scores.read_bytes()
    assert set(links_in(scores).values()) == {""}
    told = answer(demo, env=environment)
    expected = {seed: server.link(id_of(demo, seed)) for seed in (1, 2, 3)}
    assert links_in(scores) == expected
    assert told["n_links"] == 3
    assert {each["url"] for each in told["sent"]} == {*expected.values(), server.link(id_of(demo, 4))}
    text = scores.read_bytes()
    for link in expected.values():
        text = text.replace(link.encode(), b"")
    assert text == before
    after = scores.read_bytes()
    collect(demo)
    assert scores.read_bytes() == after


def test_without_scores_csv_the_job_says_who_writes_it(demo, environment):
    assert "collect_scores.py writes them into scores.csv" in run(demo, env=environment).stdout
    assert all(links_in(collect(demo)).values())


def test_a_dry_run_says_how_much_and_changes_nothing(demo, environment):
    before = {path: path.stat().st_mtime_ns for path in demo.rglob("*")}
    nobody = environment | {"WANDB_BASE_URL": "http://127.0.0.1:9"}  # nobody listens at the discard port
    told = answer(demo, "--dry-run", env=nobody)
    assert (told["to_send"]["runs"], told["to_send"]["parts"], told["n_waiting"]) == (4, 6, 0)
    assert told["to_send"]["megabytes"] == sum(file.stat().st_size for file in demo.rglob("offline-run-*/*.wandb")) / 1e6
    assert re.search(r"4 runs in 6 parts, 0\.0 MB to send", run(demo, "--dry-run", env=nobody).stdout)
    assert {path: path.stat().st_mtime_ns for path in demo.rglob("*")} == before


def test_a_run_that_is_refused_does_not_stop_the_others_and_is_sent_at_the_next_start(demo, server, environment):
    server.refused = {id_of(demo, 2): "UpsertBucket", id_of(demo, 1): "file_stream"}
    done = run(demo, env=environment)
    assert done.returncode == 1
    assert "2 parts could not be sent" in done.stdout
    assert "bench/Pong-v0/ppo/2: permission denied" in done.stdout
    assert "Some run data will not be synced" in done.stdout
    assert f"or by hand: {shlex.join(['wandb', 'sync', str(parts(demo, 2)[0])])}" in done.stdout
    assert "1 part not tried. An older part of the run must come first." in done.stdout
    assert server.history[id_of(demo, 4)] == [10, 20]
    assert id_of(demo, 2) not in server.history  # its second part does not come before its first

    server.refused = {}
    assert run(demo, env=environment).returncode == 0
    assert {seed: server.history[id_of(demo, seed)] for seed in STEPS} == STEPS


def test_a_few_runs_are_sent_at_once(demo, server, environment):
    server.gate.clear()
    with subprocess.Popen([*JOB, demo, "--at-once", "2"], cwd=ROOT, env=environment, **PIPES) as job:
        wait_for(lambda: server.most_at_once == 2)
        server.gate.set()
        job.communicate(timeout=300)
    assert job.returncode == 0
    assert server.most_at_once == 2


def test_the_part_of_a_running_training_is_left_out_and_counted(demo, server, environment):
    (parts(demo, 4)[0].parents[1] / "lease.json").write_text('{"id": "x", "host": "elsewhere", "pid": 1}')
    told = answer(demo, env=environment)
    assert (told["n_unfinished"], told["to_send"]["parts"]) == (1, 5)
    assert id_of(demo, 4) not in server.history


def test_ctrl_c_lets_what_is_under_way_be_sent_and_the_next_start_sends_the_rest(demo, server, environment):
    server.gate.clear()
    with subprocess.Popen([*JOB, demo, "--at-once", "1"], cwd=ROOT, env=environment, **PIPES) as job:
        wait_for(lambda: server.most_at_once)
        job.send_signal(signal.SIGINT)
        assert any("Ctrl-C again stops at once" in line for line in job.stderr)
        server.gate.set()
        _, said = job.communicate(timeout=300)
    assert job.returncode == 130
    assert "start again to send the rest" in said
    assert len(list(demo.rglob("*.wandb.synced"))) == 1
    assert len(json.loads((demo / "wandb_links.json").read_text())["urls"]) == 1
    assert run(demo, env=environment).returncode == 0
    assert {seed: server.history[id_of(demo, seed)] for seed in STEPS} == STEPS


def test_a_server_that_answers_no_more_ends_it(demo, server, environment):
    real = server.ask

    def close_after_the_first(question, variables, text):
        server.answers = question != "UpsertBucket"
        return real(question, variables, text)

    server.ask = close_after_the_first
    done = run(demo, "--at-once", 1, env=environment)
    assert done.returncode == 1
    assert "not tried. Weights & Biases" in done.stdout
    assert list(server.history.values()) == [[]]
    assert not list(demo.rglob("*.synced"))


def test_a_second_start_is_refused_while_the_first_sends_and_nothing_is_sent_twice(demo, server, environment):
    server.gate.clear()
    with subprocess.Popen([*JOB, demo], cwd=ROOT, env=environment, **PIPES) as first:
        wait_for(lambda: server.most_at_once)
        second = run(demo, env=environment)
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr.startswith(f"error: the runs of '{demo}' are being sent by process {first.pid} on host ")
        assert run(demo, "--dry-run", env=environment).returncode == 0
        server.gate.set()
        _, said = first.communicate(timeout=300)
    assert first.returncode == 0, said
    assert {seed: server.history[id_of(demo, seed)] for seed in STEPS} == STEPS
    links = json.loads((demo / "wandb_links.json").read_text())["urls"]
    assert links == {id_of(demo, seed): server.link(id_of(demo, seed)) for seed in (1, 2, 3, 4)}
    assert not (demo / "lease.json").exists()


def test_a_run_that_was_sent_by_hand_is_told_until_its_link_is_given_by_hand_too(demo, server, environment):
    by_hand = [sys.executable, "-m", "wandb", "sync", parts(demo, 1)[0]]
    subprocess.run(by_hand, cwd=demo.parent, env=environment, check=True, capture_output=True)
    scores, lost = collect(demo), {"training": "bench/Pong-v0/ppo/1", "run_id": id_of(demo, 1)}
    told = answer(demo, "--dry-run", env=environment)
    assert (told["without_link"], told["links"]) == ([lost], None)
    assert "links:" not in run(demo, "--dry-run", env=environment).stdout

    done = run(demo, env=environment)
    assert done.returncode == 0
    assert "1 run sent without a known link" in done.stdout
    assert f"  - bench/Pong-v0/ppo/1: run {id_of(demo, 1)}" in done.stdout
    assert links_in(scores)[1] == ""

    links = demo / "wandb_links.json"
    assert answer(demo, env=environment)["without_link"] == [lost]  # told each time
    links.write_text(links.read_text().replace("null", '"https://by/hand"'))
    told = answer(demo, env=environment)
    assert (told["without_link"], told["n_links"], told["links"]) == ([], 1, str(links))
    assert links_in(scores)[1] == "https://by/hand"


# --- before anything is tried ----------------------------------------------------------------------------------------


def test_without_a_key_nothing_is_tried(demo, server, environment):
    del environment["WANDB_API_KEY"]
    done = run(demo, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: Weights & Biases takes no runs from here: No API key configured")
    assert "WANDB_API_KEY" in done.stderr
    assert (server.history, list(demo.rglob("*.synced"))) == ({}, [])


def test_without_a_network_nothing_is_tried_and_the_key_is_not_told(demo, environment):
    done = run(demo, env=environment | {"WANDB_BASE_URL": "http://127.0.0.1:9"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: Weights & Biases cannot be reached: ")
    assert "login node" in done.stderr
    assert WORLD["KEY"] not in done.stderr
    assert not list(demo.rglob("*.sync*"))


@pytest.mark.parametrize("folder", ["absent", "empty"])
def test_a_folder_without_trainings_exits_2(tmp_path, folder):
    (tmp_path / "empty" / "trainings").mkdir(parents=True)
    done = run(tmp_path / folder, env=os.environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds no trainings" in done.stderr


def test_a_grid_without_offline_runs_has_nothing_to_send(tmp_path):
    (tmp_path / "trainings" / "bench" / "Pong" / "ppo" / "1").mkdir(parents=True)
    done = run(tmp_path, env=os.environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no offline run" in done.stdout


def test_nothing_at_once_is_refused(demo):
    done = run(demo, "--at-once", 0, env=os.environ)
    assert done.returncode == 2
    assert "--at-once 0 is too small" in done.stderr
