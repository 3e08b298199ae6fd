"""The store: which roots there are, and the layers that they share."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from haconiwa_core.errors import HaconiwaError

VARIABLE = "HACONIWA_ROOTS"
_PRIVATE = 0o700


class Layer(NamedTuple):
    """A layer.

    Args:
        digest: of its content.
        size: bytes of its regular files.
    """

    digest: str
    size: int


class Root(NamedTuple):
    """A root.

    Args:
        key: digest of all that it depends on.
        layers: the lowest first.
        made: seconds since the epoch, for people.
        by: what has made it, for people: a strategy, or "step NAME".
        config: of an image: how its command runs (Cmd, Env, User ...).
        binds: directories of the host that are seen in it at the same path, read-only.
    """

    key: str
    layers: tuple[Layer, ...]
    made: float
    by: str
    config: Mapping[str, Any] = {}
    binds: tuple[str, ...] = ()


def default_directory() -> Path:
    """Return where roots are kept: $HACONIWA_ROOTS, /var/lib/haconiwa/roots, or below $XDG_DATA_HOME for others."""
    if given := os.environ.get(VARIABLE):
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/haconiwa/roots")
    data = os.environ.get("XDG_DATA_HOME", "")
    return Path(data if os.path.isabs(data) else Path.home() / ".local" / "share") / "haconiwa" / "roots"


def file_of(directory: Path, key: str) -> Path:
    """Return the file that tells of a root."""
    return directory / "roots" / f"{key}.json"


def layer_path(directory: Path, digest: str) -> Path:
    """Return the directory of a layer."""
    return directory / "layers" / digest.replace(":", "/")


def parse(key: str, content: bytes) -> Root:
    """Return what the file of a root tells.

    Raises:
        HaconiwaError: it was not written by this program.
    """
    try:
        data = json.loads(content)
        layers = tuple(Layer(str(each["digest"]), int(each["size"])) for each in data["layers"])
        return Root(key, layers, float(data["made"]), str(data["by"]), data["config"], tuple(data["binds"]))
    except (ValueError, KeyError, TypeError) as error:
        raise HaconiwaError(f"the file of the root {key} is damaged: {error!r}; create it anew") from error


class Store:
    """Roots and their layers in one directory; whoever changes it holds its lock.

    Layers are never written once they are there. What a crash leaves is removed by `prune`.

    Args:
        directory: made when something is added; `default_directory` by default.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or default_directory()

    def find(self, key: str) -> Root | None:
        """Return a root, or None if it has not been created.

        Raises:
            HaconiwaError: its file is damaged.
        """
        try:
            return parse(key, file_of(self.directory, key).read_bytes())
        except FileNotFoundError:
            return None

    def layers(self, key: str) -> Sequence[str] | None:
        """Return the directories of a root's layers, the lowest first; None where there is no such root."""
        root = self.find(key)
        return None if root is None else self.paths(root)

    def paths(self, root: Root) -> list[str]:
        """Return the directories of a root's layers, the lowest first."""
        return [str(layer_path(self.directory, layer.digest)) for layer in root.layers]

    def roots(self) -> list[Root]:
        """Return all roots, the oldest first."""
        files = sorted((self.directory / "roots").glob("*.json"))
        found = [self.find(file.stem) for file in files]
        return sorted((root for root in found if root), key=lambda root: root.made)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock; another process that wants it waits."""
        self._make("")
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give an empty directory on the file system of the layers, and remove what is in it at the end."""
        import tempfile

        from haconiwa_rootfs.store.trees import remove

        directory = Path(tempfile.mkdtemp(dir=self._make("scratch")))
        try:
            yield directory
        finally:
            remove(str(directory))

    def commit(self, tree: Path) -> Layer:
        """Make a tree, in a directory of `scratch`, a layer; it is gone from there.

        Raises:
            HaconiwaError: it cannot be read.
        """
        from haconiwa_rootfs.store.trees import measure

        layer = Layer(*measure(str(tree)))
        place = layer_path(self.directory, layer.digest)
        self._make("layers/sha256")
        # The layer is on disk before anything says that it is there.
        os.sync()
        if not place.exists():
            os.rename(tree, place)
        return layer

    def put(self, root: Root) -> None:
        """Keep a root whose layers are there."""
        import tempfile

        folder = self._make("roots")
        data = {**root._asdict(), "layers": [layer._asdict() for layer in root.layers]}
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
            json.dump(data, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(file.name, file_of(self.directory, root.key))

    def add(self, key: str, below: str, changes: Path, by: str = "") -> None:
        """Keep a root under a key: that of the key `below`, with a directory of changes as its topmost layer.

        Raises:
            HaconiwaError: there is no root `below`.
        """
        base = self.find(below)
        if base is None:
            raise HaconiwaError(f"there is no root {below}")
        layer = self.commit(changes)
        self.put(base._replace(key=key, layers=(*base.layers, layer), made=time.time(), by=by))

    def forget(self, key: str) -> None:
        """Forget a root, if there is one; its layers stay until `prune`."""
        file_of(self.directory, key).unlink(missing_ok=True)

    def unused(self, kept: Collection[str] = ()) -> list[Path]:
        """Return what `prune` would remove: layers of no root and no container, and what a crash has left.

        Args:
            kept: directories of layers that containers use.
        """
        used = {layer_path(self.directory, layer.digest) for root in self.roots() for layer in root.layers}
        layers = (self.directory / "layers").glob("*/*")
        left = [*(self.directory / "scratch").glob("*"), *(self.directory / "roots").glob("tmp*")]
        return [*sorted(set(layers) - used - set(map(Path, kept))), *left]

    def prune(self, kept: Collection[str] = ()) -> int:
        """Remove what `unused` returns; return how many things that were."""
        from haconiwa_rootfs.store.trees import remove

        found = self.unused(kept)
        for path in found:
            if path.is_dir():
                remove(str(path))
            else:
                path.unlink()
        return len(found)

    def free(self) -> int:
        """Return the bytes that are free on the file system of the layers."""
        found = os.statvfs(self._make("layers"))
        return found.f_bavail * found.f_frsize

    def _make(self, name: str) -> Path:
        # Set-user-ID programs in layers are out of reach for other users.
        for directory in (self.directory, self.directory / name):
            directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        found = os.stat(self.directory)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise HaconiwaError(f"{self.directory} must belong to the caller, and be closed to all others (mode 0700)")
        return self.directory / name
