"""Plugins are found from metadata, loaded when they are used, and judged one by one."""

import json
import os
import subprocess
import sys

import pytest
from core.support import Sample, Site, plugins_of

from haconiwa_core.errors import PluginError
from haconiwa_core.plugins.hookspecs import hookimpl

PLUGIN = """
from dataclasses import dataclass
from typing import ClassVar
from haconiwa_core import Feature, Slot, Stage, Step, hookimpl, option
from haconiwa_core import linux

@dataclass(frozen=True, kw_only=True)
class Lamp(Feature):
    '''A light.'''
    section: ClassVar[str] = "lamp"
    stages: ClassVar = (Stage.LIMITS,)
    level: int = option(1, "how bright")

@hookimpl
def haconiwa_feature():
    return Lamp

@hookimpl
def haconiwa_steps(feature):
    yield Step(Stage.LIMITS, linux.set_file_mode_mask, feature.level)
"""


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


PLAN = ("plan", "--with", "lamp", "--", "true")


def test_an_installed_plugin_is_listed_and_used(site):
    site.install("haconiwa-lamp", PLUGIN)
    (row,) = site.listed()
    assert row == {
        "name": "lamp",
        "distribution": "haconiwa-lamp",
        "version": "1.0",
        "api": "v1",
        "state": "enabled",
        "reason": "",
        "location": str(site.folder),
        "installer": "",
        "editable": "",
        "stages": None,
    }
    (loaded,) = site.listed("--load")
    assert loaded == {**row, "stages": ["LIMITS"]}
    assert "set_file_mode_mask(1)" in site.haconiwa(*PLAN).stdout


def test_the_list_says_where_a_plugin_came_from(site):
    site.install("haconiwa-lamp", PLUGIN)
    metadata = site.folder / "haconiwa_lamp-1.0.dist-info"
    (metadata / "INSTALLER").write_text("pip\n")
    direct = {"url": "file:///home/me/my%20lamp", "dir_info": {}}
    for editable, place in ((False, str(site.folder)), (True, "/home/me/my lamp (editable)")):
        direct["dir_info"] = {"editable": editable}
        (metadata / "direct_url.json").write_text(json.dumps(direct))
        (line,) = [line for line in site.haconiwa("plugins", "list").stdout.splitlines() if line.startswith("lamp ")]
        assert line.endswith(f"  enabled  {place}")
        (row,) = site.listed()
        where = (str(site.folder), "pip", "/home/me/my lamp" if editable else "")
        assert (row["location"], row["installer"], row["editable"]) == where


def test_listing_imports_no_plugin(site):
    site.install("haconiwa-lamp", "raise RuntimeError('imported')")
    assert [row["state"] for row in site.listed()] == ["enabled"]


def test_show_explains_the_options(site):
    site.install("haconiwa-lamp", PLUGIN)
    text = site.haconiwa("plugins", "show", "lamp").stdout
    assert text.startswith("lamp: A light.\ndistribution haconiwa-lamp 1.0, api v1, enabled\nstages LIMITS\n")
    assert "how bright" in text
    data = json.loads(site.haconiwa("plugins", "show", "lamp", "--format", "json").stdout)
    assert data["options"] == [{"name": "level", "type": "an integer", "default": "1", "help": "how bright"}]


@pytest.mark.parametrize(
    ("source", "disabled", "state", "reason"),
    [
        ("raise RuntimeError('boom')", "", "broken", "RuntimeError: boom"),
        (PLUGIN, "lamp", "disabled", "disabled by $HACONIWA_DISABLE_PLUGINS"),
    ],
    ids=["broken", "disabled"],
)
def test_show_tells_why_a_plugin_is_not_used(site, source, disabled, state, reason):
    site.install("haconiwa-lamp", source)
    site.environment["HACONIWA_DISABLE_PLUGINS"] = disabled
    shown = site.haconiwa("plugins", "show", "lamp")
    assert shown.returncode == 0
    assert "distribution haconiwa-lamp 1.0, api v1, " + state in shown.stdout
    assert reason in shown.stdout
    data = json.loads(site.haconiwa("plugins", "show", "lamp", "--format", "json").stdout)
    assert (data["state"], data["options"], data["stages"]) == (state, None, None)
    assert reason in data["reason"]


