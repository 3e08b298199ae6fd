"""What a plugin is given while a plan is made."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from typing import Literal

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Fact, Facts, IdMap, Namespace, NewRoot
from haconiwa_core.host import HostFacts
from haconiwa_core.linux.constants import CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, CLONE_NEWNS, CLONE_NEWUSER
from haconiwa_core.linux.host import open_in_root
from haconiwa_core.planning.plan import Input
from haconiwa_core.plugins.catalogue import providers_of
from haconiwa_core.stages import Stage

Entry = Literal["start", "attach"]

_FILE_SIZE_LIMIT = 1 << 20


class Planning:
    """What a plugin is given while a plan is made.

    Attributes:
        container: the definition.
        host: the facts of the machine that the plan is for.
        entry: whether a container is started or a process put into a running one.
        running: the definition of the container that a process is put into, as it is in force.
        facts: what the features have published so far.
        inputs: the files that were read, with their digests.
        warnings: see `warn`.
    """

    def __init__(
        self, container: Container, host: HostFacts, entry: Entry = "start", running: Container | None = None
    ) -> None:
        self.container = container
        self.host = host
        self.entry = entry
        self.running = running
        self.facts = Facts()
        self.inputs: list[Input] = []
        self.warnings: list[str] = []

    @property
    def privileged(self) -> bool:
        """Whether the starter may act on the host's own namespaces (CAP_SYS_ADMIN)."""
        return self.host.has_capability(CAP_SYS_ADMIN)

    @property
    def user_namespace(self) -> Namespace | None:
        """The user namespace that the container has apart from the host's, if any."""
        return next((found for found in self.facts.all(Namespace) if found.flag == CLONE_NEWUSER), None)

    @property
    def mount_namespace(self) -> Namespace | None:
        """The mount namespace that the container has apart from the host's, if any."""
        return next((found for found in self.facts.all(Namespace) if found.flag == CLONE_NEWNS), None)

    @property
    def own_mounts(self) -> bool:
        """Whether mounts concern nobody but the container: its mount namespace is new."""
        return self.mount_namespace is not None and not self.mount_namespace.joined

    @property
    def initial_ids(self) -> tuple[int, int]:
        """The user and group that the child is until the stage CREDENTIALS: root wherever it may be."""
        may = self.host.has_capability(CAP_SETUID) and self.host.has_capability(CAP_SETGID)
        return (0, 0) if self.user_namespace or may else (self.host.uid, self.host.gid)

    @property
    def may_set_groups(self) -> bool:
        """Whether the child may choose its supplementary groups; else it keeps the caller's (setgroups(2))."""
        mapping = self.facts.get(IdMap)
        return mapping.may_set_groups if mapping else self.host.has_capability(CAP_SETGID)

    @property
    def trees_from(self) -> Stage:
        """The stage in which trees of the host are opened: a mapped root could not walk to them."""
        return Stage.PREPARE if self.privileged else Stage.MOUNTS

    def warn(self, text: str) -> None:
        """Tell that the plan does less than the definition asks for, which says that this is good enough.

        It is a note of the plan, and is said whenever the plan is started.

        Args:
            text: which option, what is done instead, and why.
        """
        self.warnings.append(text)

    def need(self, kind: type[Fact], key: str = "") -> None:
        """Demand that some feature publishes a fact.

        Raises:
            DefinitionError: none does; the message names the features that could.
        """
        if self.facts.get(kind, key):
            return
        need = f"{kind.__name__} {key}".rstrip()
        raise DefinitionError([Problem(f"needs {need}", hint=self.providers(need))])

    def providers(self, need: str) -> str:
        """Return advice on which feature to add, "" where none of ours provides it.

        Args:
            need: a fact's type and key, as in "Namespace mnt" or "NewRoot".
        """
        able = providers_of(need)
        return f"add {' or '.join(able)}" if able else ""

    def host_path(self, path: str) -> str:
        """Return an absolute path of the host; a relative one starts at the definition's folder."""
        return os.path.normpath(os.path.join(self.container.folder or os.getcwd(), path))

    def read_in_root(self, path: str) -> bytes:
        """Read a file of the container's root, resolved below it, as an input of the plan.

        Args:
            path: absolute path inside the container.

        Raises:
            DefinitionError: there is no new root, the file cannot be read, is no regular file,
                or is larger than 1 MiB.
        """
        root = self.facts.get(NewRoot)
        if root is None:
            self.need(NewRoot)
            raise AssertionError("unreachable: need() raises when the fact is absent")
        layers = (root.path, *root.below)
        return self._read(
            lambda: _open_in_layers(layers, path), f"{path} in {root.path}", f"{root.path.rstrip('/')}{path}"
        )

    def read_on_host(self, path: str) -> bytes:
        """Read a file of the host as an input of the plan.

        Args:
            path: as for `host_path`.

        Raises:
            DefinitionError: the file cannot be read, is no regular file, or is larger than 1 MiB.
        """
        file = self.host_path(path)
        return self._read(lambda: os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY), file, file)

    def _read(self, opened: Callable[[], int], shown: str, path: str) -> bytes:
        """Read a file, whole, as an input of the plan that is recorded under a path."""
        try:
            descriptor = opened()
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "not a regular file")
                content = os.read(descriptor, _FILE_SIZE_LIMIT + 1)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DefinitionError([Problem(f"cannot read {shown}: {error.strerror}")]) from error
        if len(content) > _FILE_SIZE_LIMIT:
            raise DefinitionError([Problem(f"cannot read {shown}: larger than 1 MiB")])
        import hashlib

        self.inputs.append(Input(path, hashlib.sha256(content).hexdigest()))
        return content


def _open_in_layers(layers: Sequence[str], path: str) -> int:
    """Open a file of the topmost layer that has it; a whiteout of overlayfs, a device 0:0, hides it below."""
    for layer in layers:
        try:
            return open_in_root(layer, path)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
