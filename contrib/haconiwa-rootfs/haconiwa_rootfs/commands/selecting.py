"""Which roots a command line means, and how their steps are run."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from haconiwa_display import progress

from haconiwa_core.container import Container
from haconiwa_core.definition.reading import read
from haconiwa_core.errors import DefinitionError, HaconiwaError, Problem
from haconiwa_core.log import escape
from haconiwa_core.plugins.loading import Plugins
from haconiwa_rootfs import Rootfs
from haconiwa_rootfs.building import base_key
from haconiwa_rootfs.provisioning import keys_after, problems_of
from haconiwa_rootfs.provisioning.chain import pending, run_pending
from haconiwa_rootfs.store.roots import Store

_SHOWN = 20


def roots_in(file: str, names: Sequence[str]) -> Iterator[tuple[Container, Rootfs]]:
    """Yield the containers of a file, or those named, and the root of each.

    Raises:
        DefinitionError: the file is wrong, a name means nothing, or no container has such a root.
    """
    containers = read(file, Plugins())
    unknown = set(names) - {container.name for container in containers}
    if unknown:
        raise DefinitionError([Problem(f"{file} has no container {', '.join(sorted(unknown))}")])
    chosen = [container for container in containers if not names or container.name in names]
    if problems := [problem for container in chosen for problem in container.problems()]:
        raise DefinitionError(problems)
    found = [(container, container.feature(Rootfs.section)) for container in chosen]
    roots = [(container, feature) for container, feature in found if isinstance(feature, Rootfs)]
    if not roots:
        raise DefinitionError([Problem(f"no container of {file} has a section rootfs")])
    for container, feature in roots:
        if problems := list(problems_of(feature.provision)):
            raise DefinitionError(problems)
        yield container, feature


def key_of(container: Container, feature: Rootfs) -> str:
    """Return the key of a container's root before its steps."""
    return base_key(feature, container.folder or os.getcwd())


def say(name: str, line: str) -> None:
    """Write a line that a container has written."""
    sys.stderr.write(f"{name}: {escape(line)}\n")


@contextmanager
def telling(*, quiet: bool) -> Iterator[Callable[[str, str], None]]:
    """Give what is called with each line of output, and whose it is.

    Args:
        quiet: show the last lines only, and only if something fails.
    """
    held: deque[tuple[str, str]] = deque(maxlen=_SHOWN)
    try:
        yield (lambda name, line: held.append((name, line))) if quiet else say
    except HaconiwaError:
        for name, line in held:
            say(name, line)
        raise


def provision(container: Container, feature: Rootfs, roots: Store, only: Sequence[str], *, quiet: bool) -> None:
    """Run the steps of a root that have to be run.

    Args:
        container: that has the root.
        feature: the root.
        roots: where it is.
        only: names of steps; see `pending`.
        quiet: show a progress bar instead of output, and of a step that fails its last lines.

    Raises:
        HaconiwaError: a step has failed, or there is nothing for it to change.
    """
    first = key_of(container, feature)
    if roots.layers(first) is None:
        raise HaconiwaError(f"the root of {container.name} has not been created: haconiwa create FILE")
    wanted = pending(first, feature.provision, only, roots)
    keys = list(keys_after(first, feature.provision))
    after = keys[keys.index(wanted[-1].key) + 1 :] if wanted else []
    with telling(quiet=quiet) as show:
        steps = run_pending(wanted, after, roots, show)
        for _ in progress(steps, container.name, len(wanted)) if quiet else steps:
            pass
