"""Look at a container from outside and from inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.matrix import isolation_of
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_verify.asked import Asked
from haconiwa_verify.attempt import Attempt, tried
from haconiwa_verify.attempts import ATTEMPTS
from haconiwa_verify.containers import Inside, entered, entering, started, starting
from haconiwa_verify.report import Report, reported
from haconiwa_verify.scene import Scene

Progress = Callable[[Iterable[Attempt], str, int], Iterator[Attempt]]
"""Yields items, and shows how far they have come, as `haconiwa_display.progress` does."""


def unshown(items: Iterable[Attempt], _what: str, _total: int) -> Iterator[Attempt]:
    """Yield items, and show nothing."""
    yield from items


def verify_started(
    asked: Plan, plugins: Plugins, *, progress: Progress = unshown, launcher: str | None = None
) -> Report:
    """Start a container with a probe instead of its command, and report what it is kept from.

    Args:
        asked: as `containers.asked_of` gives it.
        plugins: where features and rows come from.
        progress: is told of each attempt.
        launcher: by name; None takes the installed one.

    Raises:
        HaconiwaError: it cannot be set up, or not be cleaned up.
    """
    with Scene(Asked(asked)) as scene, started(starting(asked, plugins), scene, launcher) as inside:
        return verified(scene, inside, plugins, progress=progress)


def verify_running(
    name: str,
    asked: Plan,
    plugins: Plugins,
    *,
    exhaust: bool = False,
    progress: Progress = unshown,
    launcher: str | None = None,
) -> Report:
    """Put a probe into a running container, and report what it is kept from.

    Args:
        name: of the container.
        asked: as `containers.asked_of` gives it, of the definition as it is in force.
        plugins: where features and rows come from.
        exhaust: take also all memory and processes that the container may have.
        progress: is told of each attempt.
        launcher: by name; None takes the installed one.

    Raises:
        HaconiwaError: nothing can enter it.
    """
    attempts = [attempt for attempt in ATTEMPTS if exhaust or not attempt.exhausting]
    with Scene(Asked(asked)) as scene, entered(name, entering(asked, plugins), scene, launcher) as inside:
        report = verified(scene, inside, plugins, attempts, progress=progress)
    return report._replace(container=name)


def verified(
    scene: Scene,
    inside: Inside,
    plugins: Plugins,
    attempts: Sequence[Attempt] = ATTEMPTS,
    *,
    progress: Progress = unshown,
) -> Report:
    """Read back what is in force for a container, try what it is to be kept from, and report both.

    Args:
        scene: what lies on the host, and what was asked for.
        inside: the container and the probe in it.
        plugins: where features and rows come from.
        attempts: that are made.
        progress: is told of each attempt.

    Raises:
        HaconiwaError: the container has ended before it was looked at.
    """
    asked = scene.asked.plan
    name = asked.container.name
    try:
        with Confined(inside.process, inside.host) as confined:
            rows = isolation_of(asked, confined, plugins)
    except ProcessLookupError as error:
        raise HaconiwaError(f"the container {name} has ended meanwhile") from error
    # What nobody limits is not exhausted.
    left_out = {row.what for row in rows if row.state == "weak"}
    chosen = [item for item in attempts if not (item.exhausting and left_out.intersection(item.rows(scene)))]
    outcomes = [tried(item, inside.prober, scene) for item in progress(chosen, f"trying {name}", len(chosen))]
    return reported(name, rows, outcomes)
