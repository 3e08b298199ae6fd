"""Notice what the kernel does to containers: processes that are killed for memory or refused, and pressure."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from haconiwa_core.hooks.events import Event
from haconiwa_core.hooks.hook import OnPressure
from haconiwa_core.linux.cgroups import read_counter
from haconiwa_supervision.watching.inotify import Inotify
from haconiwa_supervision.watching.pressure import Pressures
from haconiwa_supervision.watching.sources import By, Source, sources_of as sources_of

_LOOKING = 1.0
_AFTER_NOTICE = (0.0, 0.02, 0.1, 0.5, 2.0)
"""Seconds after a notice of version 1, at which the process may have been killed."""


class Watcher:
    """Watches any number of containers on the running loop.

    One descriptor serves all of version 2, and one thread all pressure; version 1 takes a descriptor for each
    container with a limit of memory, and a look a second at each with a limit of processes.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._inotify: Inotify | None = None
        self._watched: dict[int, Watch] = {}
        self._pressures: Pressures | None = None

    def watch(
        self, sources: tuple[Source, ...], heard: Callable[[Event], None], seen: Mapping[str, int] | None = None
    ) -> Watch:
        """Begin to watch a container.

        Args:
            sources: as `sources_of` gives them.
            heard: called with OOM or PIDS_LIMIT, once for what has happened at the same time.
            seen: `Watch.seen` of a former watch: what has happened since then is told, too.

        Raises:
            OSError: its groups are gone, or ENOSPC where the user watches too many files.
        """
        watch = Watch(self, sources, heard, seen)
        try:
            watch._begin()
        except OSError:
            watch.close()
            raise
        return watch

    def close(self) -> None:
        """Watch nothing any more; the watches must be closed before."""
        if self._inotify:
            self._loop.remove_reader(self._inotify)
            self._inotify.close()
        if self._pressures:
            self._pressures.close()

    def _add(self, file: str, watch: Watch) -> int:
        if self._inotify is None:
            self._inotify = Inotify()
            self._loop.add_reader(self._inotify, self._changed)
        number = self._inotify.add(file)
        self._watched[number] = watch
        return number

    def _remove(self, number: int) -> None:
        assert self._inotify is not None
        del self._watched[number]
        self._inotify.remove(number)

    def _changed(self) -> None:
        assert self._inotify is not None
        numbers = self._inotify.read()
        found = self._watched if numbers is None else self._watched.keys() & numbers
        for watch in {self._watched[number] for number in found}:
            watch.look()

    def _under_pressure(self) -> Pressures:
        if self._pressures is None:
            self._pressures = Pressures()
        return self._pressures


class Watch:
    """The watch of one container, made by `Watcher.watch`.

    Attributes:
        seen: by file, what was counted when it was last looked at; for the watch of a later supervisor.
    """

    def __init__(
        self,
        watcher: Watcher,
        sources: tuple[Source, ...],
        heard: Callable[[Event], None],
        seen: Mapping[str, int] | None,
    ) -> None:
        self._watcher = watcher
        self._sources = sources
        self._heard = heard
        self.seen = dict(seen or {})
        self._numbers: list[int] = []
        self._triggers: list[int] = []
        self._eventfd = -1
        self._timers: dict[By, list[asyncio.TimerHandle]] = {By.EVENTFD: [], By.LOOKING: []}

    def on_pressure(self, group: tuple[str, ...], trigger: OnPressure, heard: Callable[[], None]) -> None:
        """Call a function whenever a container's processes wait for too long, at most once in the trigger's window.

        The kernel accounts for waiting every two seconds: what was right before may be told, too.

        Args:
            group: base and name of its control group, as in its record.
            trigger: how long that is.
            heard: called.

        Raises:
            HaconiwaError: the kernel cannot tell that.
        """
        self._triggers.append(self._watcher._under_pressure().add(Path(*group), trigger, heard))

    def look(self) -> None:
        """Tell at once of what was counted since the last look; to be called when the container has ended, too."""
        happened: dict[Event, None] = {}
        for source in self._sources:
            counted = _counted(source)
            if counted > self.seen[source.file]:
                self.seen[source.file] = counted
                happened[source.event] = None
        for event in happened:
            self._heard(event)

    def close(self) -> None:
        """Watch the container no more."""
        for number in self._numbers:
            self._watcher._remove(number)
        for trigger in self._triggers:
            self._watcher._under_pressure().remove(trigger)
        for timer in (*self._timers[By.EVENTFD], *self._timers[By.LOOKING]):
            timer.cancel()
        if self._eventfd >= 0:
            self._watcher._loop.remove_reader(self._eventfd)
            os.close(self._eventfd)

    def _begin(self) -> None:
        # Before the counters are read: what happens in between is noticed.
        for source in self._sources:
            if source.by is By.INOTIFY:
                self._numbers.append(self._watcher._add(source.file, self))
            elif source.by is By.EVENTFD:
                self._ask_for_notice(source.file)
        for source in self._sources:
            self.seen.setdefault(source.file, _counted(source))
        if any(source.by is By.LOOKING for source in self._sources):
            self._look_again()
        self.look()

    def _ask_for_notice(self, file: str) -> None:
        """Have an eventfd told of a version 1 group's memory (cgroup.event_control)."""
        if self._eventfd < 0:
            self._eventfd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._watcher._loop.add_reader(self._eventfd, self._noticed)
        control = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            Path(file).with_name("cgroup.event_control").write_text(f"{self._eventfd} {control}")
        finally:
            os.close(control)

    def _noticed(self) -> None:
        os.eventfd_read(self._eventfd)
        for timer in self._timers[By.EVENTFD]:
            timer.cancel()
        later = self._watcher._loop.call_later
        self._timers[By.EVENTFD] = [later(seconds, self.look) for seconds in _AFTER_NOTICE]

    def _look_again(self) -> None:
        self.look()
        self._timers[By.LOOKING] = [self._watcher._loop.call_later(_LOOKING, self._look_again)]


def _counted(source: Source) -> int:
    try:
        return read_counter(source.file, source.field)
    except OSError as error:
        # The group is being removed.
        if error.errno != errno.ENODEV:
            raise
        return 0
