"""Flags that plugins turn into options, and what of a command line is the container's own."""

import json
import os
import subprocess
from types import MappingProxyType

import pytest
from core.support import Sample, Site, plugins_of

from haconiwa_core.cli.flags import Flag, Given, changes
from haconiwa_core.container import Container
from haconiwa_core.definition.overrides import Flagged, Overrides
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.plugins.catalogue import flag_distributions, refused_flags
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.testing import haconiwa_command

LAMP = Sample("lamp", options=[("level", int, 1), ("name", str, "")])
PLAIN = Container("web", ["true"])

FEATURE = """
from dataclasses import dataclass
from typing import ClassVar
from haconiwa_core import Feature, Stage, hookimpl, option
from haconiwa_core.cli.flags import Flag

@dataclass(frozen=True, kw_only=True)
class Lamp(Feature):
    section: ClassVar[str] = "lamp"
    stages: ClassVar[tuple[Stage, ...]] = ()
    level: int = option(1, "how bright")
    on: bool = option(False, "whether it shines")

@hookimpl
def haconiwa_feature():
    return Lamp

SECTION = "lamp"
FLAGS = {"level": Flag("`level`", "NUMBER", "l"), "on": Flag("`on`"), "kind.red": Flag("`level` 3", "WORD")}

def options(given, section):
    print("imported", given)
    changed = {"on": True} if "on" in given else {}
    if "level" in given:
        changed["level"] = int(given["level"][-1]) if given["level"][-1].isdigit() else given["level"][-1]
    if "kind.red" in given:
        changed["level"] = 3 + len(given["kind.red"][-1])
    return changed
"""
SHOW = """
import json
from haconiwa_core.cli.arguments import add_selection
from haconiwa_core.cli.selection import selected
from haconiwa_core.errors import DefinitionError
from haconiwa_core.plugins.loading import Plugins

HELP = "show the definition"

def configure(parser):
    add_selection(parser, "these")

def main(options, log):
    (container,) = selected(options, Plugins())
    if problems := container.problems():
        raise DefinitionError(problems)
    print(json.dumps(container.to_json()))
    return 0
"""
POINTS = """[haconiwa.v1.features]
lamp = haconiwa_lamp
[haconiwa.v1.flags]
level = haconiwa_lamp
l = haconiwa_lamp
on = haconiwa_lamp
kind.red = haconiwa_lamp
"""


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    site.install("haconiwa-lamp", FEATURE)
    (tmp_path / "haconiwa_lamp-1.0.dist-info" / "entry_points.txt").write_text(POINTS)
    site.install("haconiwa-show", SHOW, name="show", group="commands")
    return site


def shown(site, *words):
    """Return the container that a command line describes, and what was printed before."""
    done = site.haconiwa("show", *words)
    assert done.returncode == 0, done.stderr
    *before, last = done.stdout.splitlines()
    return json.loads(last), before


def features(site, *words):
    return shown(site, *words, "--", "true")[0]["features"]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["--level", "3"], {"level": 3}),
        (["--level=3"], {"level": 3}),
        (["-l", "3"], {"level": 3}),
        (["-l3"], {"level": 3}),
        (["-l", "3", "--level", "4"], {"level": 4}),
        (["--on"], {"on": True}),
        (["--on", "-l3"], {"on": True, "level": 3}),
        (["--kind", "red"], {"level": 3}),
        (["--kind", "red=ab"], {"level": 5}),
        (["--kind=red:abc"], {"level": 6}),
        (["--on", "--set", "lamp.level=7"], {"on": True, "level": 7}),
        (["--level", "3", "--set", "lamp.level=7"], {"level": 3}),
    ],
    ids=" ".join,
)
def test_a_flag_sets_an_option(site, words, options):
    assert features(site, *words) == {"lamp": options}


def test_a_module_is_imported_for_its_flags_only(site):
    assert shown(site, "--on", "--", "true")[1] == ["imported {'on': ['']}"]
    (site.folder / "haconiwa_lamp.py").write_text("raise RuntimeError('imported')")
    assert shown(site, "--", "true")[1] == []
    done = site.haconiwa("plan", "--on", "--", "true")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--on of haconiwa-lamp is broken: RuntimeError: imported" in done.stderr


