import dataclasses
import importlib.util
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from rlhpc.config import CONFIGS, choices, load, read_yaml, to_yaml
from rlhpc.errors import ConfigError

JOB = Path(__file__).parents[1] / "jobs" / "launch_training.py"
DEFAULTS = CONFIGS / "launch_training.yaml"


@dataclass(frozen=True)
class Oven:
    degrees: int = 180
    mode: Literal["fan", "grill"] = "fan"
    is_hot: bool = False


@dataclass(frozen=True)
class Recipe:
    name: str = "bread"
    minutes: int | None = None
    salt: float = 1.5
    steps: tuple[str, ...] = ()
    counts: tuple[int, ...] = (1, 2)
    oven: Oven = field(default_factory=Oven)
    notes: dict[str, Any] = field(default_factory=dict)
    flour_gb: float = 1.0

    def __post_init__(self):
        if self.salt < 0:
            raise ConfigError(f"salt = {self.salt} must not be negative.")


@pytest.fixture
def write(tmp_path):
    """Write YAML files a.yaml, b.yaml, ..."""

    def write(*texts):
        paths = [tmp_path / f"{letter}.yaml" for letter, _ in zip("abc", texts, strict=False)]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        return paths

    return write


@pytest.fixture(scope="module")
def launch_config():
    """Return the configuration of jobs/launch_training.py, the largest there is."""
    spec = importlib.util.spec_from_file_location("job_under_test", JOB)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks itself up there
    spec.loader.exec_module(module)
    yield module.LaunchConfig
    del sys.modules[spec.name]


def faults(files=(), overrides=()):
    """Return what `load` has to say."""
    with pytest.raises(ConfigError) as caught:
        load(Recipe, files, overrides)
    return list(caught.value.faults)


def test_without_sources_the_defaults_hold():
    assert load(Recipe, []) == Recipe()


def test_sources_are_laid_over_each_other_left_to_right_and_the_command_line_last(write):
    files = write("{name: a, minutes: 1, oven: {degrees: 1, mode: grill}}", "{minutes: 2, oven: {degrees: 2}}")
    assert load(Recipe, files) == Recipe("a", 2, oven=Oven(2, "grill"))
    assert load(Recipe, files[::-1]) == Recipe("a", 1, oven=Oven(1, "grill"))
    assert load(Recipe, files, ["oven.degrees=3", "name=c", "name=d"]) == Recipe("d", 2, oven=Oven(3, "grill"))


