"""What a hook receives: the container that it is about, to be looked at and changed."""

from __future__ import annotations

import base64
import errno
import json
import socket
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from signal import Signals
from threading import Lock
from typing import Any

from haconiwa_runtime.messages import close_all, receive, send

from haconiwa_core.errors import HaconiwaError

_OUTPUT_LIMIT = 1 << 20
_SHOWN = 500


class HookError(HaconiwaError):
    """What a hook has asked for was refused or has failed.

    Attributes:
        kind: the name of the error's type.
    """

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        super().__init__(text)


@dataclass(frozen=True)
class Executed:
    """How a command that was executed in a container has ended.

    Attributes:
        exit_status: its own, or 128 + n for a signal n; None where nobody knows.
        stdout, stderr: what it has written, 1 MiB of each at most.
        cut: whether it has written more.
    """

    exit_status: int | None
    stdout: bytes
    stderr: bytes
    cut: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as data that json can write."""
        cut = self.cut or max(len(self.stdout), len(self.stderr)) > _OUTPUT_LIMIT
        outputs = {"stdout": self.stdout, "stderr": self.stderr}
        texts = {name: base64.b64encode(output[:_OUTPUT_LIMIT]).decode() for name, output in outputs.items()}
        return {"exit_status": self.exit_status, **texts, "cut": cut}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Executed:
        """Return what `to_json` has given the data of."""
        stdout, stderr = (base64.b64decode(data[name]) for name in ("stdout", "stderr"))
        return Executed(data["exit_status"], stdout, stderr, data["cut"])


class View(Mapping[str, Any]):
    """What was read of a section at one time: a mapping whose values are attributes as well.

    Args:
        path: what it is called in messages.
        values: by name; mappings among them become views.
    """

    def __init__(self, path: str, values: Mapping[str, Any]) -> None:
        self._path = path
        self._values = values

    def __getitem__(self, key: str) -> Any:
        value = self._values[key]
        return View(f"{self._path}.{key}", value) if isinstance(value, Mapping) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        # Without it, a view that is being copied would look for its own values among them.
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"{_own(self, '_path')} has no {name!r}; there is {_listed(_own(self, '_values'))}")
        return self[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __repr__(self) -> str:
        return f"{self._path}: {dict(self._values)!r}"


class Context:
    """The container that a hook is about.

    What is read of it by attributes of its sections is asked for anew each time: `c.cgroup.memory.current` is what
    is used now, `c.cgroup.pids.max` the limit in force; "-" in a section's name is written as "_". The names are
    those of `haconiwa inspect`.

    All methods wait for the supervisor's answer, also in a hook that is `async`. They raise `HookError` where it
    refuses or fails. Several threads may use them.

    Attributes:
        name: of the container.
        pid: of its first process, on the host; 0 before there is one.
        state: of the container when the hook was called, as `haconiwa ps` shows it.
        event: what makes the hook run: its "kind", such as "on" or "every", and more about it, such as
            {"kind": "on", "event": "after_start"}.
        args: of a hook that is called by `haconiwa call`, by name.
        ready: whether the container was ready when the hook was called.
        exit_status: of the first process, 128 + n for a signal n; None until it has ended, and where nobody knows.
        reason: why the container is being stopped, has ended ("exited", "signaled", "oom" ...), or could not be
            started; "" until then.
        log: writes messages.
        store: small values that live as long as the container.
    """

    def __init__(self, channel: socket.socket, facts: Mapping[str, Any]) -> None:
        self._channel = channel
        self._lock = Lock()
        self._started: int = facts.get("started", 0)
        self._sections: Sequence[str] = facts.get("sections", ())
        self.name: str = facts.get("name", "")
        self.pid: int = facts.get("pid", 0)
        self.state: str = facts.get("state", "")
        self.event: dict[str, Any] = facts.get("event", {})
        self.args: dict[str, Any] = facts.get("args", {})
        self.ready: bool = facts.get("ready", False)
        self.exit_status: int | None = facts.get("exit_status")
        self.reason: str = facts.get("reason", "")
        self.log = Log(self)
        self.store = Store(self)

    @property
    def definition(self) -> dict[str, Any]:
        """The definition in force, as `Container.to_json` gives it; a copy."""
        definition: dict[str, Any] = self._ask("definition")
        return definition

    def __getattr__(self, name: str) -> View:
        section = name.replace("_", "-")
        if name.startswith("_") or section not in _own(self, "_sections"):
            raise AttributeError(f"the container has no section {name!r}; there is {_listed(_own(self, '_sections'))}")
        values = self._ask("status", section=section)
        if values is None:
            raise AttributeError(f"nothing is known of {section}: the container is not running, or none is told of it")
        return View(name, values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(section.replace("-", "_") for section in self._sections)]

    def open_pidfd(self) -> int:
        """Return a descriptor of the first process (pidfd_open(2)), which the caller has to close.

        Raises:
            ProcessLookupError: there is no such process yet, or it has ended.
        """
        from haconiwa_core.linux.host import open_process

        if not self.pid:
            raise ProcessLookupError(errno.ESRCH, f"the container {self.name} has no process")
        return open_process(self.pid, self._started)

    def update(self, **sections: Mapping[str, Any]) -> None:
        """Change options of its features while it runs, or leave all as it was.

        Args:
            sections: new values of options by section, "-" written as "_": `update(cgroup={"memory": "512M"})`.
        """
        changes = {name.replace("_", "-"): dict(values) for name, values in sections.items()}
        self._ask("update", sections=changes)

    def stop(self, timeout: float | None = None) -> None:
        """Begin to stop it: it is asked to end, and killed if it does not. Its end is not waited for.

        Args:
            timeout: seconds between the two; by default as its section `supervision` says.
        """
        self._ask("stop", timeout=timeout)

    def restart(self) -> None:
        """Begin to stop it, and start it again. Its end is not waited for."""
        self._ask("restart")

    def signal(self, signal: str | int) -> None:
        """Send a signal to its first process.

        Args:
            signal: its number or name, such as "USR1" or "SIGUSR1".

        Raises:
            ValueError: there is no such signal.
        """
        self._ask("signal", signal=_number_of(signal))

    def kill(self) -> None:
        """Kill all of it."""
        self._ask("kill")

    def exec(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
        input: bytes | None = None,
        timeout: float | None = None,
        check: bool = False,
    ) -> Executed:
        """Run a command in it, confined as its first process is, until that has ended.

        Args:
            command: the program and its arguments.
            env: added to the definition's environment.
            workdir: absolute path inside; the definition's by default.
            input: what its standard input holds, some 90 KiB at most; None is nothing.
            timeout: seconds until the command is killed.
            check: raise HookError unless the exit status is 0.
        """
        answer = self._ask(
            "exec",
            command=list(command),
            env=dict(env or {}),
            workdir=workdir,
            input=None if input is None else base64.b64encode(input).decode(),
            timeout=timeout,
        )
        executed = Executed.from_json(answer)
        if check and executed.exit_status != 0:
            said = executed.stderr[-_SHOWN:].decode(errors="backslashreplace").strip()
            text = f"{command[0]} has ended with status {executed.exit_status}: {said}".removesuffix(": ")
            raise HookError("ExitStatus", text)
        return executed

    def cancel(self) -> None:
        """Take the hook that calls this off: it does not run again for this container."""
        self._ask("cancel")

    def _ask(self, ask: str, **values: Any) -> Any:
        with self._lock:
            try:
                send(self._channel, {"ask": ask, **values})
                message = receive(self._channel)
            except ConnectionError:
                message = None
        if message is None:
            raise HookError("ConnectionError", "the supervisor does not listen to this hook any more")
        close_all(message.descriptors)
        if error := message.content.get("error"):
            raise HookError(error["kind"], error["text"])
        return message.content.get("value")


class Log:
    """Writes messages of a hook to the supervisor's log, with the names of container and hook."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def info(self, message: str, **values: object) -> None:
        """Write what is worth to know."""
        self._write("info", message, values)

    def warning(self, message: str, **values: object) -> None:
        """Write what somebody should look at."""
        self._write("warning", message, values)

    def error(self, message: str, **values: object) -> None:
        """Write what has failed."""
        self._write("error", message, values)

    def _write(self, level: str, message: str, values: Mapping[str, object]) -> None:
        plain = (bool, int, float, str, type(None))
        told = {name: value if isinstance(value, plain) else str(value) for name, value in values.items()}
        self._context._ask("log", level=level, message=str(message), values=told)


