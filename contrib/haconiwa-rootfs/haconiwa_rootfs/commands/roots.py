"""`haconiwa roots`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options
from typing import TYPE_CHECKING

from haconiwa_core.log import Log

if TYPE_CHECKING:
    from haconiwa_rootfs.store.roots import Store

HELP = "list the roots that are stored, remove some, or remove all that nothing needs"

_SHORT = 12
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--store", metavar="DIRECTORY", help="where the roots are; the caller's own without it")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="what there is, how large, and who uses it")
    listing.add_argument("--format", choices=("table", "json"), default="table")
    removing = actions.add_parser("remove", help="forget roots that no container uses")
    removing.add_argument("keys", metavar="KEY", nargs="+", help="of a root, or its first characters")
    actions.add_parser("prune", help="remove layers that no root has, and what a crash has left")


def main(options: Options, log: Log) -> int:
    """Do it; return 0.

    Raises:
        HaconiwaError: there is no such root, or a container uses it.
    """
    from pathlib import Path

    from haconiwa_rootfs.store.roots import Store

    store = Store(Path(options.store).absolute() if options.store else None)
    match options.action:
        case "list":
            _list(store, options.format)
        case "remove":
            _remove(store, options.keys)
        case _:
            _prune(store)
    return 0


def _list(store: Store, form: str) -> None:
    from haconiwa_core.cli.output import print_json, print_table

    users = _users(store)
    roots = store.roots()
    if form == "json":
        print_json([{**root._asdict(), "used_by": users.get(root.key, [])} for root in roots])
        return
    rows = [
        [
            root.key[:_SHORT],
            str(len(root.layers)),
            _size(sum(layer.size for layer in root.layers)),
            root.by,
            ", ".join(users.get(root.key, [])) or "-",
        ]
        for root in roots
    ]
    print_table(["ROOT", "LAYERS", "SIZE", "MADE BY", "USED BY"], rows)


def _remove(store: Store, wanted: list[str]) -> None:
    from haconiwa_core.cli.output import print_line
    from haconiwa_core.errors import HaconiwaError

    with store.changing():
        users = _users(store)
        keys = [root.key for root in store.roots()]
        problems = []
        found = []
        for each in wanted:
            match [key for key in keys if key.startswith(each)]:
                case [key] if key in users:
                    problems.append(f"{each} is used by {', '.join(users[key])}")
                case [key]:
                    found.append(key)
                case []:
                    problems.append(f"there is no root {each}")
                case several:
                    problems.append(f"{len(several)} roots begin with {each}")
        if problems:
            raise HaconiwaError("; ".join(problems))
        for key in found:
            store.forget(key)
            print_line(key[:_SHORT])


def _prune(store: Store) -> None:
    from haconiwa_core.cli.output import print_line
    from haconiwa_rootfs.store.usage import uses

    with store.changing(), uses(store.directory) as found:
        free = store.free()
        number = store.prune({layer for use in found for layer in use.layers})
        print_line(f"removed {number}, {_size(max(0, store.free() - free))}")


def _users(store: Store) -> dict[str, list[str]]:
    """Return the names of the containers that use a root, by its key."""
    from haconiwa_rootfs.store.usage import uses

    users: dict[str, list[str]] = {}
    if store.directory.exists():
        with uses(store.directory) as found:
            for use in found:
                users.setdefault(use.key, []).append(use.name)
    return users


def _size(number: float) -> str:
    for unit in _UNITS[:-1]:
        if number < _STEP:
            return f"{number:.0f} {unit}" if unit == _UNITS[0] else f"{number:.1f} {unit}"
        number /= _STEP
    return f"{number:.1f} {_UNITS[-1]}"
