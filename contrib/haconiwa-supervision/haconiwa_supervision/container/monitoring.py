"""What is noticed of one container while it runs: what the kernel does to it, and what it says itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.hooks.events import Event
from haconiwa_core.host import gather
from haconiwa_core.runtime.record import Record
from haconiwa_supervision.watching import Watch, sources_of
from haconiwa_supervision.watching.sources import Source

if TYPE_CHECKING:
    import socket

    from haconiwa_supervision.container.supervised import Supervised
    from haconiwa_supervision.readiness.notify import Notifications, Told


class Monitoring:
    """Watches a container from its start to its end.

    Args:
        container: whose hooks it runs.
    """

    def __init__(self, container: Supervised) -> None:
        self._container = container
        self._watch: Watch | None = None
        self._messages: Notifications | None = None
        self._ended = False

    def listen(self, bound: socket.socket) -> None:
        """Take the container's own messages (sd_notify(3)).

        Args:
            bound: its socket, as `notify.bound` has made it.
        """
        from haconiwa_supervision.readiness.notify import Notifications

        self._messages = Notifications(bound, self._says)

    async def begin(self) -> None:
        """Begin to watch its control group, if it has one; what cannot be watched is told."""
        container = self._container
        running = container.running
        if running is None or not running.record.group:
            return
        supervisor = container.supervisor
        try:
            sources = await supervisor.work(partial(_sources, running.record))
            if self._ended:
                return
            # Its group is as new as the container: what was counted before now has not been told.
            seen = dict.fromkeys((source.file for source in sources), 0) | container.state.seen
            self._watch = supervisor.watcher.watch(sources, self._happens, seen)
            for hook, trigger in container.firing.pressures:
                self._watch.on_pressure(running.record.group, trigger, partial(container.firing.pressed, hook))
        except (OSError, HaconiwaError) as error:
            if not self._ended:
                supervisor.fault(container.name, error)

    async def renew(self) -> None:
        """Watch for the pressure that other hooks want by now."""
        if self._watch:
            self._container.state.seen = self._watch.seen
            self._watch.close()
            self._watch = None
            await self.begin()

    def end(self) -> None:
        """Look for the last time, when its first process has ended, and watch no more."""
        self._ended = True
        if self._watch:
            self._watch.look()
            self._watch.close()
            self._watch = None
        if self._messages:
            self._messages.close()
            self._messages = None

    def leave(self) -> None:
        """Watch no more, and note what was seen for the next supervisor."""
        self._ended = True
        if self._watch:
            self._watch.close()

    def _happens(self, event: Event) -> None:
        container = self._container
        if self._watch:
            container.state.seen = self._watch.seen
            container.note()
        container.emit(event)
        container.firing.fire_soon(event)

    def _says(self, what: Told, text: str) -> None:
        if what == "READY":
            self._container.notified.set()
        self._container.emit("notified", message=what, text=text)


def _sources(record: Record) -> tuple[Source, ...]:
    return sources_of(record, gather())
