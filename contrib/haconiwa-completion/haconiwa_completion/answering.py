"""`haconiwa-complete`: what a shell asks when the tab key is pressed (argcomplete)."""

from __future__ import annotations

import os
import sys

import argcomplete

from haconiwa_completion.parsers import whole_parser
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.trust import check_search_path, close_search_path


def main() -> None:
    """Answer the shell, and leave the process.

    Raises:
        SystemExit: nothing was asked, or nothing may be imported.
    """
    line = os.environ.get("COMP_LINE", "")[: int(os.environ.get("COMP_POINT", "0"))]
    words = line.split()[1:]
    if "--" in (words if line.endswith(" ") else words[:-1]):
        sys.exit(1)  # What follows is the container's command.
    try:
        close_search_path()
        check_search_path(sys.path)
        parser = whole_parser(words)
    except HaconiwaError as error:
        sys.exit(str(error))
    argcomplete.autocomplete(parser, always_complete_options=False)
    sys.exit("a shell asks this program; see `haconiwa completion --help`")
