"""What a user writes: one container, as a command, its surroundings and its features."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from haconiwa_core.errors import Problem
from haconiwa_core.feature import Feature, Source, written_at
from haconiwa_core.hooks.declaring import Hooked
from haconiwa_core.options import check

if TYPE_CHECKING:
    from haconiwa_core.hooks.hook import Hook

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

OWN_KEYS = ("name", "command", "env", "workdir", "stdin", "stdout", "stderr", "terminal")
"""What a definition says of the container itself; all else is of its features."""

_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z", re.ASCII)
_VARIABLE = re.compile(r"\A[^=\0]+\Z")
_STREAMS = ("inherit", "null", "log")


@dataclass(frozen=True)
class Container(Hooked):
    """The definition of one container. Immutable: every change returns another one.

    Args:
        name: matches `[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`.
        command: the program and its arguments; a program without "/" is looked for in the
            container's PATH.
        features: at most one of each kind; one that is added again replaces the former whole.
        env: the whole environment; a sane PATH is added where it has none.
        workdir: absolute path inside.
        stdin, stdout, stderr: "inherit", "null", "log" (output only), "file:PATH" inside the
            container, or "host:PATH" on the host; output files are appended to, mode 0600.
        terminal: it has a terminal of its own (pty(7)), which is all three of its streams, and controls its session.
        folder: where relative paths of the host start; the definition's folder.
        hooks: declared with the decorators of `Hooked`; a container that is made of another begins with its hooks.
        unread: what could not be read of it where it was written; any of these refuses its plan.
    """

    name: str
    command: Sequence[str] = ()
    features: Sequence[Feature] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    stdin: str = "inherit"
    stdout: str = "inherit"
    stderr: str = "inherit"
    terminal: bool = False
    folder: str = ""
    hooks: list[Hook] = field(default_factory=list, repr=False, compare=False)
    unread: Sequence[Problem] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", written_at())
        object.__setattr__(self, "hooks", list(self.hooks))
        if not isinstance(self.command, str):
            object.__setattr__(self, "command", tuple(self.command))
        if isinstance(self.env, Mapping):
            object.__setattr__(self, "env", MappingProxyType(dict(self.env)))
        for feature in self.features:
            if not isinstance(feature, Feature):
                raise TypeError(f"a feature is wanted, such as PidNamespace(), not {feature!r}")
        by_section = {feature.section: feature for feature in self.features}
        object.__setattr__(self, "features", tuple(by_section[name] for name in sorted(by_section)))

    def __add__(self, feature: Feature) -> Container:
        return replace(self, features=(*self.features, feature)).at(self.place)

    def without(self, section: str) -> Container:
        """Return the container less the feature of this section, if it has it."""
        kept = tuple(feature for feature in self.features if feature.section != section)
        return replace(self, features=kept).at(self.place)

    def feature(self, section: str) -> Feature | None:
        """Return the feature of a section, or None."""
        return next((feature for feature in self.features if feature.section == section), None)

    @property
    def needs_supervisor(self) -> bool:
        """Whether only the resident supervisor can start it: it has hooks, or a section for that one."""
        return bool(self.hooks) or any(feature.supervised for feature in self.features)

    @property
    def place(self) -> Source:
        """Where the container was written."""
        place: Source = self.__dict__["source"]
        return place

    def at(self, source: Source) -> Container:
        """Tell where the container was written, for problems that are found in it; return it."""
        object.__setattr__(self, "source", source)
        return self

    def detached(self) -> Container:
        """Return the container with null and its log instead of streams that it would inherit; a terminal stays."""
        if self.terminal:
            return self
        instead = {"stdin": "null", "stdout": "log", "stderr": "log"}
        changes: dict[str, Any] = {key: kind for key, kind in instead.items() if getattr(self, key) == "inherit"}
        return replace(self, **changes).at(self.place)

    def environment(self) -> dict[str, str]:
        """Return the container's whole environment."""
        return {"PATH": DEFAULT_PATH, **self.env}

    def to_json(self) -> dict[str, Any]:
        """Return the definition as data that json can write and `definition.stored` reads."""
        own = {key: getattr(self, key) for key in OWN_KEYS}
        features = {feature.section: _given(feature) for feature in self.features}
        return {**own, "env": dict(self.env), "folder": self.folder, "features": features}

    def problems(self) -> list[Problem]:
        """Return what is wrong with the container and with the options of its features."""
        problems = [*self.unread, *_own_problems(self), *_feature_problems(self)]
        problems += [problem for hook in self.hooks for problem in hook.problems()]
        # What was found while reading knows its line.
        by_subject = {(item.section, item.key, item.text): item for item in reversed(problems)}
        return list(reversed(by_subject.values()))

    def noting(self, problems: Sequence[Problem]) -> Container:
        """Return the container with more that could not be read of it."""
        return replace(self, unread=(*self.unread, *problems)).at(self.place)


