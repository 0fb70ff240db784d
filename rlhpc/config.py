"""Configuration: YAML files and key=value into one frozen dataclass. The only importer of OmegaConf.

The dataclasses live beside the code they configure; their ``__post_init__`` checks ranges and raises ConfigError.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from rlhpc.errors import ConfigError, nearest

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
COMMAND_LINE = "command line"
# Type -> what is wanted, one and many.
_WANTED = {int: ("a whole number", "whole numbers"), float: ("a number", "numbers"), str: ("a text", "texts")}
_KEY = re.compile(r"[\w./-]+=")  # how the next value of a command line begins
_GLUED = re.compile(r":\S")  # in a key: a colon that YAML takes for a letter of it
_ALIKE = 0.7  # of difflib: from here on a key elsewhere may have been meant
# Word in a key's name -> what is written there, where somebody has written 2h or 8GB.
_UNITS = {
    "min": "minutes, such as 120",
    "minutes": "minutes, such as 10",
    "seconds": "seconds, such as 60",
    "gb": "gigabytes, such as 4",
}

Schema = TypeVar("Schema")


def load(schema: type[Schema], files: Sequence[Path], overrides: Sequence[str] = ()) -> Schema:
    """Lay files and single values over a schema's defaults, left to right.

    Parameters
    ----------
    schema : type
        A frozen dataclass.
    files : sequence of Path
        YAML files.
    overrides : sequence of str
        ``key=value``; a value is read as YAML: ``seeds=[1,2]``, ``wandb.mode=offline``.

    Raises
    ------
    ConfigError
        With every unknown key, wrong type and value out of range.
    """
    merged = OmegaConf.structured(schema)
    faults: list[str] = []
    wrong: list[str] = []
    for source, values in _sources(files, overrides, faults):
        for path, given in _leaves(values):
            value = _worded(schema, path, given)
            try:
                merged = OmegaConf.merge(merged, _nest(path, value))
            except (OmegaConfBaseException, TypeError) as error:  # TypeError: a list for a mapping, or the reverse
                faults.append(_explain(source, path, value, error, schema))
                wrong.append(".".join(path))
    try:
        made: Schema = OmegaConf.to_object(merged)  # type: ignore[assignment]  # OmegaConf promises no more than Any
    except ConfigError as error:
        if len(faults) > len(wrong):  # without a source that cannot be read, nobody knows the values
            raise ConfigError(*faults) from error
        told = re.compile("|".join(rf"\b{re.escape(path)}\b" for path in wrong) or "(?!)")
        followed = [fault for fault in error.faults if not told.search(fault)]  # what names a wrong key may follow from it
        raise ConfigError(*faults, *followed) from error
    except OmegaConfBaseException as error:
        raise ConfigError(*(faults or [f"configuration: {_first_line(error)}"])) from error
    if faults:
        raise ConfigError(*faults)
    return made


def choices(schema: type) -> dict[str, tuple[str, ...]]:
    """Return the words that each key of a schema may have, of those keys that allow nothing else."""
    found: dict[str, tuple[str, ...]] = {}
    for key, wanted in get_type_hints(schema).items():
        if dataclasses.is_dataclass(wanted):
            found |= {f"{key}.{inner}": words for inner, words in choices(wanted).items()}  # type: ignore[arg-type]  # a class
        elif get_origin(wanted) is Literal:
            found[key] = get_args(wanted)
        elif wanted is bool:
            found[key] = ("true", "false")
    return found


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises
    ------
    ConfigError
        If it cannot be read, is not YAML, or holds something else.
    """
    try:
        values: dict[str, Any] = OmegaConf.to_container(_parse(path), resolve=True)  # type: ignore[assignment]  # a mapping
    except OmegaConfBaseException as error:
        raise ConfigError(f"'{path}': {_first_line(error)}.") from error
    return {str(key): value for key, value in values.items()}


