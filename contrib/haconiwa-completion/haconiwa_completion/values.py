"""What an argument may be. No definition is executed for it, and no plugin but the one whose options are asked for."""

from __future__ import annotations

import os
import re
from argparse import Action
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import fields
from typing import Any

from haconiwa_core.cli import flags
from haconiwa_core.container import is_name
from haconiwa_core.errors import PluginError
from haconiwa_core.launch import choice
from haconiwa_core.launch.direct import DirectLauncher
from haconiwa_core.launch.zygote import ZygoteLauncher
from haconiwa_core.plugins.discovery import State, installed
from haconiwa_core.plugins.entrypoints import entry_points
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.store import Store

Completer = Callable[..., Iterable[str]]

_DEFINITIONS = (".py", ".toml")
_NOBODYS_YET = ("new", "plugins new")
"""Verbs whose NAME is to be a new one."""

_FILE_OR_CONTAINER = ("verify",)
"""Verbs that take containers that run in place of a definition."""

_PATH = re.compile(r"(?:FILE|FACTS|DIR|SOURCE|TARGET)\b")


def completer_of(action: Action, verb: str, *, of_file: bool) -> Completer:
    """Return what tells the values of an option or of an argument, as argcomplete calls it.

    Args:
        action: the option or the argument.
        verb: whose it is.
        of_file: names are those of containers in a definition.
    """
    metavar = str(action.metavar or action.dest)
    by_place: dict[str, Completer] = {
        "enabled": _features,
        "disabled": _features,
        "settings": _settings,
        "launcher": _launchers,
        "plugin": _features,
        "file": _definitions,
    }
    if verb in _FILE_OR_CONTAINER and not action.option_strings:
        return _definitions_and_containers
    if verb == "cp" and not action.option_strings:
        return _ends
    if action.dest in by_place and metavar != "FILE":
        return by_place[action.dest]
    if not action.option_strings and metavar == "NAME":
        return _nothing if of_file or verb in _NOBODYS_YET else _containers
    if metavar.startswith("WORD"):
        return lambda **_: _flag_words(action)
    if "|" in metavar:
        return lambda **_: _words(metavar)
    return _files if _PATH.match(metavar) else _nothing


def _nothing(**_: Any) -> Iterable[str]:
    return ()


def _features(**_: Any) -> Iterable[str]:
    return [plugin.name for plugin in installed() if plugin.state is State.ENABLED]


def _settings(prefix: str, **_: Any) -> Iterator[str]:
    """Yield sections, or the options of the one that is there."""
    section, dot, _rest = prefix.partition(".")
    if not dot:
        yield from (f"{name}." for name in _features())
        return
    with suppress(PluginError):
        for option in fields(Plugins().feature_class(section)):
            yield f"{section}.{option.name}="


def _launchers(**_: Any) -> Iterable[str]:
    return [DirectLauncher.name, ZygoteLauncher.name, *(i.name for i in entry_points() if i.group == choice.GROUP)]


def _containers(**_: Any) -> Iterable[str]:
    return Store().names()


def _ends(prefix: str, **_: Any) -> Iterator[str]:
    """Yield what `cp` takes: containers, and paths of the host."""
    yield from (f"{name}:" for name in _containers())
    if not is_name(prefix.partition(":")[0]) or ":" not in prefix:
        yield from _files(prefix)


def _words(metavar: str) -> Iterator[str]:
    """Yield the words among what is written as `none|host|container:NAME`."""
    for part in metavar.split("|"):
        match = re.match(r"[a-z-]+[:=]?", part)
        if match:
            yield match[0]


def _flag_words(action: Action) -> Iterator[str]:
    """Yield the words that values of a flag such as `--security-opt` begin with."""
    for item in entry_points():
        flag, dot, word = item.name.partition(".")
        if item.group == flags.GROUP and dot and f"--{flag}" in action.option_strings:
            yield word


def _definitions(prefix: str, **_: Any) -> Iterator[str]:
    return (name for name in _files(prefix) if name.endswith(("/", *_DEFINITIONS)))


def _definitions_and_containers(prefix: str, **_: Any) -> Iterator[str]:
    yield from _definitions(prefix)
    yield from _containers()


def _files(prefix: str, **_: Any) -> Iterator[str]:
    folder, begin = os.path.split(prefix)
    with suppress(OSError):
        for entry in os.scandir(os.path.expanduser(folder) or "."):
            if entry.name.startswith(begin) and (begin or not entry.name.startswith(".")):
                yield os.path.join(folder, entry.name) + ("/" if entry.is_dir() else "")