def _given(value: Any) -> Any:
    """Return a feature, or a part of one, as data; options that have their defaults are left out."""
    if is_dataclass(value):
        items = ((item, getattr(value, item.name)) for item in fields(value))
        return {item.name: _given(inner) for item, inner in items if inner != item.default}
    if isinstance(value, Mapping):
        return {key: _given(inner) for key, inner in value.items()}
    return [_given(inner) for inner in value] if isinstance(value, (tuple, list)) else value


def is_name(text: object) -> bool:
    """Return whether a text may name a container."""
    return isinstance(text, str) and _NAME.match(text) is not None


def _own_problems(container: Container) -> list[Problem]:
    file, line = container.place
    found: list[Problem] = []

    def problem(key: str, text: str, hint: str = "") -> None:
        found.append(Problem(text, key=key, file=file, line=line, hint=hint))

    if not is_name(container.name):
        problem("name", f"must match [A-Za-z0-9][A-Za-z0-9_.-]{{0,127}}, not {container.name!r}")
    if complaint := _command_complaint(container.command):
        problem("command", *complaint)
    env: object = container.env
    if not isinstance(env, Mapping):
        problem("env", f"must be a table of strings, not {env!r}")
    else:
        for name, value in container.env.items():
            if not isinstance(name, str) or not _VARIABLE.match(name):
                problem("env", f"{name!r} cannot name a variable")
            elif not isinstance(value, str) or "\0" in value:
                problem(f"env.{name}", f"must be a string without NUL characters, not {value!r}")
    if text := _workdir_complaint(container.workdir):
        problem("workdir", text)
    for key in ("stdin", "stdout", "stderr"):
        if text := _stream_complaint(key, getattr(container, key), container.terminal):
            problem(key, text)
    terminal: object = container.terminal
    if not isinstance(terminal, bool):
        problem("terminal", f"must be true or false, not {terminal!r}")
    return found


def _command_complaint(command: Sequence[str]) -> tuple[str, ...]:
    """Return what is wrong with a command and what to do about it, or nothing."""
    if isinstance(command, str):
        return "must be a list of strings", f"write {command.split()!r}"
    if not command:
        return ("is missing",)
    if not all(isinstance(word, str) and "\0" not in word for word in command):
        return ("must be a list of strings without NUL characters",)
    if not command[0]:
        return ("the program's name is empty",)
    if _lies_in_proc(command[0]):
        return ("must not lie in /proc, where the program that starts the container could be found",)
    return ()


def _workdir_complaint(value: object) -> str:
    if not isinstance(value, str) or not _is_absolute(value):
        return f"must be an absolute path inside the container, not {value!r}"
    if _lies_in_proc(value):
        return "must not lie in /proc, whose links lead to wherever a process has something open"
    return ""


def _lies_in_proc(path: str) -> bool:
    return path.startswith("/") and os.path.normpath(path).lstrip("/").split("/")[0] == "proc"


def _stream_complaint(key: str, value: object, terminal: bool) -> str:
    expected = 'must be "inherit", "null", "log", "file:PATH" or "host:PATH"'
    if not isinstance(value, str) or "\0" in value:
        return f"{expected}, not {value!r}"
    if value == "log" and key == "stdin":
        return "a log can take output only"
    if terminal is True and value not in ("inherit", "log"):
        return f"must be left out, not {value!r}: the container has a terminal, which is all of its streams"
    kind, _, path = value.partition(":")
    if value in _STREAMS or (kind == "host" and path):
        return ""
    if kind == "file":
        return "" if _is_absolute(path) else f"a file inside needs an absolute path, not {path!r}"
    return f"{expected}, not {value!r}"


def _is_absolute(path: object) -> bool:
    return isinstance(path, str) and path.startswith("/") and "\0" not in path


def _feature_problems(container: Container) -> list[Problem]:
    return [
        Problem(
            complaint.text,
            section=feature.section,
            key=complaint.key,
            file=feature.place.file,
            line=feature.place.line,
            hint=complaint.hint,
        )
        for feature in container.features
        for complaint in check(feature)
    ]
