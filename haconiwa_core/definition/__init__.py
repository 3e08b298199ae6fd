"""Read definitions: Python programs, TOML files, and what the command line changes in them."""

from haconiwa_core.definition.overrides import Overrides
from haconiwa_core.definition.reading import read

__all__ = ["Overrides", "read"]
