"""How a container is kept: when it counts as ready, what it waits for, and what happens when it has ended.

What its hooks receive is a `Context`, which is imported when it is first used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.hooks.hook import catchable_signals
from haconiwa_core.options import AbsolutePath, Pattern, Range
from haconiwa_core.stages import Stage

if TYPE_CHECKING:
    from haconiwa_supervision.hooks.context import Context, Executed, HookError

__all__ = ["Context", "Executed", "HookError", "Ready", "Supervision"]

Seconds = Annotated[float, Range(0, 10**9)]
Port = Annotated[int, Range(1, 65535)]
Url = Annotated[str, Pattern(r"http://[^\s\0]+", "an address that begins with http://")]
Size = Annotated[int, Range(4096, 2**50)] | Annotated[str, Pattern(r"[0-9]{1,12}[KMG]", 'a size, such as "10M"')]
Name = Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", "a container's name")]


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What shows that a container is ready; of several, all.

    Args:
        port: a TCP port on which something listens in the container's network namespace (proc_net(5)).
        http: an address that is asked from within that namespace, and answers with a status from 200 to 399.
        command: is executed in the container, and ends with status 0.
        file: exists in the container.
        notify: it sends READY=1 to the socket that $NOTIFY_SOCKET names (sd_notify(3)).
        interval: seconds between two looks at first; later a tenth of the time that it was waited for.
        timeout: seconds after which the start counts as failed.
    """

    port: Port | None = None
    http: Url | None = None
    command: tuple[str, ...] = ()
    file: AbsolutePath | None = None
    notify: bool = False
    interval: Seconds = 0.02
    timeout: Seconds = 60.0


@dataclass(frozen=True, kw_only=True)
class Supervision(Feature):
    """The container is kept by the resident supervisor as these options say.

    Example: `Supervision(restart="on-failure", ready=Ready(port=80))`.
    """

    section: ClassVar[str] = "supervision"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.MOUNTS)
    rootless: ClassVar[Rootless] = Rootless("yes")
    supervised: ClassVar[bool] = True

    ready: Ready | None = option(None, "what shows that it is ready; by default it is as soon as it is started")
    depends: tuple[Name, ...] = option((), "containers of the same file that must be ready before it is started")
    restart: Literal["no", "on-failure", "always"] = option("no", "whether it is started again when it has ended")
    restart_limit: Annotated[int, Range(0)] = option(
        10, "how often in a row, without having run for restart_reset seconds; 0 is no limit"
    )
    restart_delay: Seconds = option(0.1, "seconds before the first restart; twice as many before each that follows")
    restart_delay_most: Seconds = option(60.0, "seconds that the delay grows to")
    restart_reset: Seconds = option(60.0, "seconds of running after which delay and count begin anew")
    stop_signal: Annotated[str, Pattern("|".join(catchable_signals()), "a signal's name")] = option(
        "SIGTERM", "what asks it to end"
    )
    stop_timeout: Seconds = option(10.0, "seconds after which all of it is killed")
    log_size: Size = option("10M", "bytes of each file of its log")
    log_files: Annotated[int, Range(1, 1000)] = option(3, "files of its log; the oldest is removed")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from haconiwa_supervision.hooks import context

    return getattr(context, name)
