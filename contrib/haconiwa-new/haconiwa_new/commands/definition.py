"""`haconiwa new`."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.cli.output import print_line
from haconiwa_core.container import is_name
from haconiwa_core.errors import DefinitionError, HaconiwaError, PluginError, Problem
from haconiwa_core.log import Log
from haconiwa_core.plugins.loading import Plugins
from haconiwa_new.forms import python_text, toml_text
from haconiwa_new.sections import own_keys, sections

HELP = "write a commented definition, NAME.py or NAME.toml, with all options of what is installed"

_MODE = 0o644


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", metavar="NAME", help="of the container")
    parser.add_argument("--toml", action="store_true", help="write TOML instead of Python")
    parser.add_argument(
        "--features", default="", metavar="FEATURE,...", help="use these; all others are there as comments"
    )


def main(options: Options, log: Log) -> int:
    """Write the definition, and print its name; return 0."""
    if not is_name(options.name):
        raise DefinitionError([Problem(f"{options.name!r} cannot name a container")])
    plugins = Plugins()
    used = [name for name in options.features.split(",") if name]
    _check(used, plugins)
    text = toml_text if options.toml else python_text
    content = text(options.name, own_keys(), list(sections(plugins, log)), used)
    file = f"{options.name}.{'toml' if options.toml else 'py'}"
    try:
        # Root runs no definition that others can write, whatever the umask.
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "w", encoding="utf-8") as opened:
            opened.write(content)
    except FileExistsError as error:
        raise HaconiwaError(f"{file} is there already, and stays as it is; choose another name") from error
    except OSError as error:
        raise HaconiwaError(f"{file}: cannot be written: {error.strerror}") from error
    print_line(file)
    return 0


def _check(names: list[str], plugins: Plugins) -> None:
    """Raise what is wrong with the features that are wanted."""
    problems = []
    for name in names:
        try:
            plugins.feature_class(name)
        except PluginError as error:
            problems.append(Problem(str(error), section=name))
    if problems:
        raise DefinitionError(problems)
