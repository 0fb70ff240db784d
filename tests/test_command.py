import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rlhpc import command
from rlhpc.errors import DamagedResultError, InputError

DOC = """Do a thing.

examples:
  python jobs/thing.py --json
      print the thing
"""
# A job whose work is the Python expression that it is given.
JOB = """
import sys
from rlhpc import command
built = command.parser("Do what is asked.")
built.add_argument("work")
command.main(built, lambda args: eval(args.work))
"""


def start(work, stdout=subprocess.PIPE):
    """Start a job in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", JOB, work], stdout=stdout, stderr=subprocess.PIPE, text=True)


def nothing(args):
    """Do no work."""


def parsed(monkeypatch, *arguments):
    """Parse a command line as `main` does, and return the arguments."""
    built = command.parser(DOC)
    command.add_config(built, Path("configs/thing.yaml"))
    monkeypatch.setattr(sys, "argv", ["jobs/thing.py", *arguments])
    got = []
    with pytest.raises(SystemExit) as ended:
        command.main(built, got.append)
    assert ended.value.code == 0
    return got[0]


def ended(monkeypatch, work, *flags):
    """Run a job in this process, and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["jobs/thing.py", *flags])
    with pytest.raises(SystemExit) as caught:
        command.main(command.parser(DOC), work)
    return caught.value.code


def fail(error):
    """Return work that fails."""

    def work(args):
        raise error

    return work


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1)])
def test_the_exit_code_is_what_the_work_returns(monkeypatch, returned, code):
    assert ended(monkeypatch, lambda _: returned) == code


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InputError("one is wrong.", "two is wrong."), 2, "error: one is wrong.\ntwo is wrong.\n"),
        (DamagedResultError("it is damaged."), 1, "error: it is damaged.\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_an_error_is_one_paragraph_on_standard_error_and_an_exit_code(monkeypatch, capsys, error, code, told):
    assert ended(monkeypatch, fail(error), "--json") == code
    assert capsys.readouterr() == ("", told)


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["jobs/thing.py", "--debug"])
    with pytest.raises(InputError, match="is wrong"):
        command.main(command.parser(DOC), fail(InputError("one is wrong.")))


def test_an_error_of_our_own_making_is_never_hidden(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["jobs/thing.py"])
    with pytest.raises(ZeroDivisionError):
        command.main(command.parser(DOC), lambda _: 1 // 0)


@pytest.mark.parametrize("arguments", [["--unknown"], ["--jso"], ["left over"]])
def test_a_wrong_command_line_exits_2(monkeypatch, capsys, arguments):
    assert ended(monkeypatch, nothing, *arguments) == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--jsno"], "unrecognized arguments: --jsno. Did you mean '--json'?"),
        (["--confg", "a.yaml"], "unrecognized arguments: --confg. Did you mean '--config'?"),
        (["--envs", "X-v0"], "unrecognized arguments: --envs. Keys of the configuration have no dashes: envs=..."),
        (["--wandb-mode=off"], "--wandb-mode=off. Keys of the configuration have no dashes: wandb_mode=..."),
    ],
)
def test_a_flag_that_there_is_not_is_answered_with_what_was_perhaps_meant(monkeypatch, capsys, words, told):
    built = command.parser(DOC)
    command.add_config(built, Path("configs/thing.yaml"))
    monkeypatch.setattr(sys, "argv", ["jobs/thing.py", *words])
    with pytest.raises(SystemExit) as caught:
        command.main(built, nothing)
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith(f"{told}\n")


def test_help_shows_what_the_job_does_its_examples_as_they_stand_and_defaults(monkeypatch, capsys):
    built = command.parser(DOC)
    command.add_config(built, Path("configs/thing.yaml"))
    built.add_argument("--places", type=int, default=7, help="how many")
    built.add_argument("--partition", help="where")
    monkeypatch.setattr(sys, "argv", ["jobs/thing.py", "--help"])
    with pytest.raises(SystemExit) as caught:
        command.main(built, nothing)
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert "Do a thing." in shown
    assert "examples:\n  python jobs/thing.py --json\n      print the thing\n" in shown
    assert "how many (default: 7)" in shown
    assert shown.count("(default:") == 1  # none for flags that are off and values that are not given
    assert "laid over thing.yaml" in shown


