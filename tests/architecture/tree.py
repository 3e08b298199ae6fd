"""What the tests of the architecture know of the tree."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = ROOT / "haconiwa_core"
OUTSIDERS = ("haconiwa-keyring",)
"""Kept as a stranger would write them: what holds for the project's own distributions does not hold for these."""
PROJECTS = {
    file.parent: tomllib.loads(file.read_text())
    for file in sorted([*ROOT.glob("plugins/*/pyproject.toml"), *ROOT.glob("contrib/*/pyproject.toml")])
    if file.parent.name not in OUTSIDERS
}
CORE_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = sorted(file for file in CORE.rglob("*.py") if CORE / "testing" not in file.parents)


def features():
    """Return the project of each feature, by the feature's name."""
    return {
        name: project
        for project in PROJECTS.values()
        for name in project["project"].get("entry-points", {}).get("haconiwa.v1.features", {})
    }


def is_bundle(project):
    """Whether a distribution is there to bring others, which it may import."""
    return project.get("tool", {}).get("haconiwa", {}).get("bundle", False)


def built_on(project):
    """Return the distributions that one says it is built on."""
    return project.get("tool", {}).get("haconiwa", {}).get("built-on", [])


def parse(file):
    return ast.parse(file.read_text(), str(file))


def docstrings(tree):
    """Yield the expressions that only document: docstrings, and strings below an assignment."""
    for node in ast.walk(tree):
        body = getattr(node, "body", ())
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.value
