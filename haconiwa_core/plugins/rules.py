"""The file of the policy: its form, and reading it. Imported only where there is one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from haconiwa_core.errors import DefinitionError, PluginError, Problem
from haconiwa_core.lines import Lines
from haconiwa_core.options import Pattern, build
from haconiwa_core.trust import read_of_root


def _parts(rule: str) -> tuple[str, str]:
    """Return the name and the versions of a rule."""
    name, versions = re.split(r"(?=[ <>=!~]|$)", rule, maxsplit=1)
    return name, versions.strip()


class _Rule(Pattern):
    """A name, perhaps with versions."""

    def complaint(self, value: str) -> str:
        if wrong := super().complaint(value):
            return wrong
        try:
            SpecifierSet(_parts(value)[1])
        except InvalidSpecifier as error:
            return str(error)
        return ""


Rule = Annotated[str, _Rule(r"[\w.*-]+ *([<>=!~].*)?", 'a rule such as "acme-*" or "haconiwa-cgroup>=1.2,<2"')]
Requirement = Annotated[str, _Rule(r"[\w.-]+ *([<>=!~].*)?", 'a requirement such as "haconiwa-cgroup>=1.2,<2"')]
Files = Annotated[str, Pattern(r"\*|/.*", 'an absolute path such as "/srv/haconiwa/*.py", or "*"')]


@dataclass(frozen=True, kw_only=True)
class Distributions:
    """Rules about distributions: names (PEP 503), in which "*" stands for anything, and versions (PEP 440).

    Args:
        allow: may be used; None lets all.
        deny: may not be used, allowed or not.
        required: must be installed and usable, or nothing starts.
    """

    allow: tuple[Rule, ...] | None = None
    deny: tuple[Rule, ...] = ()
    required: tuple[Requirement, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the file says.

    Args:
        plugins: whose entry points may be used.
        definitions: which files each user may run, "*" being all users; None lets all. A file is an absolute path, in
            which "*" stands for anything but "/"; "*" alone is every file, and what the command line says.
    """

    plugins: Distributions = Distributions()
    definitions: Mapping[str, tuple[Files, ...]] | None = None


def read_policy(path: Path) -> Policy:
    """Return what a file says.

    Raises:
        PluginError: it cannot be read or understood, or others could have written it; with all that is wrong.
    """
    file = str(path)
    try:
        text = read_of_root(path).decode()
        found, complaints = build(Policy, tomllib.loads(text))
    except DefinitionError as error:
        raise PluginError(str(error)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise PluginError(f"{file}: cannot tell what is allowed: {error}") from error
    if complaints:
        raise PluginError("\n".join(_told(item.key, item.text, item.hint, file, Lines(text)) for item in complaints))
    policy: Policy = found
    return policy


def matches(rule: str, distribution: str, version: str) -> bool:
    """Return whether a rule is about a version of a distribution; a pre-release is as good as any.

    Raises:
        PluginError: the rule asks for versions, and this is none that could be compared.
    """
    name, versions = _parts(rule)
    if not fnmatchcase(_normalized(distribution), _normalized(name)):
        return False
    try:
        return not versions or SpecifierSet(versions).contains(Version(version), prereleases=True)
    except InvalidVersion as error:
        raise PluginError(f"{distribution}: {error}, and the policy has a rule about it: {rule}") from error


def _normalized(name: str) -> str:
    """Return a name as names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _told(key: str, text: str, hint: str, file: str, lines: Lines) -> str:
    section, _, rest = key.partition(".")
    line = lines.find(section, rest) or lines.find("", section)
    return str(Problem(text, section, rest, file, line, hint))