BROKEN = {
    "raises": ("raise RuntimeError('boom')", "RuntimeError: boom"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "no Python": ("def (", "SyntaxError"),
    "imports what is absent": ("import absent_thing", "No module named 'absent_thing'"),
    "its hook raises": (PLUGIN.replace("return Lamp", "raise AssertionError('boom')"), "AssertionError: boom"),
    "its hook exits": (PLUGIN.replace("return Lamp", "raise SystemExit(3)"), "SystemExit: 3"),
    "asserts what is false": ("raise AssertionError('boom')", "AssertionError: boom"),
    "no hooks": ("", "does not implement haconiwa_feature"),
    "a misspelt hook": (f"{PLUGIN}\n@hookimpl\ndef haconiwa_stepz(feature): pass\n", "haconiwa_stepz"),
    "an unknown argument": (f"{PLUGIN}\n@hookimpl\ndef haconiwa_facts(featur): pass\n", "featur"),
    "another section": (PLUGIN.replace('"lamp"', '"lump"'), 'its feature Lamp has the section "lump"'),
    "an order of its own": (
        PLUGIN.replace("@hookimpl\ndef haconiwa_steps", "@hookimpl(tryfirst=True)\ndef haconiwa_steps"),
        "haconiwa_steps asks for an order of its own",
    ),
}


@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_says_why_and_stops_what_uses_it_alone(site, source, reason):
    site.install("haconiwa-lamp", source)
    (row,) = site.listed("--load")
    assert row["state"] == "broken"
    assert reason in row["reason"]
    used = site.haconiwa(*PLAN)
    assert used.returncode == 2
    assert "plugin lamp is broken: " in used.stderr
    assert reason in used.stderr
    assert "Traceback" not in used.stderr
    assert site.haconiwa("plan", "--", "true").returncode == 0


@pytest.mark.parametrize("option", ["tryfirst", "trylast", "wrapper", "hookwrapper"])
def test_no_plugin_orders_its_own_calls(option):
    @hookimpl(**{option: True})
    def haconiwa_steps(feature, planning):
        yield

    sample = Sample("sample", hooks={"haconiwa_steps": haconiwa_steps})
    plugins = plugins_of(sample)
    for _ in range(2):
        with pytest.raises(PluginError, match="asks for an order of its own"):
            plugins.feature_class("sample")


def test_a_broken_plugin_stays_broken_when_it_is_asked_for_again():
    @hookimpl
    def haconiwa_unheard_of():
        pass

    plugins = plugins_of(Sample("sample", hooks={"haconiwa_unheard_of": haconiwa_unheard_of}), Sample("other"))
    for _ in range(2):
        with pytest.raises(PluginError, match="haconiwa_unheard_of"):
            plugins.feature_class("sample")
    assert plugins.feature_class("other")


def test_a_broken_plugin_hides_no_other(site):
    site.install("haconiwa-lamp", PLUGIN)
    for name, source in (("a", "assert not 'true'"), ("b", "import sys; sys.exit(3)"), ("z", "import absent_thing")):
        site.install(f"haconiwa-{name}", source, name=name)
        (broken,) = site.listed("--load", name=name)
        assert broken["state"] == "broken"
    (row,) = site.listed("--load")
    assert (row["state"], row["stages"]) == ("enabled", ["LIMITS"])


def test_an_older_interface_is_incompatible(site):
    site.install("haconiwa-lamp", PLUGIN, api="v0")
    (row,) = site.listed("--load")
    assert (row["state"], row["reason"]) == ("incompatible", "made for v0, this core offers v1")
    assert "plugin lamp of haconiwa-lamp is incompatible: made for v0" in site.haconiwa(*PLAN).stderr


def test_two_distributions_of_one_name_are_both_refused_and_named(site):
    site.install("haconiwa-lamp", PLUGIN)
    site.install("other-lamp", PLUGIN)
    rows = site.listed()
    assert [row["state"] for row in rows] == ["ambiguous", "ambiguous"]
    assert {row["reason"] for row in rows} == {"provided by haconiwa-lamp and other-lamp; uninstall all but one"}
    assert site.haconiwa(*PLAN).returncode == 2


def test_one_of_each_interface_is_not_ambiguous(site):
    site.install("haconiwa-lamp", PLUGIN)
    site.install("old-lamp", PLUGIN, api="v0")
    assert [row["state"] for row in site.listed()] == ["enabled", "incompatible"]
    assert site.haconiwa(*PLAN).returncode == 0


def test_disabling_lasts_until_it_is_enabled_again(site):
    site.install("haconiwa-lamp", PLUGIN)
    result = site.session(
        "haconiwa plugins disable lamp; haconiwa plugins list | grep lamp;"
        f"haconiwa {' '.join(PLAN)} || echo refused $?;"
        "haconiwa plugins enable lamp; haconiwa plugins list | grep lamp;"
        f"haconiwa {' '.join(PLAN)} | grep -c set_file_mode_mask"
    )
    assert result.returncode == 0, result.stderr
    off, disabled, refused, on, enabled, used = result.stdout.splitlines()
    assert off.startswith("lamp disabled in /")
    assert f"disabled (disabled by {off.rpartition(' ')[2]})" in disabled
    assert refused == "refused 2"
    assert "is disabled: disabled by" in result.stderr
    assert "haconiwa plugins enable lamp" in result.stderr
    assert on.startswith("lamp enabled in /")
    assert enabled.split()[-2:] == ["enabled", str(site.folder)]
    assert used == "1"


def test_what_is_not_installed_cannot_be_disabled_or_shown(site):
    for action in ("disable", "show"):
        result = site.haconiwa("plugins", action, "absent")
        assert result.returncode == 2
        assert "no plugin named absent is installed" in result.stderr


def test_the_environment_disables_too(site):
    site.install("haconiwa-lamp", PLUGIN)
    site.environment["HACONIWA_DISABLE_PLUGINS"] = "other, lamp"
    (row,) = site.listed()
    assert (row["state"], row["reason"]) == ("disabled", "disabled by $HACONIWA_DISABLE_PLUGINS")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"disabled": 3}', '{"disabled": [3]}'])
