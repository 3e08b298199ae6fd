"""Rewrite the parts of the documentation that repeat the code: `python docs/generate.py`.

Such a part stands between `<!-- generated: NAME -->` and `<!-- end -->`. A test compares.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args

from haconiwa_supervision.events.kinds import ALWAYS, KINDS
from haconiwa_supervision.hooks.context import Context, Log

from haconiwa_core import errors, stages
from haconiwa_core.container import Container
from haconiwa_core.hooks import hook
from haconiwa_core.hooks.events import Event
from haconiwa_core.options import annotations_of
from haconiwa_core.planning.refusals import TABLE
from haconiwa_core.plugins import hookspecs
from haconiwa_core.plugins.catalogue import distribution_for, known_names
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.testing import Conformance, options_table
from haconiwa_core.testing.conformance.subject import Subject

FOLDER = Path(__file__).resolve().parent
PAGES = (FOLDER.parent / "README.md", *sorted(FOLDER.rglob("*.md")))

_PART = re.compile(r"(?<=<!-- generated: )(\S+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def generate(text: str) -> str:
    """Return a page with its generated parts made anew."""
    return _PART.sub(lambda part: f"{part[1]}{part[2]}{_PARTS[part[1]]()}\n", text)


def _stages() -> str:
    return _table(("stage", "where it runs, what holds afterwards, and why here"), _documented_members(stages.Stage))


def _documented_members(kind: type) -> Iterator[tuple[str, str]]:
    """Yield the names of an enum's members and the strings below them, which the language forgets."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    for member, comment in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(comment, ast.Expr):
            (target,) = member.targets
            yield ast.unparse(target), " ".join(str(ast.literal_eval(comment.value)).split())


def _keys() -> str:
    return _table(("key", "meaning"), _arguments(Container))


def _arguments(documented: type, label: str = "Args") -> Iterator[tuple[str, str]]:
    """Yield what a docstring says of each argument, or attribute."""
    arguments = inspect.cleandoc(documented.__doc__ or "").partition(f"{label}:\n")[2].partition("\n\n")[0]
    for entry in re.split(r"\n(?=    \w)", arguments):
        names, _, text = " ".join(entry.split()).partition(": ")
        yield ", ".join(f"`{name}`" for name in names.split(", ")), text


def _nested(annotation: Any) -> Iterator[type]:
    """Yield the dataclasses that an option's type is made of."""
    if isinstance(annotation, type) and is_dataclass(annotation):
        yield annotation
    for part in get_args(annotation):
        yield from _nested(part)


def _features() -> str:
    plugins = Plugins()
    parts = []
    for name in known_names():
        feature = plugins.feature_class(name)
        summary = " ".join(inspect.cleandoc(feature.__doc__ or "").partition("\n\n")[0].split())
        place = f"`[{name}]` in TOML, `{feature.__module__}.{feature.__name__}` in Python"
        parts.append(f"### {name}\n\n{summary} {place}.\n\n{options_table(feature)}")
        lists: dict[type, list[str]] = {}
        for option, annotation in annotations_of(feature).items():
            for item in _nested(annotation):
                lists.setdefault(item, []).append(f"`{option}`")
        for item, options in lists.items():
            parts.append(f"Items of {' and '.join(options)} are tables in TOML, `{item.__name__}` in Python:")
            parts.append(_table(("key", "meaning"), _arguments(item)))
    return "\n\n".join(parts) + "\n"


def _distributions() -> str:
    plugins = Plugins()
    rows = []
    for name in known_names():
        package = sys.modules[plugins.feature_class(name).__module__]
        distribution = distribution_for(name)
        (readme,) = FOLDER.parent.glob(f"*/{distribution}/README.md")
        link = f"[{distribution}]({readme.relative_to(FOLDER.parent)})"
        rows.append((link, (package.__doc__ or "").partition("\n")[0]))
    return _table(("distribution", "what the container gets"), rows)


def _refusals() -> str:
    return _table(("refused", "because"), ((row.name, row.reason) for row in TABLE))


