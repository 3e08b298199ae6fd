"""Import every module of the packages that are named: import-all PACKAGE..."""

import sys
from importlib import import_module
from pkgutil import walk_packages


def _fail(name: str) -> None:
    raise ImportError(f"{name} cannot be imported")


for package in sys.argv[1:]:
    for module in walk_packages(import_module(package).__path__, f"{package}.", _fail):
        if not module.name.endswith(".__main__"):
            import_module(module.name)
