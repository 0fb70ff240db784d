"""What README.md says is true: its commands, links, paths and tree."""

import argparse
import html
import importlib.util
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

from rlhpc.launch.config import read


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text()


@pytest.fixture(scope="module")
def commands(readme):
    """Every command line of the shell blocks, comments and line breaks undone."""
    blocks = re.findall(r"```sh\n(.*?)```", readme, flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def jobs_in(commands):
    """Yield script and arguments of every job, also of the search that sbatch is handed."""
    for words in commands:
        if "slurm/subset_search.sh" in words:
            yield "jobs/subset_search.py", words[words.index("slurm/subset_search.sh") + 1 :]
        elif words[0].endswith("python"):
            yield words[1], words[2:]


def load_job(root, script):
    spec = importlib.util.spec_from_file_location(script.replace("/", "_").removesuffix(".py"), root / script)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def test_every_make_target_that_is_named_exists(root, commands):
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), flags=re.MULTILINE)
    named = {words[1] for words in commands if words[0] == "make"}
    assert named >= {"demo", "test"}
    assert named <= set(targets)


def test_every_command_line_is_understood_by_its_job(root, commands, monkeypatch):
    parsers = []
    monkeypatch.setattr(argparse.ArgumentParser, "error", lambda self, message: pytest.fail(f"{self.prog}: {message}"))
    for script, arguments in jobs_in(commands):
        job = load_job(root, script)
        args = job.parser().parse_intermixed_args(arguments)
        parsers.append(script)
        if script.endswith("launch_training.py"):
            monkeypatch.chdir(root)
            assert read(args)
    assert len(parsers) >= 8


@pytest.mark.slow
def test_the_dry_runs_print_what_the_readme_says(root, commands):
    dry_runs = [(script, arguments) for script, arguments in jobs_in(commands) if "--dry-run" in arguments]
    assert len(dry_runs) >= 2
    for script, arguments in dry_runs:
        shown = subprocess.run([sys.executable, script, *arguments], cwd=root, capture_output=True, text=True, check=True).stdout
        assert "760 trainings" in shown
        assert "32 array elements of 2 GPUs x 12 trainings" in shown


def test_every_link_leads_to_a_file(root, readme):
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme) if not link.startswith("http")]
    assert len(links) >= 6
    assert [link for link in links if not (root / link.partition("#")[0]).exists()] == []


def test_every_path_in_the_text_exists(root, readme):
    prose = re.sub(r"```.*?```", "", readme, flags=re.DOTALL)
    paths = [text for text in re.findall(r"`([^`\s]+)`", prose) if text.startswith(("jobs/", "rlhpc/", "configs/", "tests/"))]
    assert paths
    assert [path for path in paths if not (root / path).exists()] == []


def test_the_python_of_the_readme_runs(root, readme, tmp_path):
    """On a predictor in the place of the demo's."""
    (block,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    out = tmp_path / "logs" / "demo"
    (out / "trainings").mkdir(parents=True)
    table = out / "dataset.csv"
    rng = np.random.default_rng(0)
    rows = [f"Env {env},b,Discrete,0,100,{','.join(map(repr, rng.uniform(5, 90, 6).tolist()))}" for env in range(4)]
    table.write_text("\n".join(["Environments,Benchmark,Action Space,Base,Reference,a,b,c,d,e,f", *rows]))
    searched = ["jobs/subset_search.py", table, "--subset-size", 2, "--out", out]
    for job in (searched, ["jobs/subset_report.py", out]):
        subprocess.run([sys.executable, *map(str, job)], cwd=root, check=True, capture_output=True)
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Bounded(value=")


def test_the_tree_names_every_file_of_the_house_and_no_other(root, readme):
    (tree,) = re.findall(r"## The house\n\n```\n(.*?)```", readme, flags=re.DOTALL)
    named, folders = set(), []
    for line in tree.splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 4, line.split()[0]
        folders = [*folders[:depth], name]
        named.add("".join(folders))
    whole = {path for path in named if path.endswith("/") and sum(other.startswith(path) for other in named) == 1}
    kept = subprocess.run(["git", "ls-files", "jobs", "rlhpc"], cwd=root, capture_output=True, text=True, check=True).stdout
    house = {path for path in kept.split() if not path.endswith("__init__.py") and not path.startswith(tuple(whole))}
    assert {path for path in named if path.startswith(("jobs/", "rlhpc/")) and not path.endswith("/")} == house
    assert [path for path in named if not (root / path).exists()] == []


def test_the_pictures_are_pictures_and_need_nothing_from_elsewhere(root):
    assert (root / ".readme" / "report.png").read_bytes().startswith(b"\x89PNG")
    status = (root / ".readme" / "status.svg").read_text()
    told = " ".join(html.unescape(re.sub("<[^>]*>", "", status)).split())
    for words in ("logs/demo 40 trainings", "Trainings", "Where they run", "Ctrl-C ends this view, and nothing else"):
        assert words in told
    assert "url(http" not in status
