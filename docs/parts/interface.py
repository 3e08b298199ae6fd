"""The names that programs and definitions use, read from the sources: signatures with their types, and what is said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import griffe

from parts import table
from parts.features import TREE

LINE = 110
"""Characters of a signature that is not folded."""

Member = Any
"""An object of griffe's, or an alias, which has all that its object has."""

PATHS = [TREE, *sorted(TREE.glob("plugins/*")), *sorted(TREE.glob("contrib/*"))]


def names(package: str) -> str:
    """Return a heading for each public name of a package, with its signature and its text."""
    loader = griffe.GriffeLoader(search_paths=PATHS, allow_inspection=False)
    module = loader.load(package, try_relative_path=False)
    found = map(str, module.exports or [name for name, member in module.members.items() if not member.is_alias])
    return "\n\n".join(_described(module[name]) for name in sorted(found))


def _described(member: Member, of: str = "") -> str:
    heading = f"#### {of}.{member.name}" if of else f"### {member.name}"
    signature = _signature(member).replace("'", '"')
    parts = [heading, f"```python\n{signature}\n```", *_text(member)]
    if member.is_class:
        parts += [_described(each, member.name) for each in _members(member)]
    return "\n\n".join(parts)


def _members(kind: Member) -> Iterator[Member]:
    """Yield what can be called, and properties, that somebody has described; its own and inherited."""
    for name, member in {**kind.members, **kind.all_members}.items():
        is_property = "property" in member.labels
        if not name.startswith("_") and member.docstring and (member.is_function or is_property):
            yield member


def _signature(member: Member) -> str:
    if member.is_function:
        before = "async def" if "async" in member.labels else "def"
        text = f"{before} {member.signature(return_type=True)}: ..."
        return text if len(text) <= LINE else _folded(before, member)
    if member.is_class:
        bases = ", ".join(str(base) for base in member.bases)
        return f"class {member.name}({bases})" if bases else f"class {member.name}"
    return f"{member.name}: {member.annotation}" if member.annotation else member.name


def _folded(before: str, function: Member) -> str:
    whole = function.signature(return_type=True)
    name, _, rest = whole.partition("(")
    inside, _, after = rest.rpartition(")")
    return f"{before} {name}(\n" + "".join(f"    {each},\n" for each in _split(inside)) + f"){after}: ..."


def _split(text: str) -> list[str]:
    """Split parameters at the commas that are in no brackets."""
    parts, depth, begin = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            parts.append(text[begin:place].strip())
            begin = place + 1
    return [*parts, text[begin:].strip()]


def _text(member: Member) -> Iterator[str]:
    if not member.docstring:
        return
    for section in member.docstring.parse("google", warnings=False):
        kind = section.kind.value
        if kind == "text":
            yield str(section.value)
        elif kind in ("parameters", "attributes"):
            rows = [(f"`{item.name}`", _line(item.description)) for item in section.value]
            yield table(("argument" if kind == "parameters" else "attribute", "meaning"), rows)
        elif kind == "returns":
            yield f"Returns: {_line(section.value[0].description)}"
        elif kind == "raises":
            yield "\n".join(f"- raises `{item.annotation}`: {_line(item.description)}" for item in section.value)
        else:
            yield _line(str(getattr(section.value, "description", section.value)))


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