def test_what_follows_belongs_to_the_command(site):
    command = ["true", "--on", "--memory", "1"]
    assert shown(site, "--", *command)[0]["command"] == command


def test_a_definition_keeps_its_other_options(site):
    file = site.folder / "web.toml"
    file.write_text('command = ["true"]\n[lamp]\nlevel = 9\n')
    assert shown(site, "--on", file)[0]["features"] == {"lamp": {"level": 9, "on": True}}


def refusal(site, *words):
    done = site.haconiwa("show", *words, "--", "true")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_wrong_value_is_told_as_that_of_the_option_with_all_others(site):
    text = refusal(site, "--level", "high", "-w", "nowhere", "-e", "=x", "--set", "lamp.glow=1")
    assert "command line: lamp.level: must be an integer, not 'high'" in text
    assert 'command line: lamp.glow: unknown key "glow"' in text
    assert "command line: workdir: must be an absolute path inside the container, not 'nowhere'" in text
    assert "command line: env: '' cannot name a variable" in text


@pytest.mark.parametrize("name", flag_distributions())
def test_a_flag_that_is_not_installed_is_told_with_its_distribution(site, name):
    flag, _, word = name.partition(".")
    typed = f"-{flag}" if len(flag) == 1 else f"--{flag}"
    distribution = flag_distributions()[name]
    text = refusal_without_plugins(site, typed, word or "1")
    shown = f"{typed} {word}".rstrip()
    assert text == f"haconiwa: error: {shown} is a flag of {distribution}; pip install {distribution}\n"


def refusal_without_plugins(site, *words):
    """Run as if no distribution were installed but the core."""
    program = (
        "import sys\nfrom haconiwa_core.plugins import entrypoints\nentrypoints.distributions = lambda: iter(())\n"
        "from haconiwa_core.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"
    )
    command = [haconiwa_command()[0], "-I", "-c", program, "plan", *words, "--", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=site.folder)
    assert done.returncode == 2
    return done.stderr


def test_all_that_are_missing_are_told_at_once(site):
    text = refusal_without_plugins(site, "--memory", "1", "-u", "1", "--privileged")
    assert text.count("pip install") == 2
    assert "--privileged is not taken: " in text


def test_what_means_something_else_here_is_refused_with_what_to_do(site):
    for name, advice in refused_flags().items():
        assert f"is not taken: {advice}" in refusal(site, f"-{name}" if len(name) == 1 else f"--{name}", "x")


def test_an_unknown_option_is_argparses_affair(site):
    assert "unrecognized arguments: --nosuch" in refusal(site, "--nosuch")
    assert "unrecognized arguments: --kind.red" in refusal(site, "--kind.red", "--on")
    assert "--kind blue is none of the flags that are installed" in refusal(site, "--kind", "blue")


def test_two_that_claim_a_flag_are_told(site):
    site.install("haconiwa-torch", FEATURE, name="on", group="flags")
    text = refusal(site, "--on")
    assert "--on is provided by haconiwa-lamp and haconiwa-torch; uninstall all but one" in text
    assert features(site, "--level", "3") == {"lamp": {"level": 3}}


def test_the_help_lists_them_with_their_distributions(site):
    done = site.haconiwa("run", "--help")
    rows = {
        line.split("  of ")[0].strip(): line.split("  of ")[1] for line in done.stdout.splitlines() if "  of " in line
    }
    assert rows["--on"].strip() == rows["-l"].strip() == rows["--kind red"].strip() == "haconiwa-lamp"
    assert {name for name in rows if name.startswith("--memory")} == {"--memory", "--memory-swap"}
    assert "imported" not in done.stdout


def test_a_disabled_plugin_is_not_used(site):
    site.environment["HACONIWA_DISABLE_PLUGINS"] = "lamp"
    assert "plugin lamp of haconiwa-lamp is disabled" in refusal(site, "--on")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a policy")
def test_a_policy_of_files_as_they_are_lets_no_flag_through(site):
    site.policy = '[definitions]\nroot = ["/srv/*"]\n'
    for words in (["--on"], ["-e", "A=1"], ["-w", "/"], ["--env-file", "x"]):
        (site.folder / "web.toml").write_text('command = ["true"]\n')
        done = site.haconiwa("plan", *words, site.folder / "web.toml")
        assert done.returncode == 2
        assert "no feature, option or command may be given" in done.stderr


