import inspect
import subprocess
import sys

import pytest

from rlhpc.training import signature
from rlhpc.training.algos import CLASSES, RANDOM

NORMALIZER = "stable_baselines3.common.vec_env:VecNormalize"
TRAINED = [path for name, path in CLASSES.items() if name != RANDOM]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a package of a user's, importable here."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "users_algos"

    def write(**sources):
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(source)

    yield write
    for name in [name for name in sys.modules if name.startswith("users_algos")]:
        del sys.modules[name]
    signature.arguments.cache_clear()
    signature.policies.cache_clear()


def is_imported():
    return any(name.startswith("users_algos.") for name in sys.modules)


# --- the source against the class ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*TRAINED, NORMALIZER])
def test_the_source_names_the_arguments_of_the_class(path):
    assert signature._written_arguments(path) == tuple(inspect.signature(signature.load(path).__init__).parameters)


@pytest.mark.parametrize("path", TRAINED)
def test_the_source_names_the_policies_of_the_class(path):
    assert signature._written_policies(path) == tuple(signature.load(path).policy_aliases)


def test_nothing_of_what_is_shipped_is_imported():
    code = f"""
import sys
from rlhpc.training import signature

for path in {TRAINED}:
    assert signature.arguments(path) and signature.policies(path)
assert signature.arguments({NORMALIZER!r})
print(*{{"torch", "stable_baselines3", "sb3_contrib"}} & set(sys.modules))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


# --- classes of a user's ---------------------------------------------------------------------------------------------

EVERY_KIND = "class Mine:\n    def __init__(self, a, /, b, *c, d=1, **e):\n        pass\n"


def test_every_kind_of_argument_is_named_in_order(write):
    write(mine=EVERY_KIND)
    assert signature.arguments("users_algos.mine:Mine") == ("self", "a", "b", "c", "d", "e")
    assert not is_imported()
    assert signature.arguments("users_algos.mine:Mine") == tuple(
        inspect.signature(signature.load("users_algos.mine:Mine").__init__).parameters
    )


def test_a_class_is_found_where_its_module_has_it_from(write):
    write(mine=EVERY_KIND, other="from users_algos.mine import Mine as Yours\n")
    assert signature.arguments("users_algos.other:Yours") == ("self", "a", "b", "c", "d", "e")
    assert not is_imported()


@pytest.mark.parametrize(
    "source",
    [
        "class Base:\n    policy_aliases = {'P': 1}\n    def __init__(self, a): pass\n\nclass Mine(Base): pass\n",
        (
            "def made(cls):\n    cls.__init__, cls.policy_aliases = (lambda self, a: None), {'P': 1}\n    return cls\n\n"
            "@made\nclass Mine:\n    def __init__(self, b): pass\n"
        ),
        "Mine = type('Mine', (), {'__init__': lambda self, a: None, 'policy_aliases': {'P': 1}})\n",
        "from .there import Mine\n",
        "A = {'P': 1}\n\nclass Mine:\n    policy_aliases: dict = {**A}\n    __init__ = lambda self, a: None\n",
    ],
    ids=["inherited", "decorated", "made by a call", "a relative import", "made of others"],
)
def test_what_a_source_does_not_say_is_asked_of_the_class(write, source):
    there = "class Mine:\n    policy_aliases: dict = {'P': 1}\n    def __init__(self, a): pass\n"
    write(mine=source, there=there)
    assert signature.arguments("users_algos.mine:Mine") == ("self", "a")
    assert signature.policies("users_algos.mine:Mine") == ("P",)


def test_of_two_of_one_name_the_last_is_read(write):
    there = "class Mine:\n    def __init__(self, a): pass\n"
    last = "class Mine:\n    def __init__(self, b): pass\n    def __init__(self, c): pass\n"
    write(there=there, mine=f"from users_algos.there import Mine\n{there}{last}")
    assert signature.arguments("users_algos.mine:Mine") == ("self", "c")
    assert not is_imported()


@pytest.mark.parametrize(("path", "error"), [("no_such_package.x:X", ImportError), ("users_algos.mine:Wrong", AttributeError)])
def test_what_is_not_there_is_told_as_by_an_import(write, path, error):
    write(mine=EVERY_KIND)
    with pytest.raises(error):
        signature.arguments(path)
