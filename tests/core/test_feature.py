"""Features do not change once they are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from haconiwa_core import Feature, option


@dataclass(frozen=True, kw_only=True)
class Listing(Feature):
    section: ClassVar[str] = "listing"

    names: Sequence[str] = option((), "names")


def test_a_list_that_changes_later_changes_no_feature():
    names = ["one"]
    feature = Listing(names=names)
    names.append("two")
    assert feature == Listing(names=("one",))
    assert hash(feature) == hash(Listing(names=("one",)))
