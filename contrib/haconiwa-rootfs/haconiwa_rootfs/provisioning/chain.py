"""Steps one after the other: what is there already is used, what fails leaves nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from haconiwa_core.errors import HaconiwaError
from haconiwa_rootfs.provisioning import Provision, keys_after
from haconiwa_rootfs.provisioning.container import run_step
from haconiwa_rootfs.provisioning.layered import Layered
from haconiwa_rootfs.provisioning.resolver import make_resolver_layer


class Roots(Protocol):
    """Where roots are kept."""

    def layers(self, key: str) -> Sequence[str] | None:
        """Return the directories of a root's layers, the lowest first; None where there is no such root."""

    def scratch(self) -> AbstractContextManager[Path]:
        """Give an empty directory on the file system of the layers, and remove what is in it at the end."""

    def add(self, key: str, below: str, changes: Path, by: str) -> None:
        """Keep a root under a key: that of the key `below`, and a directory of changes as its topmost layer.

        Args:
            key: of the root.
            below: of what was changed.
            changes: in a directory of `scratch`.
            by: what has made it, for people.
        """

    def forget(self, key: str) -> None:
        """Forget a root, if there is one; its layers stay."""


class Pending(NamedTuple):
    """A step that has to be run.

    Args:
        step: itself.
        below: the key of what it changes.
        key: of what it makes.
    """

    step: Provision
    below: str
    key: str


def pending(first: str, steps: Sequence[Provision], only: Sequence[str], roots: Roots) -> Sequence[Pending]:
    """Return the steps that have to be run, in order.

    Args:
        first: the key of the root that the first step changes.
        steps: all of them.
        only: names of those that are run again, with those between them, on what the steps before have made; without
            names, those are run whose result is not there.
        roots: what is there.

    Raises:
        HaconiwaError: a name means no step, or what a step changes is not there.
    """
    keys = [first, *keys_after(first, steps)]
    chain = list(map(Pending, steps, keys, keys[1:]))
    if not only:
        return [each for each in chain if roots.layers(each.key) is None]
    names = [step.name for step in steps]
    if unknown := [name for name in only if name not in names]:
        raise HaconiwaError(f"there is no step {', '.join(unknown)}; there is {', '.join(names) or 'none'}")
    places = [names.index(name) for name in only]
    wanted = chain[min(places) : max(places) + 1]
    if roots.layers(wanted[0].below) is None:
        raise HaconiwaError(f"what the step {wanted[0].step.name} changes is not there; leave --only out once")
    return wanted


def run_pending(
    steps: Iterable[Pending], after: Sequence[str], roots: Roots, show: Callable[[str, str], None]
) -> Iterator[str]:
    """Run steps, each when the next is asked for; yield their names.

    Args:
        steps: of `pending`.
        after: keys of what is made of their results: forgotten where one is run.
        roots: where their results go.
        show: called with the step's name and a line of its output.

    Raises:
        HaconiwaError: a step has failed; nothing is left of it.
    """
    for each in steps:
        layers = roots.layers(each.below)
        if layers is None:
            raise HaconiwaError(f"what the step {each.step.name} changes was removed meanwhile")
        with roots.scratch() as scratch:
            changes = changes_of(each.step, layers, scratch, partial(show, each.step.name))
            for key in after:
                roots.forget(key)
            roots.add(each.key, each.below, changes, f"step {each.step.name}")
        yield each.step.name


def changes_of(step: Provision, layers: Sequence[str], scratch: Path, show: Callable[[str], None]) -> Path:
    """Run a step on a root, and return the directory that holds what it has changed: a layer of overlayfs.

    Args:
        step: what is run.
        layers: of the root, the lowest first; they are not written.
        scratch: an empty directory, on a file system that overlayfs can write to.
        show: called with each line of its output.

    Raises:
        HaconiwaError: it has failed.
    """
    upper, work, resolver = (scratch / name for name in ("upper", "work", "resolver"))
    for directory in (upper, work, resolver):
        directory.mkdir(mode=0o700)
    # Its own are those of the root directory that the container sees.
    found = os.stat(layers[-1])
    os.chown(upper, found.st_uid, found.st_gid)
    upper.chmod(stat.S_IMODE(found.st_mode))
    if step.network:
        make_resolver_layer(resolver, layers)
        resolver.chmod(stat.S_IMODE(found.st_mode))
        layers = [*layers, str(resolver)]
    run_step(step, Layered(layers=layers, directory=str(scratch)), show)
    return upper
