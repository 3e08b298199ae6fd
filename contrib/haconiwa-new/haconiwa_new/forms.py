"""A commented definition, in TOML and in Python: what it does not use is there, and commented out.

Prose begins with "# ", what can be used with "#" alone.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING
from typing import Any

from haconiwa_new.sections import Choice, Section

_WIDTH = 110
_COMMAND = ["echo", "hello from a container"]


def toml_text(name: str, keys: Iterable[Choice], parts: Iterable[Section], used: Sequence[str]) -> str:
    """Return a definition in TOML.

    Args:
        name: of the container.
        keys: of the container itself.
        parts: sections.
        used: names of those that are not commented out.
    """
    lines = [f"# {line}".rstrip() for line in _introduction(f"{name}.toml")]
    lines += ["", f"name = {json.dumps(name)}", f"command = {json.dumps(_COMMAND)}"]
    for key in keys:
        lines += ["", *_prose(f"{key.name}: {key.meaning}"), f"#{key.name} = {_toml(key.default)}"]
    for part in parts:
        mark = "" if part.name in used else "#"
        lines += ["", *_prose(f"{part.meaning} ({part.distribution})"), f"{mark}[{part.name}]"]
        tables = dict(part.example.tables)
        values = tables.pop(part.name, {})
        owners = {header: header.removeprefix(f"{part.name}.").partition(".")[0] for header in tables}
        for option in part.options:
            if option.name not in owners.values():
                shown = {"default": _toml(option.default), **values}
                lines += _option(option, shown, " = ", "", used=not mark)
        for header, inner in tables.items():
            meaning = next(option.meaning for option in part.options if option.name == owners[header])
            lines += [*_prose(meaning), f"{mark}[{header}]", *(f"{mark}{key} = {inner[key]}" for key in inner)]
    return "\n".join(lines) + "\n"


def python_text(name: str, keys: Iterable[Choice], parts: Sequence[Section], used: Sequence[str]) -> str:
    """Return a definition in Python; the arguments are those of `toml_text`."""
    lines = ['"""' + "\n".join(_introduction(f"{name}.py")) + '\n"""', "", "from haconiwa_core import Container"]
    for mark in ("", "#"):
        imports = {line for part in parts if (part.name in used) == (mark == "") for line in part.example.imports}
        lines += [f"{mark}{line}" for line in sorted(imports)]
    lines += ["", "container = Container(", f"    {json.dumps(name)},", f"    command={json.dumps(_COMMAND)},"]
    for key in keys:
        lines += _indented(1, [*_prose(f"{key.name}: {key.meaning}"), f"#{key.name}={_python(key.default)},"])
    lines.append("    features=[")
    for part in parts:
        mark = "" if part.name in used else "#"
        lines += _indented(2, [*_prose(f"{part.meaning} ({part.distribution})"), f"{mark}{part.kind}("])
        for option in part.options:
            shown = {"default": _python(option.default), **part.example.arguments}
            lines += _indented(3, _option(option, shown, "=", ",", used=not mark))
        lines.append(f"        {mark}),")
    return "\n".join([*lines, "    ],", ")"]) + "\n"


def _introduction(file: str) -> list[str]:
    return [
        f"A container. `haconiwa run {file}` runs it, `haconiwa plan {file}` shows what that does.",
        "",
        "What begins with # alone can be used: take the # away. Sections are sorted by name.",
    ]


def _prose(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH)]


def _option(option: Choice, values: Mapping[str, str], equals: str, end: str, *, used: bool) -> Iterator[str]:
    """Yield the lines of an option: what it means, and its value where there is one to show."""
    required = option.default is MISSING
    yield from _prose(f"{option.name}: {option.meaning}{' (required)' if required else ''}")
    if value := values.get(option.name) or values["default"]:
        first, *rest = f"{option.name}{equals}{value}{end}".splitlines()
        mark = "" if used and required else "#"
        yield from (f"{mark}{line}" for line in (first, *rest))


def _indented(level: int, lines: Iterable[str]) -> list[str]:
    return [f"{'    ' * level}{line}" for line in lines]


def _toml(value: Any) -> str:
    """Return a default in TOML; "" for what TOML has no word for."""
    if value is None or value is MISSING:
        return ""
    if isinstance(value, (bool, str)):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{}"
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, tuple) else repr(value)


def _python(value: Any) -> str:
    """Return a default in Python; "" for none, which is not written."""
    if value is None or value is MISSING:
        return ""
    return json.dumps(value) if isinstance(value, str) else repr(value)
