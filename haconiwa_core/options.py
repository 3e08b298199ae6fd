"""Check and convert values against the annotations of a dataclass: all problems at once.

Understood are None, bool, int, float, str, Literal, unions, tuples, mappings with str keys,
Annotated with a Range or Pattern, and dataclasses within these. Lists of TOML become tuples.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

_NO_PRACTICAL_BOUND = 2**53


class Range(NamedTuple):
    """Bounds of a number, both included; None is no bound."""

    minimum: int | None = None
    maximum: int | None = None

    def extent(self) -> str:
        """Return the bounds in words; one that only the field's width sets is left out."""
        if self.maximum is None or self.maximum > _NO_PRACTICAL_BOUND:
            return f"{self.minimum} or more"
        return f"{self.minimum}..{self.maximum}"

    def complaint(self, value: Any) -> str:
        """Return what is wrong with a value, or ""."""
        if self.minimum is not None and value < self.minimum:
            return f"must be at least {self.minimum}, not {value}"
        if self.maximum is not None and value > self.maximum:
            return f"must be at most {self.maximum}, not {value}"
        return ""


class Pattern(NamedTuple):
    """A regular expression that the whole string must match, and what to call it in a message."""

    expression: str
    meaning: str

    def complaint(self, value: Any) -> str:
        """Return what is wrong with a value, or ""."""
        if re.fullmatch(self.expression, value, re.ASCII):
            return ""
        return f"must be {self.meaning}, not {value!r}"


AbsolutePath = Annotated[str, Pattern(r"/[^\0]*", "an absolute path")]
"""A path inside the container."""

HostPath = Annotated[str, Pattern(r"[^\0]+", "a path")]
"""A path on the host; a relative one is taken from the definition's folder."""


class Complaint(NamedTuple):
    """What is wrong with one value; `key` is its dotted path within the section."""

    key: str
    text: str
    hint: str = ""


def annotations_of(cls: type) -> dict[str, Any]:
    """Return the resolved annotations of a dataclass's fields, in order."""
    return {item.name: _annotation(cls, item.name) for item in dataclasses.fields(cls)}


@cache
def _annotation(cls: type, name: str) -> Any:
    """Resolve one annotation: most are never needed, and resolving compiles them."""
    base = next(base for base in cls.__mro__ if name in getattr(base, "__annotations__", {}))
    alone = types.SimpleNamespace(__annotations__={name: base.__annotations__[name]})
    return typing.get_type_hints(alone, vars(sys.modules[base.__module__]), include_extras=True)[name]


def build(cls: type, values: Mapping[str, Any], prefix: str = "") -> tuple[Any, list[Complaint]]:
    """Make a dataclass from a mapping.

    Args:
        cls: the dataclass.
        values: option names and their values, as TOML has them.
        prefix: dotted path of the value within its section.

    Returns:
        The object, or None with at least one complaint.
    """
    known = {item.name for item in dataclasses.fields(cls)}
    complaints = [
        Complaint(prefix + name, f'unknown key "{name}"', suggestion(name, known))
        for name in values
        if name not in known
    ]
    converted: dict[str, Any] = {}
    for name in values:
        if name in known:
            converted[name], found = convert(values[name], _annotation(cls, name), prefix + name)
            complaints += found
    for item in dataclasses.fields(cls):
        missing = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if missing and item.name not in values:
            complaints.append(Complaint(prefix + item.name, "is missing"))
    return (None, complaints) if complaints else (cls(**converted), [])


def check(value: Any) -> list[Complaint]:
    """Return what is wrong with the fields of a dataclass that a program has built; defaults are right."""
    cls: type = type(value)
    return [
        complaint
        for item in dataclasses.fields(value)
        if (given := getattr(value, item.name)) is not item.default
        for complaint in convert(given, _annotation(cls, item.name), item.name)[1]
    ]


def converted(value: T) -> T:
    """Return a dataclass that a program has built, and in which `check` finds nothing, as its annotations want it.

    Tables become the dataclasses that they stand for, lists become tuples; without such it is the same object.
    """
    cls: type = type(value)
    changes = {}
    for item in dataclasses.fields(value):
        given = getattr(value, item.name)
        if given is not item.default:
            wanted, _ = convert(given, _annotation(cls, item.name), item.name)
            if wanted is not given and (type(wanted) is not type(given) or wanted != given):
                changes[item.name] = wanted
    return dataclasses.replace(value, **changes) if changes else value


