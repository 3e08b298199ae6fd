"""The hooks that plugins implement, from their specifications; and the stages that their steps run in."""

from __future__ import annotations

import inspect
import re

from haconiwa_core.plugins import hookspecs
from haconiwa_core.plugins.catalogue import known_names
from haconiwa_core.stages import Stage
from haconiwa_core.testing import all_plugins
from parts import documented_members


def hooks() -> str:
    """Return a heading with the signature of each hook, and what its specification says."""
    parts = []
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction):
        if hasattr(function, f"{hookspecs.PROJECT}_spec"):
            summary, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
            signature = inspect.signature(function)
            # The fixed shape of a hook's text: a label, a colon, lines that continue further in.
            items = re.sub(r"\n +", " ", rest).splitlines()
            listed = "\n".join("- **{}**:{}".format(*item.split(":", 1)) for item in items)
            # Annotations are not evaluated here, and are shown as they are written.
            typed = "```python\ndef {}{}: ...\n```".format(name, str(signature).replace("'", ""))
            parts.append(f"### `{name}({', '.join(signature.parameters)})`\n\n{summary}\n\n{typed}\n\n{listed}")
    return "\n\n".join(parts)


def stages() -> str:
    """Return a heading for each stage, what it is, and which features have steps in it."""
    users: dict[Stage, list[str]] = {}
    for name in known_names():
        for stage in all_plugins().feature_class(name).stages:
            users.setdefault(stage, []).append(f"[{name}](../features/{name}.md)")
    parts = []
    for name, meaning in documented_members(Stage):
        stage = Stage[name]
        where = "On the host" if stage.on_host else "In the container's process"
        used = ", ".join(users.get(stage, ())) or "the core alone"
        parts.append(f"### {name}\n\n{meaning}\n\n- **Runs**: {where}.\n- **Used by**: {used}.")
    return "\n\n".join(parts)
