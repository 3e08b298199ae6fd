"""What the administrator lets this host use: distributions by name and version, and definitions by user.

It is one file that root alone can write. All other settings can only take away from what it leaves.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from haconiwa_core.errors import DefinitionError, PluginError, Problem

if TYPE_CHECKING:
    from haconiwa_core.plugins.rules import Policy

POLICY_FILE = Path("/etc/haconiwa/policy.toml")


@cache
def policy() -> Policy | None:
    """Return the policy of this host, which each process reads once; None where there is no file.

    Raises:
        PluginError: the file cannot be read or understood, or others could have written it.
    """
    try:
        os.lstat(POLICY_FILE)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PluginError(f"{POLICY_FILE}: cannot be read: {error.strerror}") from error
    from haconiwa_core.plugins.rules import read_policy

    return read_policy(POLICY_FILE)


def blocked(distribution: str, version: str) -> str:
    """Return why the policy does not let a distribution be used, or ""."""
    if (found := policy()) is None:
        return ""
    from haconiwa_core.plugins.rules import matches

    rules = found.plugins
    if any(matches(rule, distribution, version) for rule in rules.deny):
        return f"denied by {POLICY_FILE}"
    if rules.allow is None or any(matches(rule, distribution, version) for rule in rules.allow):
        return ""
    return f"not allowed by {POLICY_FILE}"


def missing(usable: Iterable[tuple[str, str]]) -> list[str]:
    """Return the requirements of the policy that nothing meets.

    Args:
        usable: names of distributions and their versions, for each that may be used.
    """
    found = policy()
    if found is None or not found.plugins.required:
        return []
    from haconiwa_core.plugins.rules import matches

    there = list(usable)
    return [rule for rule in found.plugins.required if not any(matches(rule, *item) for item in there)]


def permitted(file: Path) -> Path:
    """Return a definition's file, if the policy lets the user run it: the one who called sudo, or of the process.

    Returns:
        The file; with a policy about definitions, the one that it leads to: another may take the place of a link.

    Raises:
        DefinitionError: the user may not run it.
    """
    if (rules := _rules()) is None:
        return file
    user, patterns = rules
    resolved = file.resolve()
    if not any(resolved.match(pattern) for pattern in patterns):
        raise DefinitionError([Problem(f"{POLICY_FILE} does not let {user} run {resolved}", file=str(file))])
    return resolved


def check_command_line() -> None:
    """Refuse what the command line says of a container, if the policy lets the user run certain files only.

    Raises:
        DefinitionError: it does.
    """
    if (rules := _rules()) and "*" not in rules[1]:
        text = f"{POLICY_FILE} lets {rules[0]} run files as they are: no feature, option or command may be given"
        raise DefinitionError([Problem(text, file="command line")])


def _rules() -> tuple[str, tuple[str, ...]] | None:
    """Return the user and what he may run; None where the policy says nothing about it."""
    found = policy()
    if found is None or found.definitions is None:
        return None
    import pwd

    from haconiwa_core.trust import sudo_user

    number = os.geteuid() or sudo_user()
    try:
        user = pwd.getpwuid(number).pw_name
    except KeyError:
        user = str(number)
    return user, (*found.definitions.get(user, ()), *found.definitions.get("*", ()))
