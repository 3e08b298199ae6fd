"""What is made, and that nothing is left when it is not."""

import ast
import tomllib
from pathlib import Path

import pytest
from haconiwa_new.rendering import KINDS, TEMPLATE, render

from haconiwa_core.errors import HaconiwaError, PluginError

ALWAYS = {
    *(".copier-answers.yml", ".gitignore", "CONTRIBUTING.md", "LICENSE", "README.md"),
    *("changes/.gitignore", "changes/first-release.feature.md"),
    *("haconiwa_slow_lamp/__init__.py", "haconiwa_slow_lamp/py.typed", "pyproject.toml"),
}
OF_KIND = {
    "feature": {"kernel.py", "plugin.py", "test_conformance.py", "test_plan.py", "test_real.py"},
    "controller": {"controller.py", "test_controller.py"},
    "hooks": {"conftest.py", "test_hooks.py"},
    "findings": {"plugin.py", "test_conformance.py", "test_findings.py", "test_real.py"},
    "command": {"command.py", "test_command.py"},
    "observer": {"observer.py", "conftest.py", "test_observer.py"},
    "profile": {"plugin.py", "test_conformance.py", "test_plan.py", "test_real.py"},
}
WORKFLOW = ".github/workflows/test.yml"


def make(folder: Path, *answers: str) -> Path:
    render("slow-lamp", str(folder), answers, template=None, defaults=True)
    return folder


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def expected(*names: str) -> set[str]:
    places = ("tests" if name.startswith(("test_", "conftest")) else "haconiwa_slow_lamp" for name in names)
    return {f"{place}/{name}" for place, name in zip(places, names, strict=True)}


def test_every_kind_is_known() -> None:
    assert set(OF_KIND) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_what_it_needs_and_nothing_else(kind: str, tmp_path: Path) -> None:
    made = make(tmp_path / "made", f"kind={kind}")
    assert files_of(made) == {*ALWAYS, WORKFLOW, *expected(*OF_KIND[kind])}
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_template_is_left(kind: str, tmp_path: Path) -> None:
    made = make(tmp_path / "made", f"kind={kind}", "host_step=yes")
    for path in map(made.joinpath, files_of(made)):
        text = path.read_text("utf-8")
        assert "jinja" not in path.name
        assert "{%" not in text
        # A workflow has braces of its own.
        assert "{{" not in text or path.match(WORKFLOW) or path.suffix == ".py"
        assert "\n\n\n\n" not in text
        assert text == "" or (text.endswith("\n") and not text.endswith("\n\n")), path
        if path.suffix == ".py":
            assert ast.get_docstring(ast.parse(text)), path


OTHERS = [
    ("ci=gitlab", {WORKFLOW}, {".gitlab-ci.yml"}),
    ("ci=none", {WORKFLOW}, set()),
    ("licence=none", {"LICENSE"}, set()),
    ("host_step=yes", set(), {"haconiwa_slow_lamp/steps.py"}),
]


@pytest.mark.parametrize(("answer", "without", "more"), OTHERS)
def test_answers_decide_about_files(answer: str, without: set[str], more: set[str], tmp_path: Path) -> None:
    usual = files_of(make(tmp_path / "usual"))
    assert files_of(make(tmp_path / "other", answer)) == usual - without | more


def test_the_answers_are_used_and_kept(tmp_path: Path) -> None:
    made = make(tmp_path / "made", "description=a lamp that is slow", "author=Ada L\u00f6velace", "kind=profile")
    project = tomllib.loads((made / "pyproject.toml").read_text())["project"]
    assert project["name"] == "haconiwa-slow-lamp"
    assert project["description"] == "Haconiwa profile: a lamp that is slow"
    assert project["authors"] == [{"name": "Ada L\u00f6velace"}]
    assert project["entry-points"] == {"haconiwa.v1.features": {"slow-lamp": "haconiwa_slow_lamp.plugin"}}
    kept = (made / ".copier-answers.yml").read_text().splitlines()
    assert {"kind: profile", "name: slow-lamp", "description: a lamp that is slow", "ci: github"} <= set(kept)
    assert f"_src_path: {TEMPLATE}" in kept


WRONG = {
    "kind=lamp": "Invalid choice for 'kind'",
    "ci=jenkins": "Invalid choice for 'ci'",
    "host_step=maybe": "Invalid choice for 'host_step'",
    "licence=mine": "Invalid choice for 'licence'",
    'description=a "lamp"': "must be one line of 1 to 80 characters",
    "description=": "must be one line of 1 to 80 characters",
    "author=a\nb": "must be a name of 1 to 80 characters",
    "colour=red": "the template does not ask for colour; it asks for name, kind, description, ",
    "package=os": "the template does not ask for package; it asks for name, kind, description, ",
    "kind": "--data takes KEY=VALUE, not 'kind'",
    "=kind": "--data takes KEY=VALUE, not ''",
}


@pytest.mark.parametrize(("answer", "text"), WRONG.items(), ids=WRONG)
def test_a_wrong_answer_is_told_and_leaves_nothing(answer: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError) as caught:
        make(tmp_path / "made", answer)
    assert text in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    make(tmp_path / "made")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").write_text("mine")
    with pytest.raises(PluginError, match="other is not empty"):
        make(tmp_path / "other")
    assert files_of(tmp_path / "other") == {"mine"}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(HaconiwaError, match="missing/made: cannot be made"):
        make(tmp_path / "missing" / "made")
    (tmp_path / "file").touch()
    with pytest.raises(HaconiwaError, match="file: cannot be made"):
        make(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_template_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(HaconiwaError, match="cannot be rendered"):
        render("slow-lamp", str(tmp_path / "made"), [], template=str(tmp_path / "none"), defaults=True)
    assert list(tmp_path.iterdir()) == []


def test_a_template_that_runs_programs_is_refused(tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.mkdir()
    (template / "copier.yml").write_text(f"_tasks: ['touch {tmp_path}/run']\nname: {{ type: str }}\nkind: x\n")
    with pytest.raises(HaconiwaError, match="unsafe"):
        render("slow-lamp", str(tmp_path / "made"), [], template=str(template), defaults=True)
    assert [path.name for path in tmp_path.iterdir()] == ["template"]
