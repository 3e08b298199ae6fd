"""Facts: what features tell each other while planning, without knowing each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.operation import Slot


class Namespace(NamedTuple):
    """The container has a namespace of this kind apart from the host's.

    Args:
        kind: the file in /proc/PID/ns that stands for it.
        flag: its CLONE_NEW* bit.
        joined: an existing namespace is joined; False makes a new one.
    """

    kind: str
    flag: int
    joined: bool = False

    @property
    def key(self) -> str:
        """Return the kind: a container may have one namespace of each."""
        return self.kind


@dataclass(frozen=True)
class IdRange:
    """Consecutive ids of a user namespace, and those of the host that they stand for.

    Args:
        inside: the first id in the user namespace.
        outside: the first id on the host.
        count: how many.
    """

    inside: int
    outside: int
    count: int = 1

    @property
    def line(self) -> str:
        """As /proc/PID/uid_map and gid_map have it."""
        return f"{self.inside} {self.outside} {self.count}\n"


class IdMap(NamedTuple):
    """How the new user namespace's ids stand for the host's (user_namespaces(7)).

    Args:
        users, groups: the ranges.
        may_set_groups: setgroups(2) stays allowed; an ordinary user who maps one group gives that up.
    """

    users: tuple[IdRange, ...]
    groups: tuple[IdRange, ...]
    may_set_groups: bool = True


class NewRoot(NamedTuple):
    """The container has another root directory; the slot "root" is its descriptor.

    Args:
        path: the root's absolute path on the host, for files that planning needs.
        below: where the root is merged, the directories of the layers below that path, the topmost first.
    """

    path: str
    below: tuple[str, ...] = ()


class FreshFilesystem(NamedTuple):
    """A new instance of a kernel file system is mounted that shows a namespace of its own kind.

    Args:
        kind: the file system's type, such as "proc".
        target: where, inside the container.
        shows: the namespace that it shows, as Namespace.kind; "" for none.
    """

    kind: str
    target: str
    shows: str = ""

    @property
    def key(self) -> str:
        """Return the target: a kind may be mounted in several places."""
        return self.target


class CgroupPlace(NamedTuple):
    """The container has a control group of its own (cgroups(7)).

    Its processes live in two groups below that: the first process and what it makes in one, those
    that are attached later in the other.

    Args:
        base: absolute path of the directory that holds the groups of containers.
        group: the container's, below that; the slot "name" stands for the instance's name.
        unified: it lies in a version 2 hierarchy: a process is cloned into it, and all of it can be
            killed at once.
    """

    base: str
    group: str | Slot
    unified: bool


class Counter(NamedTuple):
    """A number that the kernel raises when it does something to a container, read when the container has ended.

    Args:
        reason: why it has failed if a number is not 0: "oom", "pids".
        base: as that of CgroupPlace.
        group: as that of CgroupPlace.
        files: where it may be counted, in the group, each of lines like "name number".
        field: the name.
    """

    reason: str
    base: str
    group: str | Slot
    files: tuple[str, ...]
    field: str

    @property
    def key(self) -> str:
        """Return the reason: there may be several."""
        return self.reason


class EndingSignal(NamedTuple):
    """A signal by which the kernel ends a process of the container, and nobody is likely to send.

    Args:
        reason: why it has ended then: "seccomp".
        number: of the signal.
    """

    reason: str
    number: int

    @property
    def key(self) -> str:
        """Return the reason: there may be several."""
        return self.reason


class CapabilitySets(NamedTuple):
    """The capabilities that the container's command has, as bit masks (capabilities(7)).

    Without this fact they are those that its user has of the caller's.

    Args:
        bounding: what any program in the container can have at most.
        permitted: what the command has.
    """

    bounding: int
    permitted: int


class NoNewPrivileges(NamedTuple):
    """No program gives its caller more rights (PR_SET_NO_NEW_PRIVS in prctl(2)), set before seccomp filters are loaded.

    Args:
        plugin: who sets it, for messages.
    """

    plugin: str


class Wrapper(NamedTuple):
    """The command is started by another program of the host, which runs as the first process.

    Args:
        program: the slot of its open file, which is executed without a path.
        arguments: its name and its own arguments; the command follows.
        attached: it starts what is attached, too.
    """

    program: Slot
    arguments: tuple[str, ...]
    attached: bool = False


Fact = (
    Namespace
    | IdMap
    | NewRoot
    | FreshFilesystem
    | CgroupPlace
    | Counter
    | EndingSignal
    | CapabilitySets
    | NoNewPrivileges
    | Wrapper
)
"""Something that one feature publishes, once, and others may need.

`key` distinguishes facts of one type of which there may be several; one without it occurs once.
"""

F = TypeVar("F", bound=Fact)


def key_of(fact: Fact) -> str:
    """Return what distinguishes a fact from others of its type, "" where there are none."""
    return getattr(fact, "key", "")


class Facts:
    """All facts of one planning, and who published each."""

    def __init__(self) -> None:
        self._facts: dict[tuple[type, str], tuple[Fact, str]] = {}

    def publish(self, fact: Fact, plugin: str) -> None:
        """Add a fact. Raises DefinitionError if another plugin has published it before."""
        place = (type(fact), key_of(fact))
        if place in self._facts:
            what = f"{type(fact).__name__} {key_of(fact)}".rstrip()
            first = self._facts[place][1]
            raise DefinitionError([Problem(f"{first} and {plugin} both provide {what}", hint="use one of them")])
        self._facts[place] = (fact, plugin)

    def get(self, kind: type[F], key: str = "") -> F | None:
        """Return the fact of a type and key, or None."""
        found = self._facts.get((kind, key))
        return found[0] if found else None  # type: ignore[return-value]  # stored under its own type

    def all(self, kind: type[F]) -> Iterator[F]:
        """Yield all facts of a type."""
        for (fact_type, _), (fact, _) in self._facts.items():
            if fact_type is kind:
                yield fact  # type: ignore[misc]  # stored under its own type

    def publisher(self, kind: type[Fact], key: str = "") -> str:
        """Return the plugin that published a fact, or "" if nobody did."""
        found = self._facts.get((kind, key))
        return found[1] if found else ""

    def publishers(self, kind: type[Fact]) -> set[str]:
        """Return the plugins that published facts of a type."""
        return {plugin for (fact_type, _), (_, plugin) in self._facts.items() if fact_type is kind}
