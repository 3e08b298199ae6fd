"""docker's `--ulimit` becomes options."""

import pytest
from haconiwa_rlimit.flags import options

from haconiwa_core.errors import DefinitionError


def test_one_value_two_values_and_no_limit():
    given = ["nofile=1", "core=2:3", "as=-1", "stack=4:-1", "cpu=x"]
    assert options({"ulimit": given}, None) == {
        "nofile": 1,
        "core": (2, 3),
        "as_": "unlimited",
        "stack": (4, "unlimited"),
        "cpu": "x",
    }


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(DefinitionError) as caught:
        options({"ulimit": ["nofile", "core"]}, None)
    assert len(caught.value.problems) == 2
