"""What a worker does when it has read its definition: it forks for each call of a hook.

It runs nobody's code itself, so it is always there to kill a call at its time limit, and to tell how it has ended.
A call is a process with a session of its own, of which nothing is left when it has ended.
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from haconiwa_runtime.messages import receive, send

from haconiwa_core.linux.calls import Call as SystemCall
from haconiwa_core.linux.host import adopt_orphans, children, system_call
from haconiwa_core.runtime.processes import Child, is_readable
from haconiwa_supervision.hooks.running import Function, run

_PR_SET_PDEATHSIG = 1
_CHUNK = 64 << 10
_OUTPUT_LIMIT = 16 << 10
_LONGEST_POLL = 3600.0

Functions = Mapping[str, Mapping[str, Function]]
"""The hooks of a definition, by container and name."""


class _Call:
    """A call that runs."""

    def __init__(self, number: int, child: Child, output: int, timeout: float) -> None:
        self.number = number
        self.child = child
        self.output = output
        self.deadline = time.monotonic() + timeout
        self.expired = False
        self.kept = bytearray()
        self.dropped = 0

    def kill(self) -> None:
        """Kill its process: what else there is of it is killed when that has ended."""
        self.deadline = math.inf
        self.child.send_signal(signal.SIGKILL)

    def collect(self) -> bool:
        """Read what is there of the output, and keep its beginning; return whether more can come."""
        try:
            chunk = os.read(self.output, _CHUNK)
        except BlockingIOError:
            return True
        room = _OUTPUT_LIMIT - len(self.kept)
        self.kept += chunk[:room]
        self.dropped += len(chunk[room:])
        return bool(chunk)


class Serving:
    """Serves a supervisor, in one thread that never waits for a call.

    Args:
        connection: to it.
        functions: the hooks of the definition.
        file: of the definition; "" for none.
    """

    def __init__(self, connection: socket.socket, functions: Functions, file: str) -> None:
        self._connection = connection
        self._functions = functions
        self._file = file
        self._calls: dict[int, _Call] = {}
        self._leftovers: set[int] = set()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._poll = select.poll()
        self._open = True

    def serve(self) -> None:
        """Serve until the supervisor closes the connection."""
        self._watch(self._connection.fileno(), self._receive)
        while self._open:
            for descriptor, _ in self._poll.poll(self._patience()):
                # One that was handled before this may have closed it.
                if handler := self._handlers.get(descriptor):
                    handler()
            for call in self._calls.values():
                if call.deadline <= time.monotonic():
                    call.expired = True
                    call.kill()

    def _watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, select.POLLIN)

    def _forget(self, descriptor: int) -> None:
        if self._handlers.pop(descriptor, None):
            self._poll.unregister(descriptor)

    def _patience(self) -> float | None:
        """Milliseconds until a call has to be killed."""
        first = min((call.deadline for call in self._calls.values()), default=math.inf)
        left = first - time.monotonic()
        return None if left == math.inf else min(max(left, 0.0), _LONGEST_POLL) * 1000 + 1

    def _receive(self) -> None:
        message = receive(self._connection)
        if message is None:
            self._open = False
            return
        request = message.content
        if "kill" in request:
            if call := self._calls.get(request["kill"]):
                call.kill()
            return
        try:
            self._begin(request, *message.descriptors)
        except OSError as error:
            send(self._connection, {"call": request["call"], "ended": "failed", "text": str(error)})
        finally:
            for descriptor in message.descriptors:
                os.close(descriptor)

    def _begin(self, request: Mapping[str, Any], channel: int) -> None:
        reader, writer = os.pipe()
        worker = os.getpid()
        try:
            pid = os.fork()
            if pid == 0:
                self._be_call(worker, request, channel, reader, writer)
            try:
                pidfd = os.pidfd_open(pid)
            except OSError:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                raise
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        os.set_blocking(reader, False)
        call = _Call(request["call"], Child(pid, pidfd), reader, request["timeout"])
        self._calls[call.number] = call
        self._watch(pidfd, partial(self._end, call))
        self._watch(reader, partial(self._collect, call))

    def _be_call(self, worker: int, request: Mapping[str, Any], channel: int, reader: int, output: int) -> NoReturn:
        """Be the process of a call, which has nothing of the worker's but its channel and its output."""
        status = 1
        try:
            os.setsid()
            system_call(SystemCall.prctl, _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            # What this process starts stays below it, and so the worker knows whose it is: nobody's that is left.
            adopt_orphans(True)
            for descriptor in {reader, *self._handlers, *(call.output for call in self._calls.values())}:
                os.close(descriptor)
            for stream in (1, 2):
                os.dup2(output, stream)
            os.close(output)
            # A worker that has ended before could not end this process with it any more.
            if os.getppid() == worker:
                function = request["function"] or self._function(request["container"], request["hook"])
                status = run(function, socket.socket(fileno=channel), self._file)
        except BaseException:  # noqa: BLE001 - a call must not go on as a second worker
            sys.__excepthook__(*sys.exc_info())
        finally:
            os._exit(status)

    def _function(self, container: str, hook: str) -> Function | None:
        return self._functions.get(container, {}).get(hook)

    def _collect(self, call: _Call) -> None:
        if not call.collect():
            self._forget(call.output)

    def _end(self, call: _Call) -> None:
        if not is_readable(call.child.pidfd, 0):
            return
        self._forget(call.child.pidfd)
        self._forget(call.output)
        del self._calls[call.number]
        end = call.child.reap(with_group=True)
        self._sweep()
        before = -1
        while before < len(call.kept):
            before = len(call.kept)
            call.collect()
        os.close(call.output)
        text = call.kept.decode(errors="replace")
        if call.dropped:
            text += f"\n(and at least {call.dropped} bytes more)\n"
        ended = "timeout" if call.expired else end.reason
        send(self._connection, {"call": call.number, "ended": ended, "status": end.exit_status, "output": text})

    def _sweep(self) -> None:
        """Kill what calls have left behind: the children that are no calls."""
        known = {call.child.pid for call in self._calls.values()} | self._leftovers
        for pid in set(children()) - known:
            # A child that is not reaped: its pid cannot have come to mean anything else.
            with suppress(PermissionError):
                os.kill(pid, signal.SIGKILL)
            pidfd = os.pidfd_open(pid)
            self._leftovers.add(pid)
            self._watch(pidfd, partial(self._end_leftover, Child(pid, pidfd)))

    def _end_leftover(self, child: Child) -> None:
        if not is_readable(child.pidfd, 0):
            return
        self._forget(child.pidfd)
        self._leftovers.discard(child.pid)
        child.reap(with_group=False)
        self._sweep()
