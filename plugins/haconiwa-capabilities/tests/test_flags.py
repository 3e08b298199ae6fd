"""docker's flags change the set that a container starts from."""

import pytest
from haconiwa_capabilities import Capabilities
from haconiwa_capabilities.flags import options

from haconiwa_core.errors import DefinitionError

CASES = [
    ({"cap-drop": ["net_raw"]}, None, Capabilities(drop=["net_raw"])),
    ({"cap-add": ["chown"], "cap-drop": ["all"]}, None, Capabilities(keep=["chown"])),
    ({"cap-add": ["ALL"]}, None, Capabilities(all=True)),
    ({"cap-add": ["ALL"]}, Capabilities(keep=["chown"], ambient=["chown"]), Capabilities(all=True, ambient=["chown"])),
    ({"cap-add": ["kill"]}, Capabilities(keep=["chown"]), Capabilities(keep=["chown", "kill"])),
]


@pytest.mark.parametrize(("given", "section", "expected"), CASES, ids=range(len(CASES)))
def test_what_is_dropped_goes_and_what_is_added_comes(given, section, expected):
    assert Capabilities(**options(given, section)) == expected


def test_a_wrong_name_is_told():
    with pytest.raises(DefinitionError, match="fly"):
        options({"cap-add": ["fly"]}, None)
