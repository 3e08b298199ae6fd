"""Where an installed distribution came from, as its installer has noted it."""

from __future__ import annotations

import json
from importlib.metadata import Distribution
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class Origin(NamedTuple):
    """What the metadata say.

    Args:
        location: the folder that it is installed in.
        installer: the program that did it, such as "pip" or "uv"; "" where it has not said so.
        editable: the folder of the source that it is imported from (PEP 610); "" for one that is not editable.
    """

    location: str
    installer: str
    editable: str


def origin_of(distribution: Distribution) -> Origin:
    """Return where a distribution came from."""
    direct = json.loads(distribution.read_text("direct_url.json") or "{}")
    editable = unquote(urlsplit(direct["url"]).path) if direct.get("dir_info", {}).get("editable") else ""
    installer = (distribution.read_text("INSTALLER") or "").strip()
    return Origin(str(distribution.locate_file("")), installer, editable)
