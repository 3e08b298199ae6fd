"""The decorators by which a definition declares its hooks."""

from __future__ import annotations

import sys
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from haconiwa_core.feature import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from haconiwa_core.hooks.hook import Failure, Hook, Trigger

F = TypeVar("F", bound="Callable[..., Any]")

_TIMEOUT = 30.0


class Hooked:
    """What a container declares hooks with. All take `failure` and `timeout`, as `Hook` does.

    What is declared belongs to this container and to those that are made of it afterwards.
    A function takes the context of a container, `haconiwa_supervision.Context`, and may be `async`.
    What is wrong with a declaration is found when the container is planned, with all other problems.
    """

    name: str
    hooks: list[Hook]

    def on(
        self, event: str, *, failure: Failure | None = None, timeout: float = _TIMEOUT, name: str | None = None
    ) -> Callable[[F], F]:
        """Run a function at an event of `haconiwa_core.hooks.events.Event`.

        Several on one event run in the order in which they are declared.

        Args:
            event: such as "after_start".
            failure: "veto" by default where a hook may veto the start, else "warn".
            timeout: seconds.
            name: of the hook; the function's by default.
        """
        from haconiwa_core.hooks.events import Event
        from haconiwa_core.hooks.hook import On

        vetoes = any(event == each and each.may_veto for each in Event)
        return self._declare(On(event), failure or ("veto" if vetoes else "warn"), timeout, name)

    def after(
        self,
        seconds: float,
        *,
        after_ready: bool = False,
        failure: Failure = "warn",
        timeout: float = _TIMEOUT,
        name: str | None = None,
    ) -> Callable[[F], F]:
        """Run a function once; the arguments are those of `haconiwa_core.hooks.hook.After`."""
        from haconiwa_core.hooks.hook import After

        return self._declare(After(seconds, after_ready), failure, timeout, name)

    def every(
        self,
        seconds: float,
        *,
        jitter: float = 0.0,
        limit: int = 0,
        overlap: Literal["skip", "queue", "run"] = "skip",
        after_ready: bool = False,
        failure: Failure = "warn",
        timeout: float = _TIMEOUT,
        name: str | None = None,
    ) -> Callable[[F], F]:
        """Run a function again and again; the arguments are those of `haconiwa_core.hooks.hook.Every`."""
        from haconiwa_core.hooks.hook import Every

        return self._declare(Every(seconds, jitter, limit, overlap, after_ready), failure, timeout, name)

    def on_signal(
        self, signal: str, *, failure: Failure = "warn", timeout: float = _TIMEOUT, name: str | None = None
    ) -> Callable[[F], F]:
        """Run a function when `haconiwa signal` sends the container's supervisor a signal.

        Args:
            signal: any that may be caught, such as "SIGUSR1" or "USR1".
            failure: as above.
            timeout: seconds.
            name: as above.
        """
        from haconiwa_core.hooks.hook import OnSignal

        full = signal if not isinstance(signal, str) or signal.startswith("SIG") else f"SIG{signal}"
        return self._declare(OnSignal(full), failure, timeout, name)

    def on_call(
        self, command: str, *, failure: Failure = "warn", timeout: float = _TIMEOUT, name: str | None = None
    ) -> Callable[[F], F]:
        """Run a function when `haconiwa call NAME COMMAND` asks for it; what it returns is printed.

        Args:
            command: its name; its arguments are `args` of the context.
            failure: as above.
            timeout: seconds.
            name: as above.
        """
        from haconiwa_core.hooks.hook import OnCall

        return self._declare(OnCall(command), failure, timeout, name)

    def on_pressure(
        self,
        resource: Literal["memory", "cpu", "io"],
        *,
        stall: float = 0.1,
        window: float = 2.0,
        kind: Literal["some", "full"] = "some",
        failure: Failure = "warn",
        timeout: float = _TIMEOUT,
        name: str | None = None,
    ) -> Callable[[F], F]:
        """Run a function under pressure; the arguments are those of `haconiwa_core.hooks.hook.OnPressure`."""
        from haconiwa_core.hooks.hook import OnPressure

        return self._declare(OnPressure(resource, stall, window, kind), failure, timeout, name)

    def _declare(self, trigger: Trigger, failure: Failure, timeout: float, name: str | None) -> Callable[[F], F]:
        from haconiwa_core.hooks.hook import Hook

        caller = sys._getframe(2)
        place = Source(caller.f_code.co_filename, caller.f_lineno)

        def register(function: F) -> F:
            base = name or str(getattr(function, "__name__", type(function).__name__))
            taken = {hook.name for hook in self.hooks}
            names = chain([base], (f"{base}-{number}" for number in count(2)))
            unique = next(each for each in names if each not in taken)
            self.hooks.append(Hook(unique, trigger, function, failure, timeout, place, self.name))
            return function

        return register
