"""Definitions in TOML: all problems at once, each with its file and line."""

import pytest
from core.support import Sample, plugins_of, problems_of
from hypothesis import HealthCheck, given, settings, strategies as st

from haconiwa_core.definition.reading import read

LAMP = Sample("lamp", options=[("level", int, 1), ("colours", tuple[str, ...], ())])
PLUGINS = plugins_of(LAMP)


def problems(file):
    """Return what keeps a file from being read, or else what is wrong in it."""
    found = problems_of(read, str(file), PLUGINS)
    return found or [str(problem) for container in read(str(file), PLUGINS) for problem in container.problems()]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "web.toml"


def test_a_whole_definition(file, tmp_path):
    file.write_text(
        'name = "shop"\ncommand = ["sleep", "1"]\nworkdir = "/srv"\nstdin = "null"\nstdout = "log"\n'
        'stderr = "host:errors"\nenv.LANG = "C"\n[lamp]\nlevel = 3\ncolours = ["red"]\n'
    )
    (container,) = read(str(file), PLUGINS)
    assert (container.name, container.command, container.workdir) == ("shop", ("sleep", "1"), "/srv")
    assert (container.stdin, container.stdout, container.stderr) == ("null", "log", "host:errors")
    assert container.env == {"LANG": "C"}
    assert container.features == (LAMP.feature(level=3, colours=("red",)),)
    assert container.folder == str(tmp_path)


def test_the_name_is_the_files_by_default(file):
    file.write_text('command = ["true"]\n')
    assert read(str(file), PLUGINS)[0].name == "web"


def test_all_problems_come_together_with_their_lines(file):
    file.write_text(
        'nam = "x"\n'
        'command = "echo hi"\n'
        'workdir = "tmp"\n'
        "\n"
        "[lamp]\n"
        "# a comment\n"
        'level = "high"\n'
        "levle = 1\n"
        "[lamb]\n"
        "level = 1\n"
    )
    assert problems(file) == [
        f'{file}:1: unknown key "nam"; did you mean "name"?',
        f'{file}:8: lamp.levle: unknown key "levle"; did you mean "level"?',
        f"{file}:7: lamp.level: must be an integer, not 'high'",
        f'{file}:9: lamb: no such feature; did you mean "lamp"?',
        f"{file}:2: command: must be a list of strings; write ['echo', 'hi']",
        f"{file}:3: workdir: must be an absolute path inside the container, not 'tmp'",
    ]


SHAPES = [
    ("command = 3", "command: must be a list of strings"),
    ("command = []", "command: is missing"),
    ("", "command: is missing"),
    ('command = ["a", 1]', "command: must be a list of strings"),
    ('command = ["true"]\nenv = "A=B"', "env: must be a table of strings"),
    ('command = ["true"]\nname = 3', "name: must match"),
    ('command = ["true"]\nname = "a\\nb"', "name: must match"),
    ('command = ["true"]\nlamp = 3', 'unknown key "lamp"'),
    ('command = ["true"]\nfeatures = []', 'unknown key "features"'),
    ('command = ["true"]\n[lamp]\nlevel = 1\n[lamp]', "no valid TOML"),
    ("command = [", "no valid TOML"),
]


@pytest.mark.parametrize(("text", "expected"), SHAPES)
def test_a_wrong_shape_is_one_problem(file, text, expected):
    file.write_text(text)
    (problem,) = problems(file)
    assert expected in problem
    assert problem.startswith(str(file))


@given(st.binary() | st.text().map(str.encode) | st.integers(1, 5000).map(lambda depth: b"a = " + b"[" * depth))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_holds_is_a_definition_or_a_problem(file, content):
    file.write_bytes(content)
    found = problems(file)
    assert found or read(str(file), PLUGINS)


@pytest.mark.parametrize("name", ["absent.toml", "absent.py", "noext", "x.yaml", "folder.toml", "folder.py"])
def test_what_is_no_definition_file_is_a_problem(tmp_path, name):
    if name.startswith("folder"):
        (tmp_path / name).mkdir()
    (problem,) = problems(tmp_path / name)
    assert name in problem
