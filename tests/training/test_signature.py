import inspect
import subprocess
import sys

import pytest

from rlhpc.errors import ConfigError
from rlhpc.training import signature
from rlhpc.training.algos import CLASSES, RANDOM
from rlhpc.training.hyperparameters import _RESERVED, _TYPES

NORMALIZER = "stable_baselines3.common.vec_env:VecNormalize"
DECORATED = """
def made(cls):
    cls.__init__, cls.policy_aliases = (lambda self, a: None), {'P': 1}
    return cls


@made
class Mine:
    def __init__(self, b):
        pass
"""
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


# --- the source against the class ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*TRAINED, NORMALIZER])
def test_the_source_names_the_arguments_of_the_class(path):
    parameters = inspect.signature(signature.load(path).__init__).parameters
    assert tuple(signature._written_arguments(path)) == tuple(parameters)


@pytest.mark.parametrize("path", TRAINED)
def test_the_source_names_the_types_of_the_class(path):
    parameters = inspect.signature(signature.load(path).__init__).parameters.values()
    plain = {each.name: each.annotation.__name__ for each in parameters if each.annotation in {int, float, bool}}
    assert plain
    assert plain.items() <= signature._written_arguments(path).items()


@pytest.mark.parametrize("path", TRAINED)
def test_each_type_that_a_source_names_can_be_told(path):
    of_class = {name: annotation for name, annotation in signature.arguments(path).items() if name not in _RESERVED}
    kinds = {kind.partition("[")[0] for annotation in of_class.values() for kind in annotation.split(" | ")}
    assert kinds <= {kind.partition("[")[0] for kind in _TYPES}


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


# --- what else a source may say --------------------------------------------------------------------------------------

EVERY_KIND = "class Mine:\n    def __init__(self, a, /, b: int | None, *, c: float=1):\n        pass\n"


@pytest.fixture
def write_read(write, monkeypatch):
    """Write a package whose sources are read."""
    monkeypatch.setattr(signature, "_READ", ("users_algos",))
    return write


def is_imported():
    return any(name.startswith("users_algos.") for name in sys.modules)


@pytest.mark.parametrize("module", ["there", "mine"], ids=["where it is written", "where it is imported"])
def test_every_kind_of_argument_is_named_in_order(write_read, module):
    write_read(there=EVERY_KIND, mine="from users_algos.there import Mine as Mine\n")
    path = f"users_algos.{module}:Mine"
    assert signature.arguments(path) == {"self": "", "a": "", "b": "int | None", "c": "float"}
    assert not is_imported()
    assert [*signature.arguments(path)] == [*inspect.signature(signature.load(path).__init__).parameters]


@pytest.mark.parametrize(
    "source",
    [
        "class Base:\n    policy_aliases = {'P': 1}\n    def __init__(self, a): pass\n\nclass Mine(Base): pass\n",
        "from .there import Mine\n",
        "A = {'P': 1}\n\nclass Mine:\n    policy_aliases: dict = {**A}\n    __init__ = lambda self, a: None\n",
        DECORATED,
    ],
    ids=["inherited", "a relative import", "made of others", "decorated"],
)
def test_what_a_source_does_not_say_is_asked_of_the_class(write_read, source):
    write_read(mine=source, there="class Mine:\n    policy_aliases: dict = {'P': 1}\n    def __init__(self, a): pass\n")
    assert [*signature.arguments("users_algos.mine:Mine")] == ["self", "a"]
    assert signature.policies("users_algos.mine:Mine") == ("P",)


# --- classes of a user's ---------------------------------------------------------------------------------------------


def test_the_source_of_a_class_of_a_users_is_not_believed(write):
    write(mine=f"{EVERY_KIND}Mine.__init__, Mine.policy_aliases = (lambda self, a: None), {{'P': 1}}\n")
    assert [*signature.arguments("users_algos.mine:Mine")] == ["self", "a"]
    assert signature.policies("users_algos.mine:Mine") == ("P",)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("def train(self): pass", []),
        ("def __init__(self, bonus, **kwargs): pass", ["bonus"]),
        ("def __init__(self, *args, bonus=1, **kwargs): pass", ["bonus"]),
    ],
)
def test_behind_what_a_class_hands_on_are_the_arguments_of_the_one_it_inherits(write, own, expected):
    write(mine=f"from stable_baselines3 import PPO\n\nclass Mine(PPO):\n    {own}\n")
    of_ppo = signature.arguments("stable_baselines3:PPO")
    assert signature.arguments("users_algos.mine:Mine") == of_ppo | dict.fromkeys(expected, "")
    assert signature.policies("users_algos.mine:Mine") == signature.policies("stable_baselines3:PPO")


def test_the_rest_of_a_partial_init_is_named(write):
    own = "__init__ = functools.partialmethod(PPO.__init__, n_steps=8)"
    write(mine=f"import functools\nfrom stable_baselines3 import PPO\n\nclass Mine(PPO):\n    {own}\n")
    assert signature.arguments("users_algos.mine:Mine").keys() == signature.arguments("stable_baselines3:PPO").keys()


@pytest.mark.parametrize("value", ["lambda **kwargs: None", "functools.partial(int)", "3"])
def test_what_is_no_class_is_refused(write, value):
    write(mine=f"import functools\nMine = {value}\n")
    with pytest.raises(ConfigError, match=r"^'users_algos.mine:Mine' is no class of an algorithm, but a "):
        signature.arguments("users_algos.mine:Mine")


def test_a_class_that_hands_nothing_on_takes_what_it_names(write):
    write(mine="from stable_baselines3 import PPO\n\nclass Mine(PPO):\n    def __init__(self, env, *args): pass\n")
    assert signature.arguments("users_algos.mine:Mine") == {"self": "", "env": ""}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_package.x:X", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("users_algos.mine:Wrong", "AttributeError: module 'users_algos.mine' has no attribute 'Wrong'"),
        ("users_algos.broken:Mine", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("users_algos.misspelt:Mine", r"SyntaxError: .*misspelt\.py, line 4"),
    ],
)
def test_a_class_that_cannot_be_imported_is_refused_with_the_reason(write, path, reason):
    write(mine=EVERY_KIND, broken=f"import no_such_package\n{EVERY_KIND}", misspelt=f"{EVERY_KIND}class:")
    for ask in (signature.arguments, signature.policies):
        with pytest.raises(
            ConfigError, match=rf"^the class '{path}' cannot be imported \({reason}.*\)\. Is its folder in PYTHONPATH\?$"
        ):
            ask(path)
