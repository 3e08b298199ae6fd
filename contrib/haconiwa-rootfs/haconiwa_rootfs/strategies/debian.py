"""Options that the strategies for Debian's packages share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from haconiwa_core.feature import option
from haconiwa_core.options import Pattern

Word = Annotated[str, Pattern(r"[a-z0-9][A-Za-z0-9.+_-]*", "a word of letters, digits and .+_-")]
Mirror = Annotated[str, Pattern(r"([a-z+]+:|deb |/)[^\0\n]+", "the address of a mirror")]


@dataclass(frozen=True)
class Packages:
    """Which packages a root has.

    Args:
        release: such as "bookworm".
        mirror: where the packages are; the tool's own by default.
        arch: architecture; the host's by default.
        variant: how much of the system is installed: "minbase" is the least with apt.
        components: of the archive.
        include: further packages.
    """

    release: Word
    mirror: Mirror | None = option(None, "where the packages are; the tool's own by default")
    arch: Word | None = option(None, "architecture; the host's by default")
    variant: Word = option("minbase", "how much of the system is installed")
    components: Sequence[Word] = option(("main",), "of the archive")
    include: Sequence[Word] = option((), "further packages")


def arguments(options: Packages) -> Iterator[str]:
    """Yield the arguments by which both tools understand the options."""
    yield f"--variant={options.variant}"
    yield f"--components={','.join(options.components)}"
    if options.arch:
        yield f"--arch={options.arch}"
    if options.include:
        yield f"--include={','.join(options.include)}"


def inputs(options: Packages, folder: str) -> Mapping[str, str]:
    """Return nothing: which packages there are is settled when the root is created."""
    del options, folder
    return {}
