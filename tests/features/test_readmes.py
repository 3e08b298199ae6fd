"""The examples of every plugin's README: its three forms mean one container."""

import re
import shlex
from pathlib import Path

import pytest
from haconiwa_rootfs.store.roots import VARIABLE
from haconiwa_rootfs.testing import keep_root_without_content

from haconiwa_core.container import Container
from haconiwa_core.definition.overrides import Overrides
from haconiwa_core.definition.reading import read
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.discovery import installed
from haconiwa_core.testing import all_plugins, host, readme_of

DISTRIBUTIONS = [plugin.entry_point.distribution for plugin in installed()]


def block(readme: str, language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    return text


def from_command_line(text: str) -> Container:
    words = shlex.split(text.replace("\\\n", ""))
    assert words[:2] == ["haconiwa", "run"]
    cut = words.index("--")
    options = list(zip(words[2:cut:2], words[3:cut:2], strict=True))
    overrides = Overrides(
        enabled=[value for name, value in options if name == "--with"],
        settings=[value for name, value in options if name == "--set"],
    )
    assert {name for name, _ in options} <= {"--with", "--set"}
    return overrides.apply(Container("web", command=words[cut + 1 :]), all_plugins())


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_three_forms_of_one_container(distribution: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "roots"))
    readme = readme_of(distribution)
    (tmp_path / "web.py").write_text(block(readme, "python"))
    (tmp_path / "web.toml").write_text(block(readme, "toml"))
    (python,) = read(str(tmp_path / "web.py"), all_plugins())
    (toml,) = read(str(tmp_path / "web.toml"), all_plugins())
    line = from_command_line(block(readme, "sh"))
    keep_root_without_content(toml)
    plans = [plan(container, host(), all_plugins()).to_json() for container in (python, toml, line)]
    assert plans[0] == plans[1] == plans[2]
    section = distribution.removeprefix("haconiwa-")
    assert python.feature(section) == toml.feature(section) == line.feature(section)
