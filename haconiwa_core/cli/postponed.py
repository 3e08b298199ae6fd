"""Modules that others import and that this process hardly ever uses: they are loaded when something is asked of one.

Only the command line does so, which is a process of its own and imports from one thread.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

RARE = frozenset(
    {
        "bz2",  # shutil, for archives
        "csv",  # importlib.metadata, for lists of files
        "glob",  # stevedore, for its cache
        "hashlib",  # stevedore, for its cache
        "importlib.metadata._adapters",  # for headers, which it reads with the email package
        "ipaddress",  # urllib.parse, for hosts
        "lzma",  # shutil, for archives
        "ntpath",  # pathlib, for Windows
        "tempfile",  # stevedore and importlib.resources, for files
        "tokenize",  # inspect and linecache, for source
        "traceback",  # logging, for exceptions
        "zipfile",  # importlib.metadata, for archives
    }
)
"""By whom each is imported, and what for."""


class _Postponed(ModuleType):
    """A module that is not loaded yet. Python's own LazyLoader would load it when it is imported again."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        loader = self.__loader__
        assert isinstance(loader, _Loader)
        # From now on it is like any other module.
        self.__class__ = ModuleType  # type: ignore[assignment]
        loader.load(self)
        return getattr(self, name)


class _Loader(SourceFileLoader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Postponed(spec.name)

    def exec_module(self, _module: ModuleType) -> None:
        """Do nothing yet."""

    def load(self, module: ModuleType) -> None:
        super().exec_module(module)


class _Finder:
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in RARE else None
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec


@contextmanager
def rare_modules_postponed() -> Iterator[None]:
    """While entered, importing a rare module gives one that loads itself when something is asked of it."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
