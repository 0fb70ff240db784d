"""The rules of the house: who may import whom, where heavy packages live, what every job shows."""

import ast
import graphlib
import io
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from rlhpc import command

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for folder in ("rlhpc", "jobs") for path in (ROOT / folder).rglob("*.py"))
JOBS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py"))

# Part of the package -> the other parts it may import.
MAY_IMPORT = {
    "errors": set(),
    "clock": set(),
    "mounts": set(),
    "container": {"mounts"},
    "files": {"container", "errors"},
    "records": {"errors", "files"},
    "config": {"errors", "files"},
    "threads": set(),
    "words": set(),
    "command": {"container", "errors", "files", "threads"},
    "cluster": {"clock", "container", "errors", "files", "mounts", "words"},
    "benchmarks": {"errors", "records", "config"},
    "results": {"errors", "files", "records", "words"},
    "status": {"errors", "files", "records", "results", "cluster", "words"},
    "training": {"clock", "container", "errors", "files", "mounts", "records", "config", "results", "words"},
    "search": {"errors", "files"},
    "launch": {"command", "errors", "files", "config", "records", "benchmarks", "results", "training", "cluster", "words"},
    "report": {"errors", "files", "results", "search", "words"},
    "notebook": {"errors", "records", "results", "search", "report", "threads"},
}
# Heavy package -> the only files, or folders of files, that import it.
HOMES = {
    "omegaconf": "rlhpc/config.py",
    "submitit": "rlhpc/cluster/",
    "numba": "rlhpc/search/compiled/",
    "llvmlite": "rlhpc/search/compiled/",
    "torch": "rlhpc/training/",
    "stable_baselines3": "rlhpc/training/",
    "sb3_contrib": "rlhpc/training/",
    "gymnasium": "rlhpc/training/",
    "ale_py": "rlhpc/training/",
    "shimmy": "rlhpc/training/",
    "mujoco": ("rlhpc/training/physics.py", "rlhpc/training/lean/control.py"),
    "dm_control": ("rlhpc/training/physics.py", "rlhpc/training/lean/control.py"),
    "cloudpickle": "rlhpc/training/snapshot.py",
    "zstandard": "rlhpc/training/checkpoint.py",
    "wandb": "rlhpc/training/tracking.py",
    "matplotlib": "rlhpc/report/figures/",
    "jinja2": "rlhpc/report/",
    "rich": "rlhpc/status/view.py",
}


def name_of(path):
    """Return the dotted name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in MODULES}


def imports_in(text, package):
    """Return the modules that a file of a package imports, wherever in its text, by their full names."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            # `from rlhpc.training import grid` imports the module rlhpc.training.grid, `from rlhpc import __version__` none
            found |= {full if (full := f"{module}.{alias.name}") in NAMES else module for alias in node.names}
    return found


def imports_of(path):
    """Return the modules that a file imports."""
    name = name_of(path)
    return imports_in(path.read_text(), name if path.name == "__init__.py" else name.rpartition(".")[0])


def part_of(module):
    """Return the part of the package that a module belongs to; blank for rlhpc itself."""
    return ".".join(module.split(".")[1:2])


def test_imports_are_found_wherever_they_stand():
    text = (
        "from . import grid\nfrom ..files import digest\nfrom rlhpc import __version__\ndef f():\n    import torch.nn\n"
        "if TYPE_CHECKING:\n    from rlhpc.training import plan as p\n"
    )
    expected = {"rlhpc.training.grid", "rlhpc.files", "rlhpc", "torch.nn", "rlhpc.training.plan"}
    assert imports_in(text, "rlhpc.training") == expected


def test_every_part_has_a_rule():
    parts = {part_of(name) for name in NAMES if name.startswith("rlhpc.")}
    assert parts <= MAY_IMPORT.keys()


def test_parts_import_only_what_they_may():
    wrong = [
        f"{name} imports {imported}"
        for path in MODULES
        if (name := name_of(path)).startswith("rlhpc.")
        for imported in sorted(imports_of(path))
        if imported.startswith("rlhpc.") and part_of(imported) not in {part_of(name), *MAY_IMPORT[part_of(name)]}
    ]
    assert wrong == []


def test_the_package_itself_imports_nothing():
    assert imports_of(ROOT / "rlhpc" / "__init__.py") == set()


def test_nothing_imports_a_job():
    wrong = [
        f"{name_of(path)} imports {imported}"
        for path in MODULES
        for imported in sorted(imports_of(path))
        if imported.split(".")[0] in {"jobs", *JOBS}
    ]
    assert wrong == []


def test_heavy_packages_have_one_home_each():
    wrong = [
        f"{path.relative_to(ROOT)} imports {imported}"
        for path in MODULES
        for imported in sorted(imports_of(path))
        if not path.relative_to(ROOT).as_posix().startswith(HOMES.get(imported.split(".")[0], ""))
    ]
    assert wrong == []


