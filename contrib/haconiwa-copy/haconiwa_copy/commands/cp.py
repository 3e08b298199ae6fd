"""`haconiwa cp`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace as Options
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from haconiwa_runtime.recorded import find

from haconiwa_copy.archives import read_archive, write_archive
from haconiwa_copy.entries import Entry
from haconiwa_copy.places import Place
from haconiwa_copy.reading import read
from haconiwa_copy.sides import copy_in, copy_out
from haconiwa_copy.writing import Keep, Writer
from haconiwa_core.container import is_name
from haconiwa_core.errors import DefinitionError, HaconiwaError, Problem
from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store

HELP = "copy files between the host and a container: cp NAME:PATH PATH, or cp PATH NAME:PATH"

_PERMISSIONS = 0o1777
_WITH_SET_ID = 0o7777
_SHOWN = 20


class _End(NamedTuple):
    """Where something is copied from or to; on the host where the container is ""."""

    container: str
    path: str


_STREAM = _End("", "-")
"""Standard input or output, for an archive of tar."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("-a", "--archive", action="store_true", help="keep users and groups")
    parser.add_argument(
        "-L", "--follow-link", action="store_true", help="copy what SOURCE leads to if it is a symbolic link"
    )
    parser.add_argument("source", metavar="SOURCE", help="NAME:PATH of a container, a path of the host, or - for tar")
    parser.add_argument("target", metavar="TARGET", help="the other one; a directory gets SOURCE put into it")


def main(options: Options, log: Log) -> int:
    """Copy; return 0.

    Raises:
        HaconiwaError: something was not copied; all else was.
    """
    source, target = _end(options.source), _end(options.target)
    if bool(source.container) == bool(target.container):
        hint = "write NAME:PATH for the one in the container, ./NAME:PATH for a file of the host that is called so"
        raise DefinitionError([Problem("one of SOURCE and TARGET must be in a container", hint=hint)])
    name = source.container or target.container
    process = find(Store(), name).child
    contents = source.path.endswith("/.")
    lacking: list[str] = []
    if target == _STREAM:
        if sys.stdout.isatty():
            raise HaconiwaError("an archive is not for a terminal; send it to a file or to tar")

        def write(entries: Iterator[Entry]) -> None:
            lacking.extend(write_archive(entries, sys.stdout.buffer))

        copy_out(name, process, source.path, follow=options.follow_link, take=write)
    elif source.container:
        writer = Writer(Place(), target.path, Keep(options.archive, _PERMISSIONS), contents=contents)
        copy_out(name, process, source.path, follow=options.follow_link, take=writer.write)
        lacking = writer.lacking
    else:
        keep = Keep(options.archive, _WITH_SET_ID if options.archive else _PERMISSIONS)
        entries = read(Place(), source.path, follow=options.follow_link)
        if source == _STREAM:
            entries, contents = read_archive(sys.stdin.buffer), True
        lacking = copy_in(name, process, entries, lambda place: Writer(place, target.path, keep, contents=contents))
    if lacking:
        raise HaconiwaError("\n".join(_listed(lacking)))
    return 0


def _end(text: str) -> _End:
    """Return what a word of the command line means; a path of the host with a colon begins with "/" or "."."""
    name, colon, path = text.partition(":")
    if not colon or not is_name(name):
        return _End("", text)
    if not path:
        raise DefinitionError([Problem(f"{text} names no path", hint=f"write {name}:/ for all of the container")])
    return _End(name, path)


def _listed(lacking: Sequence[str]) -> Iterator[str]:
    yield from (f"not copied: {text}" for text in lacking[:_SHOWN])
    if len(lacking) > _SHOWN:
        yield f"not copied: {len(lacking) - _SHOWN} more"