def test_a_list_replaces_a_list_and_a_mapping_joins_a_mapping(write):
    files = write("{counts: [7, 8, 9], notes: {a: {x: 1}}}", "{counts: [5], notes: {a: {y: 2}}}")
    assert load(Recipe, files) == Recipe(counts=(5,), notes={"a": {"x": 1, "y": 2}})


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("steps=[mix,bake]", {"steps": ("mix", "bake")}),
        ("steps=[]", {"steps": ()}),
        ("counts=[100_000]", {"counts": (100_000,)}),
        ("minutes=100_000", {"minutes": 100_000}),
        ("minutes=null", {"minutes": None}),
        ("salt=2", {"salt": 2.0}),
        ("salt=1e-4", {"salt": 1e-4}),
        ("name=x=y", {"name": "x=y"}),
        ("name='1 = one'", {"name": "1 = one"}),
        ("oven={mode: grill}", {"oven": Oven(mode="grill")}),
        ("oven={}", {}),
        ("oven.is_hot=true", {"oven": Oven(is_hot=True)}),
        ("notes.ppo.dm_control/cheetah-run-v0.n_envs=2", {"notes": {"ppo": {"dm_control/cheetah-run-v0": {"n_envs": 2}}}}),
        ("name=${oven.mode}", {"name": "fan"}),
        ("minutes=${oven.degrees}", {"minutes": 180}),
    ],
)
def test_values_of_the_command_line_are_yaml(override, expected):
    assert load(Recipe, [], [override]) == Recipe(**expected)


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("nam=x", ["nam: unknown key 'nam'.", "Did you mean 'name'?"]),
        ("oven.degree=1", ["oven.degree: unknown key 'degree'.", "Did you mean 'degrees'?"]),
        ("oven={degree: 1}", ["oven.degree: unknown key 'degree'.", "Did you mean 'degrees'?"]),
        ("degrees=1", ["degrees: unknown key 'degrees'.", "Did you mean 'oven.degrees'?"]),
        ("degree=1", ["degree: unknown key 'degree'.", "Did you mean 'oven.degrees'?"]),
        ("zzz.a.b=1", ["zzz.a.b: unknown key 'zzz'.", "Allowed: counts, flour_gb, minutes, name, notes, oven, salt, steps."]),
        ("oven.degrees=hot", ["oven.degrees = 'hot' must be a whole number."]),
        ("oven.degrees=1.5", ["oven.degrees = 1.5 must be a whole number."]),
        ("oven.degrees=true", ["oven.degrees = True must be a whole number."]),
        ("oven.degrees=null", ["oven.degrees = None"]),
        ("oven=null", ["oven = None"]),
        ("name=", ["name = None must be a text."]),
        ("name=[0,1]", ["name = [0, 1] must be a text, such as name=0,1."]),
        ("oven.mode=stove", ["oven.mode = 'stove' must be one of fan, grill."]),
        ("oven.mode=off", ["oven.mode = False must be one of fan, grill; YAML reads off and no as false."]),
        ("oven.mode.a=fan", ["oven.mode = {'a': 'fan'} must be one of fan, grill."]),
        ("steps.a.b=mix", ["steps = {'a': {'b': 'mix'}} must be a list: steps=[a,b]."]),
        ("oven.is_hot=maybe", ["oven.is_hot = 'maybe' must be true or false."]),
        ("salt=much", ["salt = 'much' must be a number."]),
        ("counts=[1,a]", ["counts = [1, 'a'] must be a list of whole numbers; 'a' is not."]),
        ("counts=[1.5,2,a]", ["counts = [1.5, 2, 'a'] must be a list of whole numbers; 1.5, 'a' are not."]),
        ("notes=3", ["notes = 3 must be of the form {key: value}."]),
        ("steps=[a,null]", ["steps = ['a', None] must be a list of texts; None is not."]),
        ("minutes=2h", ["minutes = '2h'", "must be a whole number. Write a number of minutes, such as 10."]),
        ("flour_gb=4GB", ["flour_gb = '4GB'", "must be a number. Write a number of gigabytes, such as 4."]),
        ("minutes=1e6", ["minutes = 1000000.0", "Write whole numbers as 1_000_000."]),
        ("name", ["'name' is not of the form key=value."]),
        ("=x", ["'=x' is not of the form key=value."]),
        ("steps=[1", ["'steps=[1' is not YAML", "write lists as 'steps=[a,b]'."]),
        ("name=@a, b", ["'name=@a, b' is not YAML", "write lists as 'name=[a,b]'."]),
        ("notes={a:{b:{c:1}}}", ["is not YAML; quote it and write 'notes={key: value}', with a space behind each colon."]),
        ("notes={a: {b:1, c:2}}", ["notes: YAML takes 'b:1', 'c:2' for one key; write {key: value}, a space behind each colon."]),
        ("name=@x", ["""'name=@x' is not YAML; write a text of such characters in two pairs of quotes, 'name="..."'."""]),
    ],
)
def test_a_wrong_value_of_the_command_line_is_named_with_what_is_allowed(override, parts):
    (fault,) = faults(overrides=[override])
    assert fault.startswith("command line: ")
    assert all(part in fault for part in parts), fault


@pytest.mark.parametrize(
    "command",
    [
        "notes={a: {b: {c: 2, d: [1, 2]}}}",
        "steps=[mix, bake]",
        'steps=[it\'s, "b"]',
    ],
)
def test_a_value_that_the_shell_has_split_is_told_once_with_what_to_type_instead(command):
    """The words before and behind it are read as ever."""
    (split, wrong) = faults(overrides=["name=x", *command.split(), "salt=much"])
    assert split.startswith(f"command line: the shell split this into {len(command.split())} words; put it in quotes: ")
    assert shlex.split(split.partition("in quotes: ")[2]) == [command]
    assert wrong.startswith("command line: salt = 'much'")


