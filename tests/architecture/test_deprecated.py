"""Nothing that is deprecated outlives the release that removes it."""

import pytest
from architecture.tree import CORE_PROJECT
from packaging.version import Version

from haconiwa_core import deprecated
from haconiwa_core.deprecated import Deprecated


def outlived(names, version):
    """Return the names of what a release of a version should not have any more."""
    entries = {name: each for name, each in names.items() if isinstance(each, Deprecated)}
    return [name for name, each in entries.items() if Version(version) >= Version(each.removal)]


def test_nothing_outlives_its_release():
    assert outlived(vars(deprecated), CORE_PROJECT["project"]["version"]) == []


@pytest.mark.parametrize(
    ("version", "names"),
    [("0.9.1", []), ("0.10.0rc1", []), ("0.10.0", ["SOON"]), ("0.10.1", ["SOON"]), ("1.2", ["SOON", "LATER"])],
)
def test_what_does_would_be_noticed(version, names):
    soon, later = Deprecated("a", "0.10.0", "use b"), Deprecated("c", "1.0.0", "use d")
    assert outlived({"SOON": soon, "LATER": later, "Deprecated": Deprecated, "name": "text"}, version) == names