def read_values(overrides: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` ... from a command line, without a schema.

    Raises
    ------
    ConfigError
        With every word of another form.
    """
    faults: list[str] = []
    values = {key: value for _, source in _sources((), overrides, faults) for key, value in source.items()}
    if faults:
        raise ConfigError(*faults)
    return values


def _parse(path: Path) -> DictConfig:
    """Parse a YAML file; values that point at other values are left as they are."""
    try:
        parsed = OmegaConf.load(path)
    except OSError as error:
        raise ConfigError(f"cannot read the file '{path}': {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, OmegaConfBaseException) as error:
        raise ConfigError(f"'{path}' is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(parsed, DictConfig):
        raise ConfigError(f"'{path}' must hold 'key: value' lines, not a list.")
    return parsed


def to_yaml(config: Any) -> str:
    """Spell a configuration (a dataclass) as YAML that `load` reads back to an equal one."""
    return OmegaConf.to_yaml(OmegaConf.create(_plain(dataclasses.asdict(config))))


def _plain(value: Any) -> Any:
    """Turn tuples into lists and paths into text, all the way down."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def _sources(files: Sequence[Path], overrides: Sequence[str], faults: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each source's name and values; note what cannot be read among the faults."""
    for file in files:
        try:
            yield str(file), OmegaConf.to_container(_parse(file))  # type: ignore[misc]  # a mapping, by _parse
        except ConfigError as error:
            faults.append(str(error) if os.path.lexists(file) else f"{error}{_meant(file)}")
    for override, n_words in _rejoined(overrides):
        key, equals, value = override.partition("=")
        if not (key and equals):
            faults.append(f"{COMMAND_LINE}: '{override}' is not of the form key=value.")
            continue
        if n_words > 1:
            faults.append(f"{COMMAND_LINE}: the shell split this into {n_words} words; put it in quotes: {shlex.quote(override)}")
            continue
        try:
            parsed = OmegaConf.from_dotlist([override])
        except (yaml.YAMLError, OmegaConfBaseException):
            faults.append(f"{COMMAND_LINE}: the value of '{override}' is not YAML; {_spelling(key, value)}.")
            continue
        values: dict[str, Any] = OmegaConf.to_container(parsed, resolve=False)  # type: ignore[assignment]  # a mapping
        if glued := ", ".join(f"'{path[-1]}'" for path, given in _leaves(values) if given is None and _GLUED.search(path[-1])):
            faults.append(
                f"{COMMAND_LINE}: {key}: YAML takes {glued} for one key; write {{key: value}}, a space behind each colon."
            )
            continue
        yield COMMAND_LINE, values


def _rejoined(words: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield each ``key=value``, put together again where a shell has split it at blanks in its brackets; and of how many words.

    Where brackets do not close before the next ``key=``, or at all, words stay as they are: a bracket is missing, not a quote.
    """
    place = 0
    while place < len(words):
        end = place + 1
        while end < len(words) and _n_open(words[place:end]) > 0 and not _KEY.match(words[end]):
            end += 1
        if _n_open(words[place:end]) > 0 or "=" not in words[place]:
            end = place + 1
        yield " ".join(words[place:end]), end - place
        place = end


def _n_open(words: Sequence[str]) -> int:
    """Count the brackets that do not close."""
    text = " ".join(words)
    return sum(map(text.count, "[{")) - sum(map(text.count, "]}"))


def _spelling(key: str, value: str) -> str:
    """Say how to write what YAML does not understand."""
    if value.startswith("{"):
        return f"quote it and write '{key}={{key: value}}', with a space behind each colon"
    if value.startswith("[") or "," in value:
        return f"write lists as '{key}=[a,b]'"
    return f"write a text of such characters in two pairs of quotes, '{key}=\"...\"'"


def _meant(file: Path) -> str:
    """Ask whether a file of a similar name was meant, beside one that is not there or among those that we ship."""
    found = {each.stem: each for folder in (CONFIGS / "clusters", CONFIGS, file.parent) for each in folder.glob("*.y*ml")}
    close = [found[stem] for stem in difflib.get_close_matches(file.stem, found, n=1)]
    here = Path.cwd()
    names = [each.relative_to(here) if each.is_relative_to(here) else each for each in close]
    return "".join(f" Did you mean '{name}'?" for name in names)


def _leaves(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and value of everything that is not itself a mapping."""
    for key, value in values.items():
        path = (*above, str(key))
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, path)
        else:
            yield path, value


def _nest(path: tuple[str, ...], value: Any) -> Any:
    """Build the configuration that holds one value."""
    for key in reversed(path):
        value = {key: value}
    return OmegaConf.create(value)


def _dotted_keys(schema: type, above: str = "") -> Iterator[str]:
    """Yield the keys of a configuration that hold values, with those above them."""
    for name, kind in get_type_hints(schema).items():
        if dataclasses.is_dataclass(kind):
            yield from _dotted_keys(kind, f"{above}{name}.")  # type: ignore[arg-type]  # a class: it is a hint
        else:
            yield f"{above}{name}"


def _explain(source: str, path: tuple[str, ...], value: Any, error: Exception, schema: type) -> str:
    """Say where a value came from and what is wrong with it."""
    if isinstance(error, ConfigKeyError) and isinstance(error.parent_node, DictConfig):
        known = [str(key) for key in error.parent_node]
        elsewhere = {dotted.rpartition(".")[2]: dotted for dotted in _dotted_keys(schema)}
        close = difflib.get_close_matches(str(error.key), elsewhere, n=1, cutoff=_ALIKE)
        meant = f"Did you mean '{elsewhere[close[0]]}'?" if close and close[0] not in known else nearest(str(error.key), known)
        return f"{source}: {'.'.join(path)}: unknown key '{error.key}'. {meant}"
    wanted = _wanted(schema, path)
    while len(path) > 1 and get_origin(wanted) is not dict and _wanted(schema, path[:-1]) == wanted:  # it has no keys of its own
        path, value = path[:-1], {path[-1]: value}
    where = f"{source}: {'.'.join(path)}"
    if dataclasses.is_dataclass(wanted):
        keys = [field.name for field in dataclasses.fields(wanted)]
        return f"{where} = {value!r} must be a group of the keys {', '.join(keys)}. Set one: {'.'.join(path)}.{keys[0]}=..."
    if get_origin(wanted) in (list, tuple) and not isinstance(value, list):
        return f"{where} = {value!r} must be a list: {'.'.join(path)}=[a,b]."
    if wanted is str and isinstance(value, list) and value:
        return f"{where} = {value!r} must be a text, such as {'.'.join(path)}={','.join(map(str, value))}."
    if get_origin(wanted) is tuple and (kind := get_args(wanted)[0]) in _WANTED:
        odd = [each for each in value if not _is_a(kind, each)]
        if odd:
            told = f"{', '.join(map(repr, odd))} {'is' if len(odd) == 1 else 'are'} not"
            return " ".join([f"{where} = {value!r} must be a list of {_WANTED[kind][1]}; {told}.", *_hints(kind, path, odd)])
    told = _must_be(wanted, value)
    reason = f" {told}" if told else f": {_first_line(error)}"
    return " ".join([f"{where} = {value!r}{reason}.", *_hints(wanted, path, [value])])


def _must_be(wanted: Any, value: Any) -> str:
    """Say what a single value must be; blank where that cannot be told from its type."""
    if get_origin(wanted) is Literal:
        # YAML 1.1 reads these words as true and false, which is not what somebody wrote
        read = f"; YAML reads {'on and yes as true' if value else 'off and no as false'}" if isinstance(value, bool) else ""
        return f"must be one of {', '.join(get_args(wanted))}{read}"
    if get_origin(wanted) is dict and not isinstance(value, Mapping):
        return "must be of the form {key: value}"
    if wanted is bool:
        return "must be true or false"
    return f"must be {_WANTED[wanted][0]}" if wanted in _WANTED else ""


def _is_a(kind: type, value: Any) -> bool:
    """Tell whether OmegaConf takes a value for one of a type."""
    try:
        OmegaConf.merge(OmegaConf.structured(dataclasses.make_dataclass("One", [("value", kind)])), {"value": value})
    except OmegaConfBaseException:
        return False
    return True


def _hints(wanted: Any, path: tuple[str, ...], values: Sequence[Any]) -> Iterator[str]:
    """Yield how to write what was perhaps meant."""
    if wanted is int and any(isinstance(each, float) and each.is_integer() for each in values):
        yield "Write whole numbers as 1_000_000."
    if wanted in (int, float) and any(isinstance(each, str) for each in values):
        yield from (f"Write a number of {_UNITS[word]}." for word in path[-1].split("_") if word in _UNITS)


def _worded(schema: type, path: tuple[str, ...], value: Any) -> Any:
    """Return the word for what YAML reads as true or false, where somebody has written one of the words ``on`` and ``off``."""
    with contextlib.suppress(KeyError):  # no such key; that is told by who merges it
        if isinstance(value, bool) and "on" in get_args(_wanted(schema, path)):
            return "on" if value else "off"
    return value


def _wanted(schema: Any, path: tuple[str, ...]) -> Any:
    """Return the type of what stands at a path, None of an optional value apart; that of its field, where it leads into one."""
    for key in path:
        if not dataclasses.is_dataclass(schema):
            break
        schema = get_type_hints(schema)[key]
        if isinstance(schema, UnionType):
            schema = next(part for part in get_args(schema) if part is not NoneType)
    return schema


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
