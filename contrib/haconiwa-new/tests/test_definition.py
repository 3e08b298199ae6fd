"""The definitions that `haconiwa new` writes are read as they are, and with each part of them uncommented."""

import os
import re
import stat
import subprocess
from argparse import ArgumentParser

import pytest
from haconiwa_new.commands import definition
from haconiwa_new.examples import example_of
from haconiwa_new.sections import own_keys, sections

from haconiwa_core.definition.reading import read
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.log import Log
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.testing import haconiwa_command, needs_root

PLUGINS = Plugins()
SECTIONS = {section.name: section for section in sections(PLUGINS, Log())}
FORMS = ["py", "toml"]
COMMENTED = re.compile(r"^( *)#(?! |$)", re.MULTILINE)


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        parser = ArgumentParser()
        definition.configure(parser)
        assert definition.main(parser.parse_args(arguments), Log()) == 0

    return run


def form_of(form):
    return ["--toml"] if form == "toml" else []


@pytest.mark.parametrize("form", FORMS)
def test_it_is_a_container_with_nothing_but_a_command(write, form):
    write("web", *form_of(form))
    (container,) = read(f"web.{form}", PLUGINS)
    assert (container.name, container.features, container.problems()) == ("web", (), [])
    assert container.command


@needs_root
@pytest.mark.parametrize("form", FORMS)
def test_it_runs(write, tmp_path, form):
    write("web", *form_of(form))
    environment = {**os.environ, "HACONIWA_STATE": str(tmp_path / "state")}
    command = [*haconiwa_command(), "run", "--rm", f"web.{form}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello from a container\n", "")


def test_all_of_it_can_be_used(write, tmp_path):
    """Without comments each installed section is there, and right."""
    write("web", "--toml")
    file = tmp_path / "web.toml"
    plain, number = COMMENTED.subn(r"\1", file.read_text())
    assert number >= len(own_keys())
    file.write_text(plain)
    (container,) = read(str(file), PLUGINS)
    assert {feature.section for feature in container.features} == set(SECTIONS)
    assert container.problems() == []


@pytest.mark.parametrize("name", SECTIONS)
def test_each_section_can_be_used_in_python(write, tmp_path, name):
    """With all options that it shows, and the imports beside it."""
    write("web")
    file = tmp_path / "web.py"
    kind = SECTIONS[name].kind
    inside = False
    lines = []
    for line in file.read_text().splitlines():
        inside = line == f"        #{kind}(" or (inside and not line.startswith("        )"))
        is_import = line in [f"#{text}" for text in SECTIONS[name].example.imports]
        lines.append(COMMENTED.sub(r"\1", line) if inside or is_import else line)
        inside = inside and line != "        #),"
    file.write_text("\n".join(lines))
    (container,) = read(str(file), PLUGINS)
    assert [feature.section for feature in container.features] == [name]
    assert container.problems() == []


@pytest.mark.parametrize("form", FORMS)
def test_every_own_key_can_be_used(write, tmp_path, form):
    write("web", *form_of(form))
    file = tmp_path / f"web.{form}"
    keys = "|".join(key.name for key in own_keys())
    plain, number = re.subn(rf"^( *)#(?=({keys}) ?=)", r"\1", file.read_text(), count=len(own_keys()), flags=re.M)
    assert number == len(own_keys())
    file.write_text(plain)
    (container,) = read(str(file), PLUGINS)
    assert container.problems() == []


@pytest.mark.parametrize("form", FORMS)
def test_every_key_and_option_is_explained(write, tmp_path, form):
    write("web", *form_of(form))
    text = " ".join((tmp_path / f"web.{form}").read_text().replace("#", " ").split())
    for choice in (*own_keys(), *(option for section in SECTIONS.values() for option in section.options)):
        assert choice.meaning
        assert " ".join(choice.meaning.split()) in text, choice.name


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SECTIONS)
def test_each_feature_can_be_asked_for(write, form, name):
    write("web", "--features", name, *form_of(form))
    (container,) = read(f"web.{form}", PLUGINS)
    assert [feature.section for feature in container.features] == [name]
    assert container.problems() == []


def test_an_example_is_that_of_the_readme(tmp_path):
    """In TOML with a table below the section; in Python by position and by name, octal numbers as they are written."""
    from dataclasses import dataclass
    from typing import ClassVar

    from haconiwa_core import Feature, option

    @dataclass(frozen=True)
    class Lamp(Feature):
        section: ClassVar[str] = "lamp"
        colour: str = option("", "of the light")
        mode: int = option(0, "of the switch")

    toml = 'name = "web"\n\n[lamp]\ncolour = "red"\nmode = 0o077\n[lamp.more]\n"a.b" = 1\n[door]\nopen = true\n'
    python = 'from lamps import Lamp, Other\nx = Lamp(\n    "red", mode=0o077)\n'
    folder = tmp_path / "haconiwa_lamp-1.dist-info"
    folder.mkdir()
    body = f"# lamp\n\n```python\n{python}```\n\n```toml\n{toml}```\n"
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: haconiwa-lamp\nVersion: 1\n\n{body}")
    example = example_of(str(folder), Lamp)
    assert example.tables == {"lamp": {"colour": '"red"', "mode": "0o077"}, "lamp.more": {'"a.b"': "1"}}
    assert example.arguments == {"colour": '"red"', "mode": "0o077"}
    assert example.imports == ["from lamps import Lamp"]


def test_a_file_that_is_there_stays(write, tmp_path):
    (tmp_path / "web.py").write_text("mine")
    with pytest.raises(HaconiwaError, match="is there already"):
        write("web")
    assert (tmp_path / "web.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["../web"], "cannot name a container"), (["web", "--features", "lamb,nosuch"], "lamb.*\n.*nosuch")],
)
def test_what_cannot_be_written_is_told(write, tmp_path, arguments, message):
    with pytest.raises(HaconiwaError, match=message):
        write(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_others_cannot_write_it_whatever_the_umask(write, tmp_path):
    before = os.umask(0)
    try:
        write("web")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "web.py").stat().st_mode) == 0o644


def test_copier_is_not_imported_for_it(tmp_path):
    program = (
        "import sys\nfrom haconiwa_core.cli.main import main\nmain(['new', 'web'])\nsys.exit('copier' in sys.modules)\n"
    )
    interpreter = haconiwa_command()[0]
    subprocess.run([interpreter, "-I", "-c", program], cwd=tmp_path, check=True)
