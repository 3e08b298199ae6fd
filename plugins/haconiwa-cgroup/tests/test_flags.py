"""docker's flags become options, and what is no number is left for the option's own check."""

import pytest
from haconiwa_cgroup import Cgroup
from haconiwa_cgroup.flags import FLAGS, options

from haconiwa_core.errors import DefinitionError
from haconiwa_core.options import build

CASES = [
    ({"memory": ["1g", "256mb"]}, {"memory": "256M"}),
    ({"memory": ["-1"]}, {"memory": "max"}),
    ({"memory": ["512"], "memory-swap": ["1k"]}, {"memory": "512", "swap": 512}),
    ({"memory": ["1m"], "memory-swap": ["-1"]}, {"memory": "1M", "swap": "max"}),
    ({"cpus": ["0.5"]}, {"cpu": 0.5}),
    ({"cpu-shares": ["512"]}, {"cpu_weight": 50}),
    ({"pids-limit": ["0"]}, {"pids": "max"}),
    ({"cpuset-cpus": ["0,1"], "cgroup-parent": ["/x"]}, {"cpuset": "0,1", "parent": "/x"}),
]


@pytest.mark.parametrize(("given", "expected"), CASES, ids=range(len(CASES)))
def test_values_become_options(given, expected):
    assert options(given, None) == expected
    assert build(Cgroup, expected)[1] == []


def test_swap_is_what_the_memory_of_the_definition_leaves():
    assert options({"memory-swap": ["3M"]}, Cgroup(memory="1M")) == {"swap": 2 << 20}


@pytest.mark.parametrize("section", [None, Cgroup(), Cgroup(memory="max"), Cgroup(memory="4M")])
def test_swap_without_memory_or_less_than_it_is_refused(section):
    with pytest.raises(DefinitionError, match="memory"):
        options({"memory-swap": ["3M"]}, section)


@pytest.mark.parametrize("name", FLAGS)
def test_nonsense_is_told_by_the_option(name):
    given = {name: ["not that"], **({"memory": ["1M"]} if name == "memory-swap" else {})}
    (complaint,) = build(Cgroup, options(given, None))[1]
    assert "'not that'" in complaint.text
