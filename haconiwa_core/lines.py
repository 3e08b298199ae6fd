"""Where sections and keys stand in a TOML text, which tomllib does not tell."""

from __future__ import annotations

import re

_SECTION = re.compile(r"\s*\[\s*([A-Za-z0-9_.\"' -]+?)\s*\]")
_KEY = re.compile(r"\s*(?:\"([^\"]+)\"|([A-Za-z0-9_-]+))\s*[=.]")


class Lines:
    """The lines of a text.

    Args:
        text: valid TOML.
    """

    def __init__(self, text: str) -> None:
        self._places: dict[tuple[str, str], int] = {}
        section = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if match := _SECTION.match(line):
                section = match[1].replace('"', "").replace("'", "").partition(".")[0].strip()
                self._places.setdefault((section, ""), number)
            elif match := _KEY.match(line):
                self._places.setdefault((section, match[1] or match[2]), number)

    def find(self, section: str, key: str) -> int:
        """Return the line of a key, else of its section, else 0."""
        first = re.split(r"[.\[]", key)[0]
        return self._places.get((section, first)) or self._places.get((section, ""), 0)
