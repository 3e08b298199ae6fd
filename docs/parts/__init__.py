"""What generated parts of pages are made of."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table of Markdown."""
    lines = (header, ("---",) * len(header), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def paragraph(documented: object) -> str:
    """Return the first paragraph of a docstring, as one line."""
    return " ".join((inspect.getdoc(documented) or "").partition("\n\n")[0].split())


def arguments(documented: type, label: str = "Args") -> Iterator[tuple[str, str]]:
    """Yield what a docstring says of each argument, or attribute."""
    listed = inspect.cleandoc(documented.__doc__ or "").partition(f"{label}:\n")[2].partition("\n\n")[0]
    for entry in re.split(r"\n(?=    \w)", listed) if listed else ():
        names, _, text = " ".join(entry.split()).partition(": ")
        yield ", ".join(f"`{name}`" for name in names.split(", ")), text


def documented_members(kind: type) -> Iterator[tuple[str, str]]:
    """Yield the names of an enum's members and the strings below them, which the language forgets."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    for member, comment in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(comment, ast.Expr):
            (target,) = member.targets
            yield ast.unparse(target), " ".join(str(ast.literal_eval(comment.value)).split())