def test_where_a_bracket_is_missing_no_quotes_are_asked_for_and_the_next_value_is_read_on_its_own():
    told = faults(overrides=["steps=[mix", "salt=much", "notes={a: 1", "more"])
    assert [fault.partition(";")[0] for fault in told] == [
        "command line: the value of 'steps=[mix' is not YAML",
        "command line: salt = 'much' must be a number.",
        "command line: the value of 'notes={a: 1' is not YAML",
        "command line: 'more' is not of the form key=value.",
    ]


@pytest.mark.parametrize("override", ["steps={a: b}", "notes=[1]", "counts.0=7"])
def test_a_list_for_a_mapping_and_the_reverse_is_a_fault_like_any_other(override):
    (fault,) = faults(overrides=[override])
    assert fault.startswith(f"command line: {override.partition('=')[0].partition('.')[0]}")


@pytest.mark.parametrize("override", ["steps=mix", "counts=5", "counts=1e6"])
def test_a_single_value_for_a_list_is_told_how_to_write_a_list(override):
    (fault,) = faults(overrides=[override])
    assert "TupleConfig" not in fault
    assert "[" in fault


def test_a_single_value_for_a_group_of_keys_is_told_its_keys():
    (fault,) = faults(overrides=["oven=3"])
    assert "subclass" not in fault
    assert "degrees" in fault


def test_whole_numbers_in_a_list_get_the_hint_too():
    (fault,) = faults(overrides=["counts=[1e6]"])
    assert "Write whole numbers as 1_000_000." in fault


def test_all_faults_of_all_sources_are_told_at_once_with_their_source(write):
    a, b, c = write("{nam: x, oven: {degree: 1}}", "minutes: long", "steps: [")
    absent = a.with_name("absent.yaml")
    told = faults([a, b, absent, c], ["salt=much", "nonsense"])
    assert len(told) == 7
    assert [fault.partition(":")[0] for fault in told[:3]] == [str(a), str(a), str(b)]
    assert told[3] == f"cannot read the file '{absent}': No such file or directory."
    assert told[4].startswith(f"'{c}' is not valid YAML")
    assert [fault.partition(":")[0] for fault in told[5:]] == ["command line", "command line"]


def test_a_range_is_told_beside_a_wrong_type_and_not_of_the_same_key(write):
    told = faults(overrides=["oven.degrees=hot", "salt=-1"])
    assert told == ["command line: oven.degrees = 'hot' must be a whole number.", "salt = -1.0 must not be negative."]
    assert len(faults(write("salt: -1"), ["salt=much"])) == 1
    assert len(faults([*write("salt: -1"), Path("absent.yaml")])) == 1  # which might have set it right


@pytest.mark.parametrize("name", ["demo.yml", "demo", "dmo.yaml"])
def test_a_file_that_is_not_there_is_told_with_one_of_a_similar_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(CONFIGS.parent)
    assert faults([Path(name)])[0].endswith(" Did you mean 'configs/demo.yaml'?")
    (tmp_path / "demo.yaml").touch()
    assert faults([tmp_path / name])[0].endswith(f" Did you mean '{tmp_path / 'demo.yaml'}'?")
    assert "Did you mean" not in faults([tmp_path / "nothing_alike.yaml"])[0]


def test_the_words_that_keys_allow_are_known():
    assert choices(Recipe) == {"oven.mode": ("fan", "grill"), "oven.is_hot": ("true", "false")}


def test_a_value_that_is_overridden_later_must_be_right_all_the_same(write):
    (fault,) = faults(write("minutes: long", "minutes: 5"))
    assert "minutes = 'long'" in fault


def test_ranges_are_checked_by_the_dataclass_and_its_message_is_kept():
    assert faults(overrides=["salt=-1"]) == ["salt = -1.0 must not be negative."]


def test_values_may_point_at_values_of_the_same_file(write):
    assert load(Recipe, write("{name: '${oven.mode} bread', oven: {mode: grill}}")).name == "grill bread"


def test_values_may_point_at_values_of_other_files_and_defaults(write):
    files = write("name: rye", "{notes: {title: '${name} of ${oven.degrees}'}}")
    assert load(Recipe, files).notes == {"title": "rye of 180"}