class Store(MutableMapping[str, Any]):
    """Small values by name that live as long as the container, and that all of its hooks see at once.

    A value is what JSON has: None, bool, int, float, str, and lists and dicts with str keys of these. What is got is
    a copy: a list that is changed has to be set again. All of it is 64 KiB of JSON at most.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def __getitem__(self, key: str) -> Any:
        return self._ask_about(key, "store_get")

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"a name in the store is a str, not {key!r}")
        json.dumps(value)  # For its TypeError, before anything is sent.
        self._context._ask("store_set", key=key, value=value)

    def __delitem__(self, key: str) -> None:
        self._ask_about(key, "store_delete")

    def __iter__(self) -> Iterator[str]:
        return iter(self._context._ask("store_keys"))

    def __len__(self) -> int:
        return len(self._context._ask("store_keys"))

    def _ask_about(self, key: str, ask: str) -> Any:
        try:
            return self._context._ask(ask, key=key)
        except HookError as error:
            if error.kind == "KeyError":
                raise KeyError(key) from None
            raise


def _own(value: object, name: str) -> Any:
    """Return an attribute that is set in __init__, without asking __getattr__ for it where it is not."""
    return vars(value).get(name, ())


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)) or "none"


def _number_of(signal: str | int) -> int:
    if isinstance(signal, str):
        name = signal if signal.startswith("SIG") else f"SIG{signal}"
        if name not in Signals.__members__:
            raise ValueError(f"there is no signal {signal!r}")
        return Signals[name].value
    return int(signal)
