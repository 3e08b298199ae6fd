"""Verbs: the core's own, and those that other distributions have installed."""

import json
import re

import pytest
from core.support import Site

from haconiwa_core.cli.commands import OWN, OWN_ACTIONS, find
from haconiwa_core.cli.main import command_parser

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
    ("shine.brightly", "there is no command 'shine.brightly'; see `haconiwa --help`"),
    ("plugins.polish", """there is no command 'plugins.polish'; did you mean "plugins"?"""),
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


def test_an_action_of_plugins_is_called_with_its_options(site):
    install(site, verb="plugins.polish")
    result = site.haconiwa("--debug", "plugins", "polish", "3", "--log-format", "json", "--name", "a", "--", "b")
    assert result.returncode == 3, result.stderr
    given = {"level": 3, "debug": True, "log_format": "json", "name": ["a"], "format": "table", "command": ["b"]}
    assert json.loads(result.stdout).items() >= given.items()


def test_an_action_of_plugins_has_a_help_of_its_own(site):
    install(site, verb="plugins.polish")
    result = site.haconiwa("plugins", "polish", "--help")
    assert result.returncode == 0
    assert result.stdout.startswith("usage: haconiwa plugins polish ")


def test_help_of_plugins_names_its_actions_without_importing_them(site):
    install(site, source="raise RuntimeError('imported')", verb="plugins.polish")
    result = site.haconiwa("plugins", "--help")
    assert result.returncode == 0
    assert re.search("^  polish +of haconiwa-lamp$", result.stdout, re.MULTILINE)
    assert "polish" not in site.haconiwa("--help").stdout
    assert site.haconiwa("plugins", "list").returncode == 0


@pytest.mark.parametrize("action", OWN_ACTIONS)
def test_the_cores_own_actions_cannot_be_taken(site, action):
    install(site, source="raise RuntimeError('imported')", verb=action.replace(" ", "."))
    assert site.haconiwa(*action.split(), "--help").returncode == 0
    assert "of haconiwa-lamp" not in site.haconiwa("plugins", "--help").stdout


def test_the_cores_own_actions_are_all_that_its_parser_has():
    parser = command_parser("plugins", find("plugins"))
    (actions,) = (action for action in parser._actions if action.dest == "action")
    assert tuple(f"plugins {action}" for action in actions.choices) == OWN_ACTIONS


def test_an_action_that_two_distributions_provide_is_refused(site):
    install(site, verb="plugins.polish")
    install(site, "other-lamp", verb="plugins.polish")
    result = site.haconiwa("plugins", "polish", "3")
    assert result.returncode == 2
    assert "plugins polish is provided by haconiwa-lamp and other-lamp; uninstall all but one" in result.stderr


def test_a_broken_action_is_an_error_that_names_its_distribution(site):
    install(site, source="raise RuntimeError('boom')", verb="plugins.polish")
    result = site.haconiwa("plugins", "polish", "3")
    assert result.returncode == 2
    assert "the command plugins polish of haconiwa-lamp is broken: RuntimeError: boom" in result.stderr


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("lst", """there is no command 'plugins lst'; did you mean "list"?"""),
        ("polsh", """there is no command 'plugins polsh'; did you mean "polish"?"""),
        ("frobnicate", "there is no command 'plugins frobnicate'; see `haconiwa plugins --help`"),
        ("shine", "there is no command 'plugins shine'; see `haconiwa plugins --help`"),
    ],
)
def test_the_nearest_action_is_suggested(site, action, text):
    install(site, verb="plugins.polish")
    install(site, "haconiwa-sun")
    result = site.haconiwa("plugins", action, "--no-such-option")
    assert (result.returncode, result.stderr) == (2, f"haconiwa: error: {text}\n")


def test_an_absent_action_of_ours_names_its_distribution(monkeypatch):
    from haconiwa_core.cli import commands
    from haconiwa_core.errors import PluginError

    monkeypatch.setattr("sys.path", [])
    with pytest.raises(PluginError, match="the command plugins new is not installed; pip install haconiwa-new"):
        commands.find("plugins new")