def test_damaged_settings_stop_everything(site, content):
    site.install("haconiwa-lamp", PLUGIN)
    result = site.session(
        "file=$(haconiwa plugins disable lamp | sed 's/.* in //');"
        f"printf %s '{content}' >\"$file\"; haconiwa plan -- true"
    )
    assert result.returncode == 2
    assert "cannot tell which plugins are disabled" in result.stderr


UNKNOWN = [("ns-pidd", 'no such feature; did you mean "ns-pid"?'), ("zzzzzz", "see `haconiwa plugins list`")]


@pytest.mark.parametrize(("name", "text"), UNKNOWN)
def test_a_stranger_is_never_recommended(name, text):
    with pytest.raises(PluginError) as caught:
        plugins_of().feature_class(name)
    assert text in str(caught.value)
    assert "pip install" not in str(caught.value)


def test_an_absent_plugin_of_ours_names_its_distribution():
    with pytest.raises(PluginError, match="no installed plugin provides this feature; pip install haconiwa-ns-pid"):
        plugins_of().feature_class("ns-pid")


def test_a_cache_of_the_users_decides_nothing(site):
    """stevedore would read entry points from a file below the home directory."""
    site.install("haconiwa-lamp", PLUGIN)
    site.environment |= {"HOME": str(site.folder), "XDG_CACHE_HOME": str(site.folder)}
    assert [row["state"] for row in site.listed("--load")] == ["enabled"]
    assert not list(site.folder.rglob("*entry*points*json"))
    assert not (site.folder / "python-entrypoints").exists()


def test_only_looking_at_all_plugins_needs_stevedore(site):
    site.install("haconiwa-lamp", PLUGIN)
    program = """
import sys
from haconiwa_core.plugins.loading import Plugins
plugins = Plugins()
plugins.feature_class("lamp")
before = "stevedore" in sys.modules
from haconiwa_core.plugins.survey import survey
print(before, "lamp" in survey(plugins), "stevedore" in sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(site.folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "False True True\n"
