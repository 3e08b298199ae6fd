"""A root that is kept in a git repository."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.feature import option
from haconiwa_core.options import Pattern

if TYPE_CHECKING:
    from haconiwa_rootfs.strategy import Target

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Options:
    """What the strategy `git` can do.

    Args:
        url: of the repository, as git-clone(1) takes it; a path starts at the definition's folder.
        ref: a branch, a tag, or a whole commit id, which alone always means the same.
        history: keep the directory .git.
    """

    url: Annotated[str, Pattern(r"[^-\0\n][^\0\n]*", "the address of a repository")]
    ref: Annotated[str, Pattern(r"[A-Za-z0-9][^\0\n ~^:?*\[\\]*", "a branch, a tag or a commit")] = option(
        "HEAD", "a branch, a tag or a whole commit id"
    )
    history: bool = option(False, "keep .git")


def git(url: str, **more: str | bool) -> dict[str, dict[str, Any]]:
    """Return the source of a root that is kept in a git repository.

    Args:
        url: of the repository.
        more: the other options of the strategy (`Options`).

    Example: `Rootfs(git("https://git.example/root.git", ref="v1"))`.
    """
    return {"git": {"url": url, **more}}


def inputs(options: Options, folder: str) -> Mapping[str, str]:
    """Return nothing: what a branch means is settled when the root is created."""
    del options, folder
    return {}


def build(options: Options, target: Target) -> None:
    """Fetch one commit, and check its files out.

    Raises:
        HaconiwaError: git has failed, or another commit came than the one that is wanted.
    """
    place = str(target.directory)
    git_there = ["git", "-C", place, "-c", "core.hooksPath=/dev/null"]
    target.run(["git", "init", "--quiet", "--template=", place])
    # From the definition's folder, where a relative path starts.
    target.run(
        ["git", f"--git-dir={place}/.git", "fetch", "--quiet", "--depth=1", "--no-tags", options.url, options.ref]
    )
    target.run([*git_there, "checkout", "--quiet", "--detach", "FETCH_HEAD"])
    fetched = (target.directory / ".git" / "HEAD").read_text().strip()
    if _COMMIT.fullmatch(options.ref) and fetched != options.ref:
        raise HaconiwaError(f"{options.url} has given the commit {fetched}, and {options.ref} is wanted")
    target.progress(f"commit {fetched}")
    if not options.history:
        shutil.rmtree(target.directory / ".git")
