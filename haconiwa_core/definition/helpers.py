"""Let a Python definition import the modules that lie beside it, if they are as trusted as it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from haconiwa_core.trust import check_found, read_trusted


class _CheckedLoader(SourceFileLoader):
    """Compiles the very bytes that were checked; cached bytecode, which others may have planted, is not used."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = compile(read_trusted(Path(path)), path, "exec")
        return code


class _Beside:
    """Finds modules in one folder that are not installed: none of them replaces another.

    What is installed has to be as trusted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.found: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not path:
            installed = PathFinder.find_spec(name)
            if installed and name not in sys.stdlib_module_names:
                check_found(installed)
            if installed or name in sys.builtin_module_names:
                return None
        folder = Path(path[0]) if path else self._folder
        if self._folder not in (folder, *folder.parents):
            return None
        last = name.rpartition(".")[2]
        for file in (folder / last / "__init__.py", folder / f"{last}.py"):
            if file.is_file():
                self.found.append(name)
                return spec_from_file_location(name, file, loader=_CheckedLoader(name, str(file)))
        return None


@contextmanager
def modules_beside(file: Path) -> Iterator[None]:
    """While entered, modules in a definition's folder can be imported.

    They are forgotten afterwards, so that another definition's modules may have the same names.
    """
    finder = _Beside(file.resolve().parent)
    # Before Python's own finder, which would take the parts of a package without checking them.
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in finder.found:
            sys.modules.pop(name, None)