def convert(value: Any, annotation: Any, key: str) -> tuple[Any, list[Complaint]]:
    """Return a value as its annotation wants it, and what is wrong with it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        converted, complaints = convert(value, get_args(annotation)[0], key)
        if not complaints and converted is not None:
            texts = (bound.complaint(converted) for bound in annotation.__metadata__)
            complaints = [Complaint(key, text) for text in texts if text]
        return converted, complaints
    if origin in (Union, types.UnionType):
        return _convert_union(value, get_args(annotation), key)
    if origin is Literal:
        choices = get_args(annotation)
        if any(value == choice and type(value) is type(choice) for choice in choices):
            return value, []
        hint = suggestion(value, choices) if isinstance(value, str) else ""
        return value, [Complaint(key, f"must be {describe(annotation)}, not {value!r}", hint)]
    if origin in (tuple, Sequence):
        return _convert_tuple(value, annotation, key)
    if origin in (dict, Mapping):
        return _convert_mapping(value, annotation, key)
    if dataclasses.is_dataclass(annotation):
        return _convert_dataclass(value, typing.cast("type", annotation), key)
    accepted = (int, float) if annotation is float else annotation
    if isinstance(value, accepted) and (annotation is bool or not isinstance(value, bool)):
        return value, []
    return value, [Complaint(key, f"must be {describe(annotation)}, not {value!r}")]


def _convert_union(value: Any, choices: tuple[Any, ...], key: str) -> tuple[Any, list[Complaint]]:
    attempts = [convert(value, choice, key) for choice in choices]
    for converted, complaints in attempts:
        if not complaints:
            return converted, []
    # A wrong part of the right shape says more than "none of these types".
    partial = [complaints for _, complaints in attempts if any(found.key != key for found in complaints)]
    ranged = [
        complaints
        for choice, (_, complaints) in zip(choices, attempts, strict=True)
        if get_origin(choice) is Annotated and not convert(value, get_args(choice)[0], key)[1]
    ]
    for better in (partial, ranged):
        if len(better) == 1:
            return value, better[0]
    wanted = " or ".join(describe(choice) for choice in choices if choice is not types.NoneType)
    hint = next((found.hint for _, complaints in attempts for found in complaints if found.hint), "")
    return value, [Complaint(key, f"must be {wanted}, not {value!r}", hint)]


def _convert_tuple(value: Any, annotation: Any, key: str) -> tuple[Any, list[Complaint]]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        return value, [Complaint(key, f"must be {describe(annotation)}, not {value!r}")]
    inner = get_args(annotation)
    if inner[-1] is Ellipsis or get_origin(annotation) is Sequence:
        wanted = [inner[0]] * len(value)
    elif len(inner) == len(value):
        wanted = list(inner)
    else:
        return value, [Complaint(key, f"must have {len(inner)} parts, not {len(value)}")]
    pairs = [
        convert(part, kind, f"{key}[{index}]") for index, (part, kind) in enumerate(zip(value, wanted, strict=True))
    ]
    return tuple(part for part, _ in pairs), [complaint for _, found in pairs for complaint in found]


def _convert_mapping(value: Any, annotation: Any, key: str) -> tuple[Any, list[Complaint]]:
    if not isinstance(value, Mapping):
        return value, [Complaint(key, f"must be {describe(annotation)}, not {value!r}")]
    key_kind, value_kind = get_args(annotation)
    complaints: list[Complaint] = []
    converted: dict[Any, Any] = {}
    for name, inner in value.items():
        complaints += convert(name, key_kind, f"{key}.{name}")[1]
        converted[name], found = convert(inner, value_kind, f"{key}.{name}")
        complaints += found
    return converted, complaints


def _convert_dataclass(value: Any, cls: type[Any], key: str) -> tuple[Any, list[Complaint]]:
    if isinstance(value, cls):
        complaints = [found._replace(key=f"{key}.{found.key}") for found in check(value)]
        return value if complaints else converted(value), complaints
    if isinstance(value, Mapping):
        return build(cls, value, f"{key}.")
    return value, [Complaint(key, f"must be {describe(cls)}, not {value!r}")]


def describe(annotation: Any) -> str:
    """Return a type in the words of a message or of `haconiwa plugins show`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        bound = annotation.__metadata__[0]
        if isinstance(bound, Pattern):
            return bound.meaning
        return f"{describe(get_args(annotation)[0])} ({bound.extent()})"
    if origin in (Union, types.UnionType):
        return " or ".join(describe(choice) for choice in get_args(annotation) if choice is not types.NoneType)
    if origin is Literal:
        return " or ".join(repr(choice) for choice in get_args(annotation))
    if origin in (tuple, Sequence):
        inner = get_args(annotation)
        if inner[-1] is Ellipsis or origin is Sequence:
            return f"a list of {describe(inner[0])}"
        return "[" + ", ".join(map(describe, inner)) + "]"
    if origin in (dict, Mapping):
        return f"a table of {describe(get_args(annotation)[1])}"
    if dataclasses.is_dataclass(annotation):
        return "a table with " + ", ".join(annotations_of(typing.cast("type", annotation)))
    return {bool: "true or false", int: "an integer", float: "a number", str: "a string"}.get(
        annotation, str(annotation)
    )


def suggestion(name: str, known: typing.Iterable[Any]) -> str:
    """Return `did you mean "..."?` for the nearest known name, or ""."""
    import difflib

    close = difflib.get_close_matches(name, [word for word in known if isinstance(word, str)], n=1)
    return f'did you mean "{close[0]}"?' if close else ""
