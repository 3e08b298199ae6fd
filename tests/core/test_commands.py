"""Verbs: the core's own, and those that other distributions have installed."""

import json
import re

import pytest
from core.support import Site

from haconiwa_core.cli.commands import OWN

COMMAND = """
import json
import re
from haconiwa_core.cli.arguments import add_format
from haconiwa_core.errors import HaconiwaError

HELP = "shine"

def configure(parser):
    parser.add_argument("level", type=int)
    parser.add_argument("--name", action="append")
    add_format(parser)

def main(options, log):
    if options.level > 9:
        raise HaconiwaError("too bright")
    print(json.dumps(vars(options)))
    return options.level
"""


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def install(site, distribution="haconiwa-lamp", source=COMMAND, verb="shine"):
    site.install(distribution, source, verb, group="commands")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["shine", "3"], {"level": 3}),
        (["--debug", "--log-format", "json", "shine", "3"], {"level": 3, "debug": True, "log_format": "json"}),
        (["shine", "3", "--log-format=json", "--debug"], {"level": 3, "debug": True, "log_format": "json"}),
        (["--debug", "shine", "--log-format", "json", "3"], {"level": 3, "debug": True, "log_format": "json"}),
        (["shine", "--name", "a", "4", "--format", "json", "--name=b"], {"name": ["a", "b"], "format": "json"}),
        (["shine", "4", "--", "5", "--debug", "--", "-h"], {"level": 4, "command": ["5", "--debug", "--", "-h"]}),
    ],
    ids=" ".join,
)
def test_an_installed_command_is_called_with_its_options(site, arguments, expected):
    install(site)
    result = site.haconiwa(*arguments)
    options = json.loads(result.stdout)
    assert result.returncode == options["level"], result.stderr
    defaults = {"debug": False, "log_format": "console", "name": None, "format": "table", "command": []}
    assert options.items() >= ({**defaults, **expected}).items()


def test_its_errors_are_printed_as_ours(site):
    install(site)
    result = site.haconiwa("shine", "10")
    assert (result.returncode, result.stderr) == (125, "haconiwa: error: too bright\n")
    assert "Traceback" in site.haconiwa("shine", "10", "--debug").stderr
    assert "invalid int value" in site.haconiwa("shine", "x").stderr


def test_help_names_it_without_importing_it(site):
    install(site, source="raise RuntimeError('imported')")
    result = site.haconiwa("--help")
    assert result.returncode == 0
    assert re.search("shine +of haconiwa-lamp", result.stdout)
    assert all(f"  {verb} " in result.stdout for verb in OWN)


def test_its_own_help_is_its_modules(site):
    install(site)
    result = site.haconiwa("shine", "--help")
    assert result.returncode == 0
    assert result.stdout.startswith("usage: haconiwa shine ")
    assert "\nshine\n" in result.stdout


@pytest.mark.parametrize("verb", OWN)
def test_the_cores_own_verbs_cannot_be_taken(site, verb):
    install(site, source="raise RuntimeError('imported')", verb=verb)
    assert site.haconiwa(verb, "--help").returncode == 0
    assert "of haconiwa-lamp" not in site.haconiwa("--help").stdout


def test_two_distributions_that_claim_one_verb_are_both_refused_and_named(site):
    install(site)
    install(site, "other-lamp")
    result = site.haconiwa("shine", "3")
    assert result.returncode == 2
    assert "shine is provided by haconiwa-lamp and other-lamp; uninstall all but one" in result.stderr


BROKEN = {
    "raises": ("raise RuntimeError('boom')", "RuntimeError: boom"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "imports what is absent": ("import absent_thing", "No module named 'absent_thing'"),
    "is none": ("HELP = 'x'", "has no attribute 'configure'"),
}


@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_one_is_an_error_that_names_its_distribution(site, source, reason):
    install(site, source=source)
    result = site.haconiwa("shine", "3")
    assert result.returncode == 2
    assert "the command shine of haconiwa-lamp is broken: " in result.stderr
    assert reason in result.stderr
    assert "Traceback" not in result.stderr


UNKNOWN = [
    ("pln", """there is no command 'pln'; did you mean "plan"?"""),
    ("shin", """there is no command 'shin'; did you mean "shine"?"""),
    ("inspec", """there is no command 'inspec'; did you mean "inspect"?"""),
    ("frobnicate", "there is no command 'frobnicate'; see `haconiwa --help`"),
]


@pytest.mark.parametrize(("verb", "text"), UNKNOWN)
def test_the_nearest_verb_is_suggested(site, verb, text):
    install(site)
    result = site.haconiwa(verb, "--no-such-option")
    assert (result.returncode, result.stderr) == (2, f"haconiwa: error: {text}\n")


def test_an_absent_command_of_ours_names_its_distribution(monkeypatch):
    from haconiwa_core.cli import commands
    from haconiwa_core.errors import PluginError

    monkeypatch.setattr("sys.path", [])
    with pytest.raises(PluginError, match="the command ps is not installed; pip install haconiwa-runtime"):
        commands.find("ps")
