"""Definitions that are Python programs."""

import sys

import pytest
from core.support import plugins_of, problems_of

from haconiwa_core.definition.reading import read

IMPORT = "from haconiwa_core import Container\n"


@pytest.fixture
def definition(tmp_path):
    """Write a program and read its containers."""

    def run(program):
        file = tmp_path / "app.py"
        file.write_text(IMPORT + program)
        return read(str(file), plugins_of())

    return run


def names(containers):
    return [container.name for container in containers]


def test_global_containers_in_the_order_of_their_names_first_use(definition):
    found = definition(
        'b = Container("b", ["true"])\na = Container("a", ["true"])\nagain = b\n_base = Container("base", ["true"])\n'
    )
    assert names(found) == ["b", "a"]


def test_an_explicit_list_wins(definition):
    program = 'x = Container("x", ["true"])\ncontainers = [Container(f"n{i}", ["true"]) for i in range(3)]\n'
    assert names(definition(program)) == ["n0", "n1", "n2"]


def test_a_program_may_read_the_environment_and_import_helpers(definition, tmp_path, monkeypatch):
    monkeypatch.setenv("SITE", "shop")
    (tmp_path / "settings_beside.py").write_text('COMMAND = ["sleep", "1"]\n')
    before = list(sys.path)
    (container,) = definition(
        "import os\nfrom settings_beside import COMMAND\nweb = Container(os.environ['SITE'], COMMAND)\n"
    )
    assert (container.name, container.command, container.folder) == ("shop", ("sleep", "1"), str(tmp_path))
    assert sys.path == before
    assert "settings_beside" not in sys.modules


def test_settings_are_shared_by_real_copies(definition):
    found = definition(
        'from dataclasses import replace\n_base = Container("base", ["true"], env={"A": "1"})\n'
        'one = replace(_base, name="one")\ntwo = replace(_base, name="two", env={**_base.env, "B": "2"})\n'
    )
    assert [dict(container.env) for container in found] == [{"A": "1"}, {"A": "1", "B": "2"}]


FAILURES = [
    ("x = 1\ndef (:\n", 3, "syntax error: "),
    ("x = 1\n\nundefined\n", 4, "NameError: name 'undefined' is not defined"),
    ("def helper():\n    1 / 0\nhelper()\n", 3, "ZeroDivisionError: division by zero"),
    ("import sys\nsys.exit(0)\n", 3, "SystemExit: 0"),
    ("import haconiwa_absent_thing\n", 2, "pip install haconiwa-absent-thing"),
    ("from haconiwa_absent.sub import Thing\n", 2, "pip install haconiwa-absent"),
    ("import absent_helper\n", 2, "ModuleNotFoundError: No module named 'absent_helper'"),
    ("containers = 3\n", 0, "`containers` must be a list of containers"),
    ("containers = [3]\n", 0, "`containers` must be a list of containers"),
    ("containers = []\n", 0, "defines no container"),
    ("", 0, "defines no container"),
    ("x = 'a\\0'\n\0", 0, "null bytes"),
    ('a = Container("a", ["true"])\nb = Container("a", ["true"])\n', 3, 'two containers are named "a"'),
]


@pytest.mark.parametrize(("program", "line", "text"), FAILURES)
def test_a_failing_program_is_a_problem_with_its_line(definition, tmp_path, program, line, text):
    (problem,) = problems_of(definition, program)
    assert problem.startswith(f"{tmp_path / 'app.py'}:" + (f"{line}:" if line else " "))
    assert text in problem


def test_only_our_own_distributions_are_named(definition):
    (problem,) = problems_of(definition, "import haconiwaX\n")
    assert "pip install" not in problem


def test_a_helpers_syntax_error_names_the_line_that_imports_it(definition, tmp_path):
    (tmp_path / "broken_beside.py").write_text("def (:\n")
    (problem,) = problems_of(definition, "\nimport broken_beside\n")
    assert f"{tmp_path / 'app.py'}:3: SyntaxError" in problem


def test_an_interrupt_is_not_swallowed(definition):
    with pytest.raises(KeyboardInterrupt):
        definition("raise KeyboardInterrupt\n")