def test_pointing_at_nothing_is_named_in_a_file(write):
    (fault,) = faults(write("name: ${nothing}"))
    assert "nothing" in fault
    assert "not valid YAML" not in fault


def test_pointing_at_nothing_is_named_on_the_command_line():
    (fault,) = faults(overrides=["name=${nothing}"])
    assert "'nothing' not found" in fault


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"name: [1", "is not valid YAML"),
        (b"name: a\nname: b", "duplicate key name"),
        (b"- 1", "must hold 'key: value' lines, not a list."),
        (b"name: \x80", "is not valid YAML: 'utf-8' codec"),
        (b"name: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_whole(tmp_path, content, part):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    (fault,) = faults([path])
    assert f"'{path}'" in fault
    assert part in fault


def test_a_folder_is_no_file(tmp_path):
    assert faults([tmp_path]) == [f"cannot read the file '{tmp_path}': Is a directory."]


def test_an_empty_file_changes_nothing(write):
    assert load(Recipe, write("# nothing\n")) == Recipe()


def test_read_yaml_names_every_key_as_text(write):
    assert read_yaml(*write("{1: {a: 1e-4, b: 1_000, c: [x], d: null}}")) == {"1": {"a": 1e-4, "b": 1000, "c": ["x"], "d": None}}


def test_to_yaml_is_read_back_to_an_equal_configuration(write):
    changed = Recipe("1e6", 5, 1e-5, ("a", "null"), (3,), Oven(1, "grill", is_hot=True), {"ppo": {"x": [1, 2.5, None, "1"]}})
    for config in (Recipe(), changed):
        assert load(Recipe, write(to_yaml(config))) == config


# --- the files in configs/ -------------------------------------------------------------------------------------------


def keys(schema):
    """Yield the path of every key of a dataclass."""
    for each in dataclasses.fields(schema):
        inner = each.default_factory if dataclasses.is_dataclass(each.default_factory) else None
        yield from ([f"{each.name}.{key}" for key in keys(inner)] if inner else [each.name])


def keys_of(values, fields):
    """Yield the path of every key of a file, down to the fields of the dataclass."""
    for key, value in values.items():
        is_group = isinstance(value, dict) and any(name.startswith(f"{key}.") for name in fields)
        inner = [name.removeprefix(f"{key}.") for name in fields if name.startswith(f"{key}.")]
        yield from ([f"{key}.{below}" for below in keys_of(value, inner)] if is_group else [key])


def test_the_default_file_holds_every_key_and_no_other(launch_config):
    fields = list(keys(launch_config))
    assert sorted(keys_of(yaml.safe_load(DEFAULTS.read_text()), fields)) == sorted(fields)


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIGS.glob("*.yaml")))
def test_every_file_is_laid_over_the_default_and_read_back_from_what_is_stored(launch_config, tmp_path, name):
    config = load(launch_config, [DEFAULTS, CONFIGS / name])
    assert config.name == name.removesuffix(".yaml") or name == DEFAULTS.name
    stored = tmp_path / "config.yaml"
    stored.write_text(to_yaml(config))
    assert load(launch_config, [stored]) == config


def test_the_default_file_says_what_the_dataclass_would(launch_config):
    """A key that is left out of a user's complete file must not silently mean something else."""
    grid = {"benchmarks", "algos", "seeds"}  # what to train has no default outside the file
    file = dataclasses.asdict(load(launch_config, [DEFAULTS]))
    alone = {each.name: each for each in dataclasses.fields(launch_config)}
    for name in file.keys() - grid:
        default = alone[name]
        value = default.default if default.default_factory is dataclasses.MISSING else default.default_factory()
        assert file[name] == (dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value), name


def test_faults_of_the_real_configuration_are_told_at_once(launch_config):
    overrides = ["seeds=[1,1]", "algos=[]", "name=a/b", "packing.max_nodes=0", "budget.total_timesteps=-1", "wandb.project=''"]
    with pytest.raises(ConfigError) as caught:
        load(launch_config, [DEFAULTS], overrides)
    assert len(caught.value.faults) == len(overrides)
    for override in overrides:
        key = override.partition("=")[0]
        assert any(fault.startswith(key) for fault in caught.value.faults), key
