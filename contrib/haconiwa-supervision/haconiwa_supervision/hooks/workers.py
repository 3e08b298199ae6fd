"""Workers: each is spawned, called, and spawned anew when it has died; one for each version of a definition's file."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_runtime.messages import MessageError
from haconiwa_runtime.waiting import within

from haconiwa_core.hooks.hook import Hook
from haconiwa_core.launch.python import python_calling
from haconiwa_core.launch.resident import spawn
from haconiwa_core.runtime.processes import Child
from haconiwa_supervision.hooks.calls import Answer, Outcome
from haconiwa_supervision.hooks.worker_process import WorkerError, WorkerProcess

Key = tuple[str, int, int]

START_TIMEOUT = 60.0
"""Seconds that a worker may take to read its definition."""

MOST_CALLS = 200
"""Calls of one worker that run at the same time; more wait for their turn."""

_FIRST_DELAY = 0.1
_LONGEST_DELAY = 10.0
_LONG_LIFE = 60.0


class Worker:
    """The worker of one definition. It is started with its first call.

    Args:
        file: absolute path of the definition; of one that is no program, only hooks of plugins can be called.
        environment: of the worker; by default that of this process.
        connection: to a worker that a program has forked; without it one is spawned, and again when it has died.
    """

    def __init__(
        self,
        file: str = "",
        *,
        environment: Mapping[str, str] | None = None,
        connection: socket.socket | None = None,
    ) -> None:
        self._file = file
        self._environment = dict(os.environ if environment is None else environment)
        self._connection = connection
        self._is_given = connection is not None
        self._name = f"the worker of {file or ('a program' if self._is_given else 'plugins')}"
        self._process: WorkerProcess | None = None
        self._starting = asyncio.Lock()
        self._places = asyncio.Semaphore(MOST_CALLS)
        self._deaths = 0
        self._burials: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self) -> Mapping[str, Sequence[str]]:
        """Start it, if it does not run; return the names of its hooks by container.

        Raises:
            WorkerError: it cannot be started; the text is all that is wrong with the definition.
        """
        return (await self._running()).hooks

    async def call(self, container: str, hook: Hook, facts: Mapping[str, Any], answer: Answer) -> Outcome:
        """Run a hook in a process of its own; whatever goes wrong is told by the outcome.

        A call that is cancelled is killed.

        Args:
            container: the definition's name, not the instance's.
            hook: by its name in the definition, or by its function's name.
            facts: what the attributes of its `Context` are; besides these "started", the start time of the first
                process (proc(5)), and "sections", the names of the definition's sections.
            answer: answers what it asks for.
        """
        loop = asyncio.get_running_loop()
        async with self._places:
            began = loop.time()
            try:
                process = await self._running()
                return await process.call(container, hook, facts, answer)
            except (WorkerError, MessageError, OSError) as error:
                return Outcome("lost", None, str(error), loop.time() - began)

    async def retire(self) -> None:
        """End it when the calls that run, and those that wait for their turn, have ended."""
        for _ in range(MOST_CALLS):
            await self._places.acquire()
        await self.close()

    async def close(self) -> None:
        """End it, and the calls that run."""
        self._closed = True
        if self._process:
            self._process.lose(f"{self._name} was ended")
        while self._burials:
            await asyncio.wait(self._burials)
        if self._connection:
            self._connection.close()

    async def _running(self) -> WorkerProcess:
        """Return its process, which has read the definition.

        Raises:
            WorkerError: there is none.
        """
        async with self._starting:
            if self._closed:
                raise WorkerError(f"{self._name} was ended")
            process = self._process
            if process is None or process.lost:
                process = self._process = await self._begun()
            try:
                await within(START_TIMEOUT, asyncio.shield(process.ready))
            except TimeoutError:
                process.lose(f"{self._name} has not read it within {START_TIMEOUT:g} s, and was killed")
                await process.ready
            return process

    async def _begun(self) -> WorkerProcess:
        """Return a new process; the more of them have died young, the later."""
        if self._is_given and self._process:
            raise WorkerError(f"{self._name} has ended, and only that can fork another")
        loop = asyncio.get_running_loop()
        if self._process and loop.time() - self._process.began > _LONG_LIFE:
            self._deaths = 0
        if self._deaths:
            await asyncio.sleep(min(_FIRST_DELAY * 2.0 ** (self._deaths - 1), _LONGEST_DELAY))
        self._deaths += 1
        process = WorkerProcess(self._name, *self._connected())
        if not self._is_given:
            process.send({"environment": self._environment})
        burial = loop.create_task(process.bury())
        self._burials.add(burial)
        burial.add_done_callback(self._burials.discard)
        return process

    def _connected(self) -> tuple[socket.socket, Child | None]:
        if self._connection:
            connection, self._connection = self._connection, None
            return connection, None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = python_calling("haconiwa_supervision.hooks.worker", self._file)
            try:
                pid = spawn(sys.executable, arguments, theirs.fileno())
                return ours, Child(pid, os.pidfd_open(pid))
            except OSError as error:
                ours.close()
                raise WorkerError(f"{self._name} cannot be spawned: {error.strerror}") from error


class Workers:
    """The workers that are in use."""

    def __init__(self) -> None:
        self._of_programs: dict[str, Worker] = {}
        self._of_files: dict[Key, Worker] = {}
        self._keys: dict[str, Key] = {}

    def add(self, group: str, worker: Worker) -> None:
        """Use a program's own worker for the containers that it starts."""
        self._of_programs[group] = worker

    def of(self, group: str, file: str) -> Worker:
        """Return the worker of a group of containers.

        Args:
            group: whose first call decides about the version of the file.
            file: the definition's; "" for hooks of plugins alone.
        """
        if worker := self._of_programs.get(group):
            return worker
        if group not in self._keys:
            self._keys[group] = _key_of(file)
        key = self._keys[group]
        if key not in self._of_files:
            self._of_files[key] = Worker(file)
        return self._of_files[key]

    async def renew(self, group: str) -> None:
        """Let the next call of a group decide anew about the version of the file."""
        self._keys.pop(group, None)
        await self._end_unused([])

    async def drop(self, group: str) -> None:
        """Forget a group, and end the workers that no other group uses, when the calls that run have ended."""
        self._keys.pop(group, None)
        await self._end_unused([self._of_programs.pop(group)] if group in self._of_programs else [])

    async def _end_unused(self, unused: list[Worker]) -> None:
        unused += [self._of_files.pop(key) for key in set(self._of_files) - set(self._keys.values())]
        for worker in unused:
            await worker.retire()

    async def close(self) -> None:
        """End all."""
        await asyncio.gather(*(worker.close() for worker in (*self._of_programs.values(), *self._of_files.values())))


def _key_of(file: str) -> Key:
    if not file:
        return "", 0, 0
    try:
        found = os.stat(file)
    except OSError:
        return file, 0, 0  # The worker says what is wrong with it.
    return file, found.st_ino, found.st_mtime_ns
