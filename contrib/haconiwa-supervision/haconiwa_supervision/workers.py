"""Which worker runs whose hooks: one for each version of a definition's file, one for each start of a program."""

from __future__ import annotations

import asyncio
import os

from haconiwa_supervision.hooks.workers import Worker

Key = tuple[str, int, int]


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
