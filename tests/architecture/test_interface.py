"""The public interface changes on purpose only, and what changes is announced."""

import copy
import json
import re
import shutil

import pytest
from architecture.interface import GOLDEN, PACKAGES, PUBLIC, RELEASED, encoded, interface, unannounced
from architecture.tree import CORE, OUTSIDERS, PROJECTS, ROOT

PAGE = ROOT / "docs" / "reference" / "compatibility.md"
TAUGHT = ("README.md", "docs/*.md", "docs/[ehr]*/*.md", "[pc]*/*/README.md", "examples/*.py")
GUIDES = [file for pattern in TAUGHT for file in ROOT.glob(pattern)]


def fragments(root):
    return [file for changes in (root / "changes", *root.glob("[pc]*/*/changes")) for file in changes.glob("*.api.md")]


@pytest.fixture(scope="module")
def present():
    return interface(ROOT)


def test_the_file_says_what_the_interface_is(present):
    assert GOLDEN.read_text("utf-8") == encoded(present), "run: PYTHONPATH=tests python -m architecture.interface"


def test_what_differs_from_the_last_release_is_announced(present):
    """Each name that this shows belongs, between backticks, into a fragment `changes/NAME.api.md`."""
    assert unannounced(json.loads(RELEASED.read_text("utf-8")), present, fragments(ROOT)) == set()


def test_every_name_that_is_promised_is_there(present):
    assert [path for path in PUBLIC if not present["names"].get(path)] == []
    assert [path for path in PACKAGES if path not in present["names"]] == []


def test_the_page_lists_what_is_promised():
    rows = re.findall(r"^\| `(haconiwa_[\w.]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [*PUBLIC]


def imported(text, packages):
    """Yield what a text imports of packages, as qualified names."""
    for module, names in re.findall(
        r"^(?: *>>> )? *from (\w[\w.]*) import (\(.*?\)|.*?)$", text, re.MULTILINE | re.DOTALL
    ):
        if module.partition(".")[0] in packages:
            yield from (f"{module}.{name.split()[0]}" for name in names.strip("() ").split(",") if name.strip())


def test_what_is_taught_is_promised(present):
    """In the pages, the examples, and the plugin of a stranger."""
    sources = [file for name in OUTSIDERS for file in (ROOT / "contrib" / name).rglob("*.py")]
    packages = ("haconiwa_core", *PACKAGES)
    promised = {f"{path}.{name}" for path, names in present["names"].items() for name in names} | {*PUBLIC}
    taught = {name for file in (*GUIDES, *sources) for name in imported(file.read_text("utf-8"), packages)}
    assert "haconiwa_core.Feature" in taught
    assert taught - promised == set()


EDITS = [
    pytest.param(
        "plugins/haconiwa-rlimit/haconiwa_rlimit/__init__.py",
        "    nofile: Limit = option(",
        "    no_file: Limit = option(",
        {"haconiwa_rlimit.Rlimit"},
        id="another option",
    ),
    pytest.param(
        "haconiwa_core/linux/process.py",
        "def set_limit(resource: int, soft: int, hard: int)",
        "def set_limit(resource: int, soft: int, hard: int, again: bool = False)",
        {"haconiwa_core.linux.set_limit"},
        id="an argument more",
    ),
    pytest.param(
        "haconiwa_core/plugins/hookspecs.py",
        "def haconiwa_check(feature: Feature, plan: Plan) -> Iterable[Problem]",
        "def haconiwa_check(feature: Feature, plan: Plan) -> list[Problem]",
        {"haconiwa_check"},
        id="another annotation of a hook",
    ),
    pytest.param(
        "haconiwa_core/plugins/hookspecs.py",
        "def haconiwa_hooks(",
        "def haconiwa_more(",
        {"haconiwa_hooks", "haconiwa_more"},
        id="a hook",
    ),
    pytest.param(
        "haconiwa_core/stages.py",
        "    IDENTITY = 9",
        "    IDENTITY = 10",
        {"haconiwa_core.stages.Stage"},
        id="a stage's place",
    ),
    pytest.param(
        "haconiwa_core/errors.py",
        "EXIT_SETUP = 125",
        "EXIT_SETUP = 1",
        {"haconiwa_core.errors.EXIT_SETUP"},
        id="a status",
    ),
    pytest.param("haconiwa_core/__init__.py", '    "Step",\n', "", {"haconiwa_core.Step"}, id="a name less"),
    pytest.param(
        "haconiwa_core/facts.py",
        "    users: tuple[IdRange, ...]\n    groups: tuple[IdRange, ...]\n",
        "    groups: tuple[IdRange, ...]\n    users: tuple[IdRange, ...]\n",
        {"haconiwa_core.facts.IdMap"},
        id="another order",
    ),
    pytest.param(
        "haconiwa_core/feature.py",
        "class Source(NamedTuple)",
        "class Source",
        {"haconiwa_core.feature.Source"},
        id="a base",
    ),
    pytest.param(
        "haconiwa_core/launch/choice.py",
        'GROUP = f"haconiwa.{API}.launchers"',
        'GROUP = f"haconiwa.{API}.starters"',
        {"haconiwa.v1.launchers", "haconiwa.v1.starters"},
        id="a group",
    ),
    pytest.param(
        "haconiwa_core/finding.py",
        "    why: str\n",
        "    why: str\n\n    def _text(self): ...\n",
        set(),
        id="nothing public",
    ),
    pytest.param("haconiwa_core/finding.py", '"""What an audit', '"""What every audit', set(), id="a text"),
]


@pytest.mark.parametrize(("file", "old", "new", "names"), EDITS)
def test_a_change_is_noticed_until_it_is_announced(tmp_path, present, file, old, new, names):
    for package in (CORE, *(folder / folder.name.replace("-", "_") for folder in PROJECTS)):
        shutil.copytree(package, tmp_path / package.relative_to(ROOT), ignore=shutil.ignore_patterns("__pycache__"))
    edited = tmp_path / file
    text = edited.read_text()
    assert old in text
    edited.write_text(text.replace(old, new, 1))
    changed = interface(tmp_path)
    assert unannounced(present, changed, fragments(tmp_path)) == names
    announcement = "\n".join(f"`{name}` is not what it was." for name in sorted(names))
    changes = tmp_path / "plugins" / "haconiwa-rlimit" / "changes"
    changes.mkdir()
    (changes / "change.feature.md").write_text(announcement)
    (changes / "other.api.md").write_text("`haconiwa_core.linux.mask` is not what it was, nor is haconiwa_check.")
    assert unannounced(present, changed, fragments(tmp_path)) == names
    (changes / "change.api.md").write_text(announcement)
    assert unannounced(present, changed, fragments(tmp_path)) == set()


def test_a_class_that_moves_is_noticed(present):
    moved = copy.deepcopy(present)
    moved["names"]["haconiwa_core"]["Container"] = "haconiwa_core.elsewhere.Container"
    assert unannounced(present, moved, []) == {"haconiwa_core.Container"}
