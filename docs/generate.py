"""Rewrite the parts of the documentation that repeat the code: `python docs/generate.py`.

Such a part stands between `<!-- generated: NAME -->` and `<!-- end -->`; more words after NAME are its arguments. A
test compares. The page of a feature that has none yet is made.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from haconiwa_supervision.events.kinds import ALWAYS, KINDS
from haconiwa_supervision.hooks.context import Context, Log
from parts import arguments, commands, documented_members, features, flags, interface, paragraph, plugin_hooks, table

from haconiwa_core import errors, stages
from haconiwa_core.container import Container
from haconiwa_core.hooks import hook
from haconiwa_core.hooks.events import Event
from haconiwa_core.planning.refusals import TABLE
from haconiwa_core.plugins.catalogue import distribution_for, known_names
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.testing import Conformance
from haconiwa_core.testing.conformance.subject import Subject

FOLDER = Path(__file__).resolve().parent

_PART = re.compile(r"(?<=<!-- generated: )(\S+)((?: \S+)*)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def generate(text: str) -> str:
    """Return a page with its generated parts made anew."""
    return _PART.sub(lambda part: f"{part[1]}{part[2]}{part[3]}{_PARTS[part[1]](*part[2].split())}\n", text)


def _stages() -> str:
    return table(("stage", "where it runs, what holds afterwards, and why here"), documented_members(stages.Stage))


def _keys() -> str:
    return table(("key", "meaning"), arguments(Container))


def _distributions() -> str:
    plugins = Plugins()
    rows = []
    for name in known_names():
        package = sys.modules[plugins.feature_class(name).__module__]
        distribution = distribution_for(name)
        (readme,) = FOLDER.parent.glob(f"*/{distribution}/README.md")
        link = f"[{distribution}]({readme.relative_to(FOLDER.parent)})"
        rows.append((link, (package.__doc__ or "").partition("\n")[0]))
    return table(("distribution", "what the container gets"), rows)


def _every_distribution() -> str:
    """Tell of each folder that is a distribution what it says of itself."""
    rows = []
    for file in sorted(FOLDER.parent.glob("[pc]*/haconiwa-*/pyproject.toml"), key=lambda file: file.parent.name):
        project = tomllib.loads(file.read_text("utf-8"))["project"]
        readme = file.with_name("README.md").relative_to(FOLDER.parent)
        rows.append((f"[{project['name']}](../../{readme})", project["description"]))
    return table(("distribution", "what it is"), rows)


def _examples() -> str:
    """Tell of each example what its first lines say."""
    rows, folder = [], FOLDER.parent / "examples"
    for file in sorted([*folder.glob("*.py"), *folder.glob("*.toml"), *folder.glob("*/run.py")]):
        text = file.read_text("utf-8")
        said = ast.get_docstring(ast.parse(text)) if file.suffix == ".py" else text.replace("# ", "")
        name = file.relative_to(folder)
        rows.append((f"[{name}](../../examples/{name})", " ".join((said or "").partition("\n\n")[0].split())))
    return table(("file", "what it shows"), rows)


def _errors() -> str:
    kinds = (errors.DefinitionError, errors.PluginError, errors.RecordError, errors.SetupError)
    rows = ((str(kind.exit_status), f"`{kind.__name__}`", paragraph(kind)) for kind in kinds)
    return table(("exit status", "in Python", "meaning"), rows)


def _refusals() -> str:
    return table(("refused", "because"), ((row.name, row.reason) for row in TABLE))


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
    return table(("exit status", "meaning"), rows)


def _events() -> str:
    members = dict(documented_members(Event))
    rows = ((f"`{event}`", members[event.name], "veto" if event.may_veto else "warn") for event in Event)
    return table(("event", "when, and what there is then", "a failure, by default"), rows)


def _event_kinds() -> str:
    def described(keys: Mapping[str, str]) -> str:
        return "; ".join(f"`{key}`: {meaning}" for key, meaning in keys.items())

    rows = ((f"`{name}`", kind.meaning, described(kind.keys)) for name, kind in KINDS.items())
    return table(("event", "when", "what it tells"), (("all", "", described(ALWAYS)), *rows))


def _every() -> str:
    return table(("option", "meaning"), arguments(hook.Every))


def _on_pressure() -> str:
    return table(("option", "meaning"), arguments(hook.OnPressure))


def _context() -> str:
    attributes = ((f"`c.{name.strip('`')}`", text) for name, text in arguments(Context, "Attributes"))
    methods = (*_public(Context, "c"), *_public(Log, "c.log"))
    return "\n\n".join((table(("what is known", ""), attributes), table(("what can be done", ""), methods)))


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


def _conformance() -> str:
    rows = []
    for group in Conformance.__bases__:
        for name, check in vars(group).items():
            if name.startswith("test_"):
                promise, _, advice = inspect.cleandoc(check.__doc__ or "").partition("\n\nIf it fails: ")
                rows.append((f"`{name}`", " ".join(promise.split()), " ".join(advice.split())))
    return table(("check", "what is promised", "if it fails"), rows)


def _subject() -> str:
    return table(("attribute", "what it says"), arguments(Subject, "Attributes"))


_PARTS: dict[str, Callable[..., str]] = {
    "commands": commands.commands,
    "conformance": _conformance,
    "context": _context,
    "distributions": _distributions,
    "errors": _errors,
    "event-kinds": _event_kinds,
    "events": _events,
    "every": _every,
    "every-distribution": _every_distribution,
    "examples": _examples,
    "feature": features.feature,
    "features": features.index,
    "flags": flags.flags,
    "hooks": plugin_hooks.hooks,
    "interface": interface.names,
    "keys": _keys,
    "on-pressure": _on_pressure,
    "refusals": _refusals,
    "refused-flags": flags.refused,
    "stage-list": plugin_hooks.stages,
    "stages": _stages,
    "statuses": _statuses,
    "subject": _subject,
}


def _feature_pages() -> None:
    """Make the pages that are missing; what is generated in them comes with all others."""
    for name in known_names():
        page = FOLDER / "features" / f"{name}.md"
        if not page.exists():
            page.write_text(f"# {name}\n\n<!-- generated: feature {name} -->\n<!-- end -->\n", "utf-8")


if __name__ == "__main__":
    _feature_pages()
    for page in (FOLDER.parent / "README.md", *FOLDER.rglob("*.md")):
        page.write_text(generate(page.read_text("utf-8")), "utf-8")