@pytest.mark.parametrize(
    ("arguments", "files", "overrides"),
    [
        ([], [], []),
        (["--config", "a.yaml", "b.yaml", "name=x"], ["a.yaml", "b.yaml"], ["name=x"]),
        (["name=x", "--config", "a.yaml"], ["a.yaml"], ["name=x"]),
        (["--config=a.yaml", "b.yaml", "name=x"], ["a.yaml", "b.yaml"], ["name=x"]),
        (["--config", "a.yaml", "--config=b.yaml", "name=x"], ["a.yaml", "b.yaml"], ["name=x"]),
        (["--config", "a.yaml", "--json", "name=x", "seeds=[1,2]"], ["a.yaml"], ["name=x", "seeds=[1,2]"]),
        (["--config", "a.yaml", "--config", "b.yaml", "n=1"], ["a.yaml", "b.yaml"], ["n=1"]),
        (["a=1", "--config", "a.yaml", "--debug", "b=2"], ["a.yaml"], ["a=1", "b=2"]),
        (["--config", "a.yaml", "a=1", "b=2", "a=3"], ["a.yaml"], ["a=1", "b=2", "a=3"]),
    ],
)
def test_files_and_values_are_told_apart_wherever_they_stand(monkeypatch, arguments, files, overrides):
    args = parsed(monkeypatch, *arguments)
    assert args.config == [Path(file) for file in files]
    assert args.overrides == overrides


def test_a_file_whose_name_holds_an_equals_sign_is_a_file_where_it_exists(monkeypatch, tmp_path):
    file = tmp_path / "lr=0.1.yaml"
    file.write_text("")
    args = parsed(monkeypatch, "--config", str(file), "name=x")
    assert (args.config, args.overrides) == ([file], ["name=x"])


def test_a_long_value_after_config_is_a_value(monkeypatch):
    value = f"envs=[{','.join(f'Game{i}NoFrameskip-v4' for i in range(26))}]"
    assert parsed(monkeypatch, "--config", "a.yaml", value).overrides == [value]


def test_of_two_values_of_a_key_the_right_one_counts(monkeypatch):
    assert parsed(monkeypatch, "name=left", "--config", "a.yaml", "name=right").overrides == ["name=left", "name=right"]


def test_positional_arguments_may_stand_before_and_after_flags(monkeypatch, capsys):
    built = command.parser(DOC)
    built.add_argument("folder", type=Path)
    built.add_argument("names", nargs="*")
    monkeypatch.setattr(sys, "argv", ["jobs/thing.py", "logs/x", "--debug", "a", "b"])
    with pytest.raises(SystemExit):
        command.main(built, lambda args: print(args.folder, args.names))
    assert capsys.readouterr().out == "logs/x ['a', 'b']\n"


