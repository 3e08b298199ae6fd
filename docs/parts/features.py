"""The page of each feature: its options, and what it does in the plan of its README's example."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, get_args
from unittest.mock import patch

from haconiwa_rootfs.store.roots import VARIABLE
from haconiwa_rootfs.testing import keep_root_without_content

from haconiwa_core.definition.reading import read
from haconiwa_core.facts import Fact, key_of
from haconiwa_core.feature import Feature
from haconiwa_core.options import annotations_of, describe
from haconiwa_core.planning.plan import Plan, PlannedStep, describe_call
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.catalogue import distribution_for, known_names
from haconiwa_core.testing import all_plugins, host
from parts import arguments, paragraph, table

TREE = Path(__file__).resolve().parents[2]


def readme(name: str) -> Path:
    """Return the README of the distribution that provides a plugin."""
    (found,) = TREE.glob(f"*/{distribution_for(name)}/README.md")
    return found


def index() -> str:
    """Return the table of all features."""
    features = ((name, all_plugins().feature_class(name)) for name in known_names())
    return table(
        ("feature", "what the container gets"), ((f"[{name}]({name}.md)", paragraph(kind)) for name, kind in features)
    )


def feature(name: str) -> str:
    """Return all that the code says of a feature."""
    kind = all_plugins().feature_class(name)
    distribution = distribution_for(name)
    stages = [f"[{each.name}](../reference/stages.md#{each.name.lower()})" for each in kind.stages]
    facts = (
        ("install", f"`pip install {distribution}`"),
        ("in TOML", f"`[{name}]`"),
        ("in Python", f"`{kind.__module__}.{kind.__name__}`"),
        ("stages", ", ".join(stages) or "none"),
        ("without root", ", ".join(filter(None, kind.rootless))),
        ("more", f"[{distribution}](../../{readme(name).relative_to(TREE)})"),
    )
    parts = [paragraph(kind), table(("", ""), facts), f"## Options\n\n{_options(kind)}", *_items(kind)]
    return "\n\n".join([*parts, f"## What it needs\n\n{_section(name, 'Kernel interface and needs')}", _planned(name)])


def _options(kind: type[Feature]) -> str:
    types = annotations_of(kind)
    if not types:
        return "It has none."
    rows = (
        (f"`{item.name}`", _cell(describe(types[item.name])), _default(item.default), item.metadata["help"])
        for item in fields(kind)
    )
    return table(("option", "type", "default", "meaning"), rows)


def _default(default: object) -> str:
    if default is MISSING:
        return "required"
    if default is None or default == ():
        return ""
    return f"`{repr(default) if isinstance(default, int) and not isinstance(default, bool) else json.dumps(default)}`"


def _cell(text: str) -> str:
    # A filter's bytes are those of the libseccomp that has made them.
    text = re.sub(r"b'[^']{20,}(?:'|(?=\.\.\.))", "b'...'", text)
    return text.replace("|", r"\|")


def _items(kind: type[Feature]) -> Iterator[str]:
    """Yield tables of the dataclasses that options are made of."""
    lists: dict[type, list[str]] = {}
    for option, annotation in annotations_of(kind).items():
        for item in _nested(annotation):
            lists.setdefault(item, []).append(f"`{option}`")
    for item, options in lists.items():
        described = list(arguments(item))
        if described:
            yield f"Items of {' and '.join(options)} are tables in TOML, `{item.__name__}` in Python:"
            yield table(("key", "meaning"), described)


def _nested(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and is_dataclass(annotation):
        yield annotation
    for part in get_args(annotation):
        yield from _nested(part)


def _section(name: str, title: str) -> str:
    """Return what a README says below a heading."""
    (text,) = re.findall(rf"^## {title}\n\n(.*?)(?=^## |\Z)", readme(name).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(text).strip()


def _planned(name: str) -> str:
    """Return what the README's example means: a test has the three forms of it planned alike."""
    (example,) = re.findall(r"^```toml\n(.*?)^```$", readme(name).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    written, made, roots = _plan(example)
    parts = [f"## In a plan\n\n```toml\n{example}```"]
    if facts := [f"- `{_shown(fact)}`" for fact, publisher in _facts(made) if publisher == name]:
        parts.append("It tells other features:\n\n" + "\n".join(facts))
    if added := [each.section for each in made.container.features if each.section not in written]:
        parts.append(f"It stands for {', '.join(f'[{each}]({each}.md)' for each in added)}.")
    rows = [_row(planned) for planned in made.steps if planned.plugin == name]
    if rows:
        undone = any(undo for *_, undo in rows)
        header = ("stage", "step", "needs", "undo") if undone else ("stage", "step", "needs")
        text = (
            "Its steps; what stands in brackets is needed in some cases only:" if _in_brackets(rows) else "Its steps:"
        )
        parts.append(f"{text}\n\n" + table(header, (row[: len(header)] for row in rows)))
    else:
        parts.append("It has no steps of its own.")
    return "\n\n".join(parts).replace(roots, "/var/lib/haconiwa/roots")


def _row(planned: PlannedStep) -> tuple[str, str, str, str]:
    """Return stage, step, capabilities and undo of a step."""
    needed = (f"[{name}]" if unless else name for name, unless in planned.privileges)
    undo = planned.step.undo
    step = f"`{_cell(planned.describe())}`"
    return planned.step.stage.name, step, " ".join(needed), f"`{_cell(describe_call(undo))}`" if undo else ""


def _in_brackets(rows: list[tuple[str, str, str, str]]) -> bool:
    return any("[" in needed for _, _, needed, _ in rows)


@cache
def _plan(example: str) -> tuple[set[str], Plan, str]:
    """Return the sections of an example, its plan for a host that is the same everywhere, and where its roots are."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, {VARIABLE: str(Path(folder, "roots"))}):
        file = Path(folder, "example.toml")
        file.write_text(example, "utf-8")
        (container,) = read(str(file), all_plugins())
        keep_root_without_content(container)
        made = plan(container, host(), all_plugins())
    return {item.section for item in container.features}, made, os.path.join(folder, "roots")


def _facts(made: Plan) -> Iterator[tuple[Fact, str]]:
    for kind in get_args(Fact):
        for fact in made.facts.all(kind):
            yield fact, made.facts.publisher(kind, key_of(fact))


def _shown(value: Any) -> str:
    """Return a fact as it is made, with names for numbers."""
    if isinstance(value, Enum):
        return value.name or "0"
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return f"{type(value).__name__}({', '.join(f'{key}={_shown(each)}' for key, each in value._asdict().items())})"
    return repr(value)
