"""Which system calls the container's processes may make (seccomp(2))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import HostPath, Pattern, Range
from haconiwa_core.stages import Stage

Action = Literal["allow", "log", "trace", "user_notif", "errno", "trap", "kill_thread", "kill_process"]
"""What becomes of a call, as the kernel names it (seccomp(2), SECCOMP_RET_*)."""

Errno = Annotated[int, Range(0, 4094)] | Annotated[str, Pattern(r"E[A-Z0-9]+", 'the name of an error such as "EPERM"')]
CallName = Annotated[str, Pattern(r"[a-z0-9_]+", "the name of a system call")]
Word = Annotated[int, Range(0, 2**64 - 1)]


@dataclass(frozen=True)
class Arg:
    """A condition on one argument of a system call.

    All 64 bits of the argument count, as the process has passed them, though the kernel reads only the low
    32 of an `int`. A rule that is to deny a value of an `int` therefore needs `mask=0xFFFFFFFF`.

    Args:
        index: which argument, 0 to 5.
        op: how it is compared.
        value: with what; a number without a sign.
        mask: the bits that are compared; with "==" only.
    """

    index: Annotated[int, Range(0, 5)]
    op: Literal["==", "!=", "<", "<=", ">", ">="]
    value: Word
    mask: Word | None = None


@dataclass(frozen=True)
class Rule:
    """What becomes of some system calls.

    Args:
        names: of the calls (syscalls(2)).
        action: what becomes of them.
        errno: the error that "errno" gives, or the number that "trace" gives to the tracer, by number or name;
            EPERM without it. With 0 a call does nothing and seems to succeed.
        args: conditions, at most one for each argument; the rule matches if all of them hold.
    """

    names: Sequence[CallName]
    action: Action
    errno: Errno | None = None
    args: Sequence[Arg] = ()

    def __post_init__(self) -> None:
        """Make tuples of lists, as Feature does: a list could change after it was looked at."""
        for name in ("names", "args"):
            value = getattr(self, name)
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))


@dataclass(frozen=True, kw_only=True)
class Seccomp(Feature):
    """A filter of system calls, which no process of the container can take off.

    Rules are tried in their order, those of the profile last; the first that matches decides. Calls of
    other architectures of the same machine (i386, x32) end the process.

    Example: `Seccomp()`, `Seccomp(rules=[Rule(["ptrace"], "errno"), Rule(["bpf"], "allow", args=[Arg(0, "==", 5)])])`.
    """

    section: ClassVar[str] = "seccomp"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.FILTER, Stage.CONFINE)
    rootless: ClassVar[Rootless] = Rootless("yes", "with no_new_privs, or in a user namespace")

    profile: HostPath = option(
        "default", '"default", "none", or the path of a profile on the host, in the JSON of Docker or OCI'
    )
    rules: Sequence[Rule] = option((), "what comes before the profile: `names`, `action`, `errno`, `args`")
    default: Action | None = option(
        None, 'what becomes of a call that no rule matches; without it the profile says, with "none" it is "errno"'
    )
    errno: Errno | None = option(None, "the error that `default` gives; without it the profile says, else EPERM")
    handler: Annotated[str, Pattern(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", 'a function as "module:name"')] | None = option(
        None, "the function that answers calls whose action is `user_notif`"
    )
    log: bool = option(False, "deny nothing; what would be denied is reported in the kernel's audit log")
