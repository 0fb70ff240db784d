"""The real program `wandb`, with a local stand-in for its server."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from rlhpc.errors import InputError, RlhpcError
from rlhpc.results.store import Store
from rlhpc.results.wandb_program import Ending, Program
from rlhpc.results.wandb_runs import offline_runs

ROOT = Path(__file__).parents[2]
WORLD = runpy.run_path(str(ROOT / "tests" / "wandb_server.py"))
MADE = """
import sys, runpy
from pathlib import Path
made = runpy.run_path("tests/offline_runs.py")
made["track"](made["Store"](Path(sys.argv[1])), 1, range(10, 5000, 10), 1.0)
"""


@pytest.fixture(autouse=True)
def server(monkeypatch, tmp_path):
    """Serve, with our environment pointing there; what nodes without a network set is set."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    with WORLD["serving"]() as server:
        for name, value in server.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        for name, value in (("WANDB_MODE", "offline"), ("WANDB_SILENT", "true"), ("WANDB_QUIET", "true")):
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def part(tmp_path):
    """Make a run of 499 rows, more than one block of 32 KB."""
    program = [sys.executable, "-c", MADE, tmp_path / "demo"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    subprocess.run(program, cwd=ROOT, env=environment, check=True, capture_output=True)
    ((part,),) = [run.parts for run in offline_runs(Store(tmp_path / "demo"))]
    return part


def test_asking_tells_whose_key_it_is_and_writes_no_key(tmp_path, server):
    assert Program().ask() == f"Currently logged in as: me ({WORLD['ENTITY']}) to {server.url}"
    assert not (tmp_path / "home" / "netrc").exists()


@pytest.mark.parametrize("key", ["", "too-short"])
def test_without_a_good_key_the_input_is_wrong_and_no_log_is_left_where_we_are(monkeypatch, tmp_path, key):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", key)
    with pytest.raises(InputError, match="API key") as error:
        Program().ask()
    assert "wandb login" in str(error.value)
    assert not (tmp_path / "wandb").exists()


def test_a_server_that_refuses_to_answer_cannot_be_reached(server):
    server.answers = False
    with pytest.raises(RlhpcError, match="HTTPS_PROXY"):
        Program().ask()


def test_a_part_is_sent_whole_and_its_link_is_the_servers(part, server):
    outcome = Program().send(part)
    assert (outcome.ending, outcome.url, outcome.reason) == (Ending.SENT, server.link(part.run_id), "")
    assert server.history[part.run_id] == list(range(10, 5000, 10))


@pytest.mark.parametrize("damage", ["cut", "flipped", "begun", "empty"])
def test_what_can_be_read_of_a_damaged_part_is_sent_and_it_is_named(part, server, damage):
    text = part.file.read_bytes()
    assert len(text) > 40_000
    within = (
        text.index(b"_timestamp", 40_000) + 3
    )  # of the last few bytes, which are no whole head of a record, wandb says nothing
    damaged = {"cut": text[:within], "flipped": text[:36_000] + b"X" * 8 + text[36_008:], "begun": text[:7], "empty": b""}
    part.file.write_bytes(damaged[damage])
    outcome = Program().send(part)
    assert outcome.ending is Ending.UNREADABLE
    assert outcome.reason
    steps = server.history.get(part.run_id, [])
    assert steps == list(range(10, 5000, 10))[: len(steps)]
    assert bool(steps) == (damage in {"cut", "flipped"})


def test_a_part_without_its_file_is_named(part):
    part.file.unlink()
    outcome = Program().send(part)
    assert (outcome.ending, outcome.url) == (Ending.UNREADABLE, None)
    assert "there is nothing to send" in outcome.reason


def test_a_part_whose_data_were_refused_is_not_left_marked_as_sent(part, server):
    server.refused = {part.run_id: "file_stream"}
    outcome = Program().send(part)
    assert outcome.ending is Ending.FAILED
    assert "Some run data will not be synced" in outcome.reason
    assert not part.mark.exists()
    server.refused = {}
    assert Program().send(part).ending is Ending.SENT
    assert server.history[part.run_id] == list(range(10, 5000, 10))


def test_a_refused_run_fails_with_the_servers_words(part, server):
    server.refused = {part.run_id: "UpsertBucket"}
    outcome = Program().send(part)
    assert (outcome.ending, outcome.url, outcome.reason) == (Ending.FAILED, None, "permission denied")