def _statuses() -> str:
    rows = (
        ("the command's own", "it has run and ended by itself"),
        ("128 + n", "it has run and was ended by signal n"),
        (
            str(errors.EXIT_DEFINITION),
            "the definition or command line is wrong, or a plugin is missing: nothing ran",
        ),
        (str(errors.EXIT_SETUP), "the container could not be set up, or not be cleaned up"),
        (str(errors.EXIT_NOT_EXECUTABLE), "the command was found and cannot be executed"),
        (str(errors.EXIT_NOT_FOUND), "the command was not found"),
    )
    return _table(("exit status", "meaning"), rows)


def _events() -> str:
    members = dict(_documented_members(Event))
    rows = ((f"`{event}`", members[event.name], "veto" if event.may_veto else "warn") for event in Event)
    return _table(("event", "when, and what there is then", "a failure, by default"), rows)


def _event_kinds() -> str:
    def described(keys: Mapping[str, str]) -> str:
        return "; ".join(f"`{key}`: {meaning}" for key, meaning in keys.items())

    rows = ((f"`{name}`", kind.meaning, described(kind.keys)) for name, kind in KINDS.items())
    return _table(("event", "when", "what it tells"), (("all", "", described(ALWAYS)), *rows))


def _every() -> str:
    return _table(("option", "meaning"), _arguments(hook.Every))


def _on_pressure() -> str:
    return _table(("option", "meaning"), _arguments(hook.OnPressure))


def _context() -> str:
    attributes = ((f"`c.{name.strip('`')}`", text) for name, text in _arguments(Context, "Attributes"))
    methods = (*_public(Context, "c"), *_public(Log, "c.log"))
    return "\n\n".join((_table(("what is known", ""), attributes), _table(("what can be done", ""), methods)))


def _public(kind: type, name: str) -> Iterator[tuple[str, str]]:
    """Yield calls of public methods, and properties, each with the first sentences that are said of it."""
    for member, value in vars(kind).items():
        if not member.startswith("_"):
            text = " ".join(inspect.cleandoc(value.__doc__ or "").partition("\n\n")[0].split())
            yield f"`{name}.{member}{_call_of(value)}`", text


def _call_of(value: Any) -> str:
    """Return how a method is called, without its types; nothing for a property."""
    if isinstance(value, property):
        return ""
    _, *parameters = inspect.signature(value).parameters.values()
    return str(inspect.Signature([each.replace(annotation=each.empty) for each in parameters]))


def _hooks() -> str:
    parts = []
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction):
        if hasattr(function, f"{hookspecs.PROJECT}_spec"):
            summary, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
            signature = ", ".join(inspect.signature(function).parameters)
            # The fixed shape of a hook's text: a label, a colon, lines that continue further in.
            items = re.sub(r"\n +", " ", rest).splitlines()
            listed = "\n".join("- **{}**:{}".format(*item.split(":", 1)) for item in items)
            parts.append(f"### `{name}({signature})`\n\n{summary}\n\n{listed}")
    return "\n\n".join(parts) + "\n"


def _conformance() -> str:
    rows = []
    for group in Conformance.__bases__:
        for name, check in vars(group).items():
            if name.startswith("test_"):
                promise, _, advice = inspect.cleandoc(check.__doc__ or "").partition("\n\nIf it fails: ")
                rows.append((f"`{name}`", " ".join(promise.split()), " ".join(advice.split())))
    return _table(("check", "what is promised", "if it fails"), rows)


def _subject() -> str:
    return _table(("attribute", "what it says"), _arguments(Subject, "Attributes"))


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (header, ("---",) * len(header), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


_PARTS = {
    "conformance": _conformance,
    "context": _context,
    "distributions": _distributions,
    "event-kinds": _event_kinds,
    "events": _events,
    "every": _every,
    "features": _features,
    "hooks": _hooks,
    "keys": _keys,
    "on-pressure": _on_pressure,
    "refusals": _refusals,
    "stages": _stages,
    "statuses": _statuses,
    "subject": _subject,
}


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(generate(page.read_text("utf-8")), "utf-8")
