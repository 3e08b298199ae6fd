"""A strategy: a way to build a root. Each is an entry point of the group `haconiwa.v1.strategies`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from haconiwa_core.errors import HaconiwaError, PluginError
from haconiwa_core.options import suggestion
from haconiwa_core.plugins.discovery import API
from haconiwa_core.plugins.entrypoints import entry_points, load_sole

GROUP = f"haconiwa.{API}.strategies"


class Strategy(Protocol):
    """What an entry point leads to: a module, as a rule."""

    Options: type
    """A frozen dataclass: what can be given to it."""

    def inputs(self, options: Any, folder: str) -> Mapping[str, str]:
        """Return what the result depends on beside the options, such as digests of files.

        It is asked while planning, changes nothing, and needs no rights.

        Args:
            options: an object of `Options`.
            folder: of the definition; relative paths start there.

        Raises:
            HaconiwaError: it cannot be known.
        """

    def build(self, options: Any, target: Target) -> None:
        """Fill an empty directory.

        Raises:
            HaconiwaError: it cannot; what is there by then is thrown away.
        """


class Target:
    """What is being built.

    Args:
        folder: of the definition.
        scratch: an empty directory on the file system of the layers.
        show: called with each line that tells how it goes.

    Attributes:
        folder: of the definition; relative paths start there.
        scratch: where what is only needed meanwhile can lie, under names that do not begin with "layer-".
        layers: directories that become layers, the lowest first; the first is `directory`.
        config: of an image: how its command runs (Cmd, Env, User ...).
        binds: directories of the host that containers see at the same path, read-only; each exists in the root.
    """

    def __init__(self, folder: str, scratch: Path, show: Callable[[str], None]) -> None:
        self.folder = folder
        self.scratch = scratch
        self.layers: list[Path] = []
        self.config: Mapping[str, Any] = {}
        self.binds: tuple[str, ...] = ()
        self._show = show
        self.add_layer()

    @property
    def directory(self) -> Path:
        """The lowest layer, which is to be filled."""
        return self.layers[0]

    def add_layer(self) -> Path:
        """Return the directory of a further layer, above all there are."""
        layer = self.scratch / f"layer-{len(self.layers)}"
        layer.mkdir(mode=0o755)
        self.layers.append(layer)
        return layer

    def progress(self, text: str) -> None:
        """Tell how it goes, in one line."""
        self._show(text)

    def run(self, command: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None) -> None:
        """Run a program of the host to its end; each line that it prints is told.

        Args:
            command: the program and its arguments.
            cwd: its working directory; the definition's folder by default.
            env: its environment; the caller's by default.

        Raises:
            HaconiwaError: it is not there, or its exit status is not 0; with the last line that it has printed.
        """
        import subprocess

        last = ""
        try:
            with subprocess.Popen(
                command,
                cwd=cwd or self.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as child:
                assert child.stdout is not None
                for line in child.stdout:
                    last = line.rstrip("\n")
                    self.progress(last)
        except FileNotFoundError as error:
            raise HaconiwaError(f"{command[0]} is not installed, which this strategy needs") from error
        if child.returncode:
            told = f": {last}" if last else ""
            raise HaconiwaError(f"{command[0]} has ended with status {child.returncode}{told}")


@cache
def find(name: str) -> Strategy:
    """Load a strategy.

    Raises:
        PluginError: there is none, two distributions provide it, or it is broken.
    """
    strategy: Strategy | None = load_sole(GROUP, name, f"the strategy {name}", "Options", "inputs", "build")
    if strategy is None:
        hint = suggestion(name, [item.name for item in entry_points() if item.group == GROUP])
        raise PluginError(f"no installed distribution provides the strategy {name}" + (f"; {hint}" if hint else ""))
    return strategy
