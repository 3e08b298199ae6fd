"""What importing the core costs, and that no module depends on what was imported before it."""

import subprocess
import sys
from pathlib import Path

import pytest

import haconiwa_core

PACKAGE = Path(haconiwa_core.__file__).parent
MODULES = sorted(
    ".".join(("haconiwa_core", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
    if file.name != "__main__.py" and "testing" not in file.parts
)
HEAVY = {"pluggy", "stevedore", "structlog", "asyncio", "importlib.metadata"}


def run(program, *arguments):
    """Run a program in a fresh, isolated interpreter and return what it prints."""
    command = [sys.executable, "-I", "-c", program, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("module", MODULES)
def test_any_module_can_be_imported_first(module):
    run(f"import {module}")


@pytest.mark.parametrize("name", haconiwa_core.__all__)
def test_each_public_name_can_be_imported_first(name):
    run(f"from haconiwa_core import {name}")


def imported_by(program):
    return set(run(f"import sys\n{program}\nprint('\\nMODULES', *sys.modules)").rpartition("MODULES")[2].split())


def test_the_package_imports_nothing_of_its_own():
    imported = imported_by("import haconiwa_core")
    assert not imported & HEAVY
    assert [name for name in imported if name.startswith("haconiwa")] == ["haconiwa_core"]


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["version"], ["plugins", "list"]])
def test_asking_for_information_is_cheap(arguments):
    program = f"from haconiwa_core.cli.main import main\ntry: main({arguments})\nexcept SystemExit: pass"
    imported = imported_by(program)
    allowed = {"importlib.metadata"} if "--help" not in arguments else set()
    assert not imported & (HEAVY - allowed)
    assert not [name for name in imported if name.startswith("haconiwa_") and not name.startswith("haconiwa_core")]


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'Contaner'"):
        _ = haconiwa_core.Contaner


def test_public_names_are_listed():
    assert set(haconiwa_core.__all__) <= set(dir(haconiwa_core))
