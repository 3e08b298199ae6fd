"""Render the template; the one module that sees copier."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import copier
from copier.errors import CopierError

from haconiwa_core.errors import HaconiwaError, PluginError

KINDS = ("feature", "controller", "hooks", "findings", "command", "observer", "profile")
TEMPLATE = Path(__file__).parent / "template"


def render(name: str, folder: str, answers: Sequence[str], *, template: str | None, defaults: bool) -> None:
    """Make the distribution of a plugin; it is there whole, or not at all.

    Args:
        name: of the plugin.
        folder: missing or empty; the one that holds it exists.
        answers: to questions of the template, each as "KEY=VALUE"; the rest is asked on the terminal.
        template: a git repository that holds it, as copier names one; the installed one by default.
        defaults: ask nothing.

    Raises:
        PluginError: the name or an answer is wrong, the folder holds something, or there is no terminal to ask on.
        HaconiwaError: the template cannot be had, or files cannot be written.
    """
    if not defaults and not sys.stdin.isatty():
        raise PluginError("there is no terminal to ask on; add --defaults, and --data KEY=VALUE for other answers")
    data = {**_parsed(answers), "name": name}
    target = Path(folder).absolute()
    try:
        if target.exists() and list(target.iterdir()):
            raise PluginError(f"{target} is not empty; name another folder with --folder")
        with TemporaryDirectory(dir=target.parent, prefix=".haconiwa-new-") as place:
            made = Path(place, "made")
            _copy(template or str(TEMPLATE), made, data, defaults=defaults)
            os.rename(made, target)
    except OSError as error:
        raise HaconiwaError(f"{target}: cannot be made: {error}") from error


def _parsed(answers: Sequence[str]) -> dict[str, str]:
    pairs = [answer.partition("=") for answer in answers]
    if wrong := [key for key, equals, _ in pairs if not (key and equals)]:
        raise PluginError(f"--data takes KEY=VALUE, not {wrong[0]!r}")
    return {key: value for key, _, value in pairs}


def _copy(template: str, made: Path, data: Mapping[str, str], *, defaults: bool) -> None:
    try:
        rendered = copier.run_copy(
            template,
            made,
            data=dict(data),
            user_defaults={"author": getpass.getuser()},
            # Those of the user may answer for him, and trust templates to run programs.
            settings=copier.Settings(),
            defaults=defaults,
            quiet=True,
        )
    except ValueError as error:
        raise PluginError(f"the template cannot be rendered: {error}") from error
    except CopierError as error:
        raise HaconiwaError(f"the template cannot be rendered: {error}") from error
    # What is never asked is computed of the rest.
    asked = [key for key, question in rendered.template.questions_data.items() if question.get("when") is not False]
    if unknown := sorted(data.keys() - set(asked)):
        raise PluginError(f"the template does not ask for {', '.join(unknown)}; it asks for {', '.join(asked)}")