def test_no_imports_go_in_a_circle():
    graph = {name_of(path): {name for name in imports_of(path) if name in NAMES} for path in MODULES}
    list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    ("what", "must_not_load"),
    [
        ("rlhpc.search", "torch gymnasium matplotlib pandas"),
        ("jobs/subset_search.py", "torch gymnasium matplotlib"),
        ("jobs/predict_benchmark.py", "torch gymnasium matplotlib pandas"),
        ("jobs/collect_scores.py", "torch gymnasium matplotlib"),
        ("jobs/launch_training.py", "torch matplotlib wandb"),
        ("jobs/launch_training.py --cluster local --dry-run", "torch matplotlib wandb"),
        ("jobs/verify_resume.py", "torch matplotlib wandb"),
        ("jobs/audit.py", "torch gymnasium matplotlib pandas"),
        ("jobs/check_cluster.py", "torch matplotlib wandb"),
        ("jobs/status.py", "torch gymnasium matplotlib pandas submitit"),
        ("jobs/sync_wandb.py", "torch gymnasium matplotlib pandas wandb"),
    ],
)
def test_what_must_start_at_once_loads_no_heavy_package(what, must_not_load):
    code = (
        "import importlib, runpy, sys\n"
        "names, what, *words = sys.argv[1:]\n"
        "sys.argv[1:] = words or ['--help']\n"
        "try: runpy.run_path(what, run_name='__main__') if what.endswith('.py') else importlib.import_module(what)\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print('loaded:', *[name for name in names.split() if name in sys.modules])"
    )
    command_line = [sys.executable, "-c", code, must_not_load, *what.split()]
    done = subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"


def public_definitions(path):
    """Yield the public functions and classes of a file, and the public methods of its public classes."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            inner = node.body if isinstance(node, ast.ClassDef) else []
            for method in inner:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    yield f"{node.name}.{method.name}", method


def test_every_module_and_public_name_has_a_docstring():
    silent = [name_of(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))]
    silent += [
        f"{name_of(path)}.{name}"
        for path in MODULES
        for name, definition in public_definitions(path)
        if not ast.get_docstring(definition)
    ]
    assert silent == []


def examples_of(job):
    """Return the command lines that a job's docstring shows."""
    doc = ast.get_docstring(ast.parse((ROOT / "jobs" / f"{job}.py").read_text())) or ""
    return [line.strip() for line in doc.splitlines() if line.strip().startswith("python jobs/")]


@pytest.mark.parametrize("job", JOBS)
def test_help_exits_0_and_shows_the_examples(job):
    done = subprocess.run([sys.executable, f"jobs/{job}.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert examples_of(job)
    assert all(example in done.stdout for example in examples_of(job))
    assert "--json" in done.stdout


@pytest.fixture
def parse(monkeypatch):
    """Parse the command line of a job as the job does, and do none of its work."""

    class Parsed(Exception):  # noqa: N818  # it is no error
        pass

    def stop(args):
        raise Parsed(args)

    real = command.main
    monkeypatch.setattr(command, "main", lambda built, _work: real(built, stop))

    def parse(path, *arguments):
        monkeypatch.setattr(sys, "argv", [path, *arguments])
        with pytest.raises(Parsed) as caught:
            runpy.run_path(str(ROOT / path), run_name="__main__")
        return caught.value.args[0]

    return parse


@pytest.mark.parametrize("example", [example for job in JOBS for example in examples_of(job)])
def test_examples_of_docstrings_parse(parse, example):
    _, path, *arguments = shlex.split(example)
    args = parse(path, *arguments)
    named = [Path(argument) for argument in arguments if argument.startswith("configs/")]
    assert all((ROOT / file).exists() for file in named)
    if "config" in args:
        assert args.config == named


def test_a_wrong_example_would_be_noticed(parse):
    with pytest.raises(SystemExit) as ended:
        parse("jobs/launch_training.py", "--dry-rnu")
    assert ended.value.code == 2


# --- suppressions ----------------------------------------------------------------------------------------------------------

SUPPRESSION = re.compile(r"# *(noqa\b:? ?[A-Z0-9, ]*|type: ignore(\[[a-z, -]+\])?|fmt: \w+|pragma: [a-z ]+)")


def unexplained(text):
    """List the comments that silence a check without a reason behind it on the same line."""
    comments = [
        (token.start[0], token.string)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT and SUPPRESSION.search(token.string)
    ]
    return [f"{line}: {comment}" for line, comment in comments if not SUPPRESSION.sub("", comment).strip(" #")]


def test_whatever_silences_a_check_says_why_on_its_line():
    assert [f"{path.relative_to(ROOT)}:{found}" for path in MODULES for found in unexplained(path.read_text())] == []


def is_of_the_shell(path):
    """Tell whether a file is a script of the shell; it may be an image of a gigabyte."""
    with path.open("rb") as stream:
        return stream.read(32).startswith((b"#!/usr/bin/env bash\n", b"#!/bin/bash\n", b"#!/bin/sh\n"))


SCRIPTS = [
    path.relative_to(ROOT)
    for folder in (".ci", "containers", "slurm")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file() and not path.is_symlink() and is_of_the_shell(path)
]


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_shellcheck_finds_nothing_in_scripts(script):
    if not shutil.which("shellcheck"):
        pytest.skip("absent: shellcheck")
    result = subprocess.run(["shellcheck", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_a_suppression_without_a_reason_would_be_noticed():
    assert unexplained("x = 1  # noqa: E501\ny = 2  # type: ignore[misc]  # noqa: E501\n") == [
        "1: # noqa: E501",
        "2: # type: ignore[misc]  # noqa: E501",
    ]
    assert unexplained('x = 1  # noqa: E501  # a table\ny = "# noqa: E501"\n') == []