def test_with_json_standard_output_holds_one_object_and_all_else_goes_elsewhere(monkeypatch, capsys):
    def work(args):
        print("a note, or the greeting of a module")
        command.answer(args, {"score": 0.1 + 0.2, "names": ["a"], "none": None}, "the score is 0.3")

    assert ended(monkeypatch, work, "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"score": 0.30000000000000004, "names": ["a"], "none": None}
    assert shown.err == "a note, or the greeting of a module\n"
    assert ended(monkeypatch, work) == 0
    assert capsys.readouterr() == ("a note, or the greeting of a module\nthe score is 0.3\n", "")


def test_json_never_holds_what_is_no_json(monkeypatch):
    with pytest.raises(ValueError, match="not JSON compliant"):
        ended(monkeypatch, lambda args: command.answer(args, {"score": float("nan")}, ""), "--json")


@pytest.mark.parametrize("n_lines", [1, 100_000])
def test_a_reader_that_leaves_early_is_no_error(n_lines):
    job = start(f"[print(i) for i in range({n_lines})].clear()")
    job.stdout.close()
    _, told = job.communicate()
    assert (job.returncode, told) == (0, "")


def test_a_reader_that_leaves_early_does_not_make_failed_work_good():
    job = start("print('3 failed') or 1")
    job.stdout.close()
    _, told = job.communicate()
    assert (job.returncode, told) == (1, "")


def test_an_answer_that_cannot_be_written_is_a_failure():
    with Path("/dev/full").open("w") as full:
        job = start("print('the answer')", stdout=full)
        job.communicate()
    assert job.returncode != 0


def test_ctrl_c_leaves_with_130_and_no_traceback():
    job = start("print('working', flush=True) or __import__('time').sleep(60)")
    assert job.stdout.readline() == "working\n"
    job.send_signal(signal.SIGINT)
    _, told = job.communicate(timeout=120)
    assert (job.returncode, told) == (130, "interrupted\n")


def test_ctrl_c_while_a_job_imports_what_it_needs_leaves_with_130_and_no_traceback(tmp_path):
    """Python ends by the signal then, of which a shell makes 130."""
    (tmp_path / "slow.py").write_text("import time; print('importing', flush=True); time.sleep(60)")
    code = "from rlhpc import command; import slow"
    where = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    job = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=where)
    assert job.stdout.readline() == "importing\n"
    job.send_signal(signal.SIGINT)
    _, told = job.communicate(timeout=120)
    assert (job.returncode, told) == (-signal.SIGINT, "interrupted\n")


def test_a_failure_of_the_system_is_one_line_with_its_own_words(monkeypatch, capsys, tmp_path):
    assert ended(monkeypatch, fail(IsADirectoryError(21, "Is a directory", str(tmp_path)))) == 1
    told = capsys.readouterr().err
    assert told == f"error: [Errno 21] Is a directory: '{tmp_path}'\n"


# --- completion -----------------------------------------------------------------------------------------------------------

COMPLETE = """
eval "$("$1"/activate-global-python-argcomplete --dest=-)"
COMP_WORDS=(python "$2" $4 "$3"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE="${COMP_WORDS[*]}"
COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
_python_argcomplete_global python "$3" "$2" 2>/dev/null  # what it would set up for a real terminal
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(job, word, root, before=""):
    """Return what bash offers where its user has typed a word behind a job, and perhaps a flag, and pressed Tab."""
    binaries = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-c", COMPLETE, "bash", str(binaries), f"jobs/{job}.py", word, before]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("job", sorted(path.stem for path in (Path(__file__).parents[1] / "jobs").glob("*.py")))
def test_tab_completes_the_flags_of_every_job(job, root):
    assert completed(job, "--js", root) == ["--json"]


def test_tab_completes_the_keys_of_a_configuration(root):
    assert completed("launch_training", "packing.a", root) == ["packing.affinity="]
    assert "envs=" in completed("launch_training", "env", root)


def test_tab_completes_the_words_that_a_key_allows(root):
    assert completed("launch_training", "device=", root) == ["auto", "cpu", "cuda"]  # bash takes = for the end of a word
    assert completed("launch_training", "wandb.mode=off", root) == ["offline"]
    assert completed("launch_training", "name=", root) == []


def test_tab_completes_the_names_of_algorithms_and_files_where_no_name_begins_so(root):
    assert completed("verify_resume", "ppo_", root, "--algo") == ["ppo_converged", "ppo_high_lr"]
    assert completed("verify_resume", "configs/algos/dq", root, "--algo") == ["configs/algos/dqn.yaml"]


@pytest.mark.parametrize("job", ["collect_scores", "random_score", "subset_search"])
def test_tab_completes_the_names_of_benchmarks(job, root):
    assert completed(job, "atari", root, "--benchmarks") == ["atari100k"]
