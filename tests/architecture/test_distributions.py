"""The folders are the truth: names, the catalogue and the contracts follow them."""

import json

import pytest
from architecture.tree import CORE, CORE_PROJECT, PROJECTS, ROOT, built_on, features, is_bundle

from haconiwa_core.cli import commands, flags
from haconiwa_core.plugins.discovery import GROUP

CONTRACTS = {contract["id"]: contract for contract in CORE_PROJECT["tool"]["importlinter"]["contracts"]}
PACKAGES = sorted(project["project"]["name"].replace("-", "_") for project in PROJECTS.values())
FEATURES = {project["project"]["name"]: project for project in features().values()}
APART = sorted(
    name.replace("-", "_")
    for name, project in FEATURES.items()
    if not is_bundle(project) and not FEATURES.keys() & set(built_on(project))
)


def test_there_are_plugins():
    assert features()


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_one_name_everywhere(folder):
    project = PROJECTS[folder]
    name = project["project"]["name"]
    package = name.replace("-", "_")
    assert folder.name == name
    assert (folder / package / "py.typed").exists()
    assert (folder / "README.md").read_text().strip()
    assert list((folder / "tests").glob("test_*.py"))
    points = project["project"].get("entry-points", {}).get(GROUP, {})
    assert points in ({}, {name.removeprefix("haconiwa-"): f"{package}.plugin"})


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_a_distribution_needs_the_core_and_no_sibling(folder):
    """But bundles, and what is built on others that are no features, and says so."""
    project = PROJECTS[folder]
    needed = [requirement.partition(">")[0] for requirement in project["project"]["dependencies"]]
    core, *siblings = [name for name in needed if name.startswith("haconiwa-")]
    assert core == "haconiwa-core"
    assert is_bundle(project) or siblings == built_on(project)


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_all_are_released_together(folder):
    """Until 1.0 there is one version, and each needs the others of at least that minor version."""
    own, core = PROJECTS[folder]["project"], CORE_PROJECT["project"]
    same = ("version", "requires-python", "license", "license-files")
    assert {key: own[key] for key in same} == {key: core[key] for key in same}
    assert {*own["classifiers"]} <= {*core["classifiers"]}
    assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    minor = ".".join(core["version"].split(".")[:2])
    floors = [requirement for requirement in own["dependencies"] if requirement.startswith("haconiwa-")]
    assert all(requirement.endswith(f">={minor},<1") for requirement in floors)


def test_the_catalogue_says_what_the_plugins_say():
    expected = {
        name: {"distribution": project["project"]["name"], "provides": project["tool"]["haconiwa"]["provides"]}
        for name, project in features().items()
    }
    assert json.loads((CORE / "catalogue.json").read_text()) == expected


def test_the_commands_are_those_of_distributions_of_ours():
    names = {project["project"]["name"]: project["project"] for project in PROJECTS.values()}
    listed = json.loads((CORE / "commands.json").read_text())
    assert not set(listed) & set(commands.OWN)
    assert set(listed.values()) <= set(names)
    for name, project in names.items():
        verbs = project.get("entry-points", {}).get(commands.GROUP, {})
        assert {verb: listed.get(verb) for verb in verbs} == dict.fromkeys(verbs, name)


def test_the_flags_are_those_that_the_distributions_claim():
    claimed = {
        name: project["project"]["name"]
        for project in PROJECTS.values()
        for name in project["project"].get("entry-points", {}).get(flags.GROUP, {})
    }
    listed = json.loads((CORE / "flags.json").read_text())
    assert listed["provided"] == claimed
    assert not set(listed["refused"]) & {name.partition(".")[0] for name in claimed}


@pytest.mark.parametrize(
    ("listed", "where"),
    [
        (CORE_PROJECT["tool"]["importlinter"]["root_packages"][1:], "root_packages"),
        (CONTRACTS["core-without-plugins"]["forbidden_modules"], "core-without-plugins"),
        (CONTRACTS["plugins-apart"]["modules"], "plugins-apart"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_contracts_name_every_package(listed, where):
    assert listed == (APART if where == "plugins-apart" else PACKAGES)


def test_the_core_needs_only_pure_python():
    assert {requirement.partition(">")[0] for requirement in CORE_PROJECT["project"]["dependencies"]} == {
        "packaging",
        "pluggy",
        "stevedore",
        "structlog",
    }
