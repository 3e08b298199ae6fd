"""Which names a plugin can have."""

import pytest
from haconiwa_new.names import check_name
from haconiwa_new.rendering import render

from haconiwa_core.cli.commands import OWN
from haconiwa_core.errors import PluginError
from haconiwa_core.plugins.catalogue import command_distributions, known_names


@pytest.mark.parametrize("name", ["x", "timer-slack", "a1-2-b", "a" * 30])
def test_good_names(name: str, tmp_path) -> None:
    check_name(name)
    render(name, str(tmp_path / name), [], template=None, defaults=True)
    assert (tmp_path / name / f"haconiwa_{name.replace('-', '_')}" / "plugin.py").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        *((name, "lower-case letters and digits") for name in ("", "Slack", "1st", "a_b", "a--b", "-a", "a-", "a.b")),
        *((name, "lower-case letters and digits") for name in ("a b", "a\n", "\u00e4", "../a", "/a", "{{ 1 }}")),
        ("a" * 31, "must have at most 30 characters"),
        ("haconiwa-slack", 'must not begin with "haconiwa-"'),
        *((name, "the class of that name is one of Haconiwa's") for name in ("feature", "step", "range")),
    ],
    ids=ascii,
)
def test_wrong_names(name: str, reason: str, tmp_path) -> None:
    with pytest.raises(PluginError, match=reason):
        render(name, str(tmp_path / "made"), [], template=None, defaults=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", known_names())
def test_the_catalogues_are_taken(name: str) -> None:
    with pytest.raises(PluginError, match=f"the name {name} is taken: it belongs to haconiwa-{name}; choose"):
        check_name(name)


@pytest.mark.parametrize("verb", [*OWN, *command_distributions()])
def test_verbs_are_taken(verb: str) -> None:
    with pytest.raises(PluginError, match="is taken"):
        check_name(verb)


@pytest.mark.parametrize("name", ["core", "new"])
def test_what_is_installed_is_taken(name: str) -> None:
    with pytest.raises(PluginError, match=f"belongs to haconiwa-{name}"):
        check_name(name)


@pytest.mark.parametrize("kind", ["features", "controllers", "commands", "observers"])
def test_entry_points_of_others_are_taken(kind: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_name("lamp")
    information = tmp_path / "other_lamp-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: other-lamp\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[haconiwa.v1.{kind}]\nlamp = other_lamp\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match="the name lamp is taken: it belongs to other-lamp"):
        check_name("lamp")