class Module:
    SECTION = "lamp"
    FLAGS = MappingProxyType({"level": Flag("`level`", "NUMBER")})

    @staticmethod
    def options(given, section):
        if given["level"] == ["out"]:
            return None
        if given["level"] == ["broken"]:
            raise DefinitionError([Problem("cannot be that"), Problem("nor this", key="level")])
        return {"level": (section.level if section else 0) + int(given["level"][-1])}


def applied(value, container=PLAIN, plugins=(LAMP,), **more):
    flags = changes([Given(Module, "level", value)])
    return Overrides(flags=flags, **more).apply(container, plugins_of(*plugins))


def test_a_module_sees_the_section_as_it_is():
    assert applied("2") == PLAIN + LAMP.feature(level=2)
    assert applied("2", PLAIN + LAMP.feature(level=5, name="x")) == PLAIN + LAMP.feature(level=7, name="x")


def test_a_module_may_leave_the_section_out():
    assert applied("out", PLAIN + LAMP.feature()) == PLAIN
    assert applied("out") == PLAIN


def test_what_a_module_cannot_turn_into_options_is_told():
    assert [str(problem) for problem in applied("broken").problems()] == [
        "command line: lamp: cannot be that",
        "command line: lamp.level: nor this",
    ]


def test_without_the_section_its_flags_are_refused():
    (problem,) = applied("2", disabled=["lamp"]).problems()
    assert str(problem) == "command line: --level contradicts --without lamp"


@hookimpl
def haconiwa_expand(feature):
    yield LAMP.feature(level=5, name="profile")


PROFILE = Sample("profile", hooks={"haconiwa_expand": haconiwa_expand})


def test_of_what_a_profile_gives_the_other_options_stay():
    container = PLAIN + PROFILE.feature()
    changed = applied("2", container, (LAMP, PROFILE))
    assert changed.feature("lamp") == LAMP.feature(level=7, name="profile")


def test_what_a_profile_gives_cannot_be_left_out():
    (problem,) = applied("out", PLAIN + PROFILE.feature(), (LAMP, PROFILE)).problems()
    assert str(problem) == "command line: --level: another feature stands for lamp; change that one's options"


def test_flags_of_one_module_come_together():
    (one,) = changes([Given(Module, "level", "1"), Given(Module, "other", ""), Given(Module, "level", "2")])
    assert isinstance(one, Flagged)
    assert one.text == "--level, --other"


ENVIRONMENT = [
    (["-e", "A=1", "--env", "B=a=b", "-e", "C="], {"A": "1", "B": "a=b", "C": ""}),
    (["-e", "GIVEN", "-e", "HACONIWA_NOT_GIVEN"], {"GIVEN": "of the caller"}),
    (["--env-file", "some.env"], {"A": "one", "SPACED": "a b ", "GIVEN": "of the caller", "HASH": "x # y"}),
    (["-e", "A=1", "--env-file", "some.env"], {"A": "1", "SPACED": "a b ", "GIVEN": "of the caller", "HASH": "x # y"}),
]


@pytest.mark.parametrize(("words", "expected"), ENVIRONMENT, ids=range(len(ENVIRONMENT)))
def test_the_environment_is_as_docker_has_it(site, monkeypatch, words, expected):
    file = site.folder / "some.env"
    file.write_text("# nothing\n\nA=one\n  SPACED=a b \nGIVEN\nHACONIWA_NOT_GIVEN\nHASH=x # y\n")
    monkeypatch.setenv("GIVEN", "of the caller")
    words = [str(file) if word == "some.env" else word for word in words]
    assert shown(site, *words, "--", "true")[0]["env"] == expected


def test_variables_are_added_to_those_of_a_definition(site):
    (site.folder / "web.toml").write_text('command = ["true"]\nworkdir = "/srv"\nenv = { A = "1", B = "1" }\n')
    container, _ = shown(site, "-e", "B=2", "-w", "/usr", site.folder / "web.toml")
    assert (container["env"], container["workdir"]) == ({"A": "1", "B": "2"}, "/usr")


def test_a_file_of_variables_that_cannot_be_read_is_told(site):
    assert "--env-file /nonexistent/x: cannot be read" in refusal(site, "--env-file", "/nonexistent/x")
