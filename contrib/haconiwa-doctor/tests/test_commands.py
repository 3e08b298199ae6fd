"""The two verbs, as they are called."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from haconiwa_core.testing import haconiwa_command, readme_of


def haconiwa(*arguments: str, site: tuple[Path, ...] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*haconiwa_command(*site), *arguments]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd="/", env={**os.environ, **environment}
    )


def data_of(*arguments: str, **more: Any) -> dict[str, Any]:
    done = haconiwa(*arguments, "--format", "json", **more)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.stderr == ""
    return found


def test_doctor_for_programs() -> None:
    found = data_of("doctor")
    assert set(found) == {"apiVersion", "ok", "checks"}
    assert found["apiVersion"] == "haconiwa/v1"
    for check in found["checks"]:
        assert set(check) == {"group", "name", "state", "meaning", "remedy", "essential"}
    missing = [check for check in found["checks"] if check["essential"] and check["state"] == "missing"]
    assert found["ok"] == (not missing)
    assert haconiwa("doctor").returncode == int(bool(missing))


def test_doctor_for_people_says_the_same() -> None:
    lines = haconiwa("doctor").stdout.splitlines()
    assert lines[0].split() == ["GROUP", "CHECK", "STATE", "MEANING"]
    for check in data_of("doctor")["checks"]:
        assert any(line.startswith(check["group"]) and f"  {check['name']}  " in line for line in lines), check
    told = [check["remedy"] for check in data_of("doctor")["checks"] if check["remedy"]]
    shown = [line.split(maxsplit=1)[1] for line in lines if line.split()[0] == "remedy"]
    assert shown == told


BROKEN = "[haconiwa.v1.features]\nlamp = haconiwa_lamp.plugin\n[haconiwa.v1.launchers]\ncannon = haconiwa_lamp:Cannon\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a plugin that cannot be imported, and a launcher."""
    metadata = tmp_path / "haconiwa_lamp-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: haconiwa-lamp\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text(BROKEN)
    package = tmp_path / "haconiwa_lamp"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text("import bulbs_that_nobody_has\n")
    return tmp_path


def test_a_broken_plugin_is_told_by_both(site: Path) -> None:
    (told,) = [check for check in data_of("doctor", site=(site,))["checks"] if check["name"] == "plugin lamp"]
    assert told["state"] == "degraded"
    assert "bulbs_that_nobody_has" in told["meaning"]
    assert "haconiwa-lamp" in told["remedy"]
    features = {feature["name"]: feature for feature in data_of("features", site=(site,))["features"]}
    lamp = features["lamp"]
    assert (lamp["state"], lamp["version"], lamp["options"]) == ("broken", "1.5", None)
    assert "bulbs_that_nobody_has" in lamp["reason"]


def test_a_plugin_that_others_can_write(site: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, who alone refuses it")
    (site / "haconiwa_lamp" / "plugin.py").write_text("")
    (site / "haconiwa_lamp" / "plugin.py").chmod(0o666)
    (told,) = [check for check in data_of("doctor", site=(site,))["checks"] if check["name"] == "plugin lamp"]
    assert "can be written by others (mode 0666)" in told["meaning"]
    assert "chown it to root" in told["meaning"]


def test_the_distribution_of_another_project(site: Path) -> None:
    metadata = site / "haconiwa-0.6.3.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: haconiwa\nVersion: 0.6.3\n")
    names = {check["name"]: check for check in data_of("doctor", site=(site,))["checks"]}
    assert "another project's" in names["distribution haconiwa"]["meaning"]
    assert "distribution haconiwa" not in {check["name"] for check in data_of("doctor")["checks"]}


def test_features_for_programs(site: Path) -> None:
    known = data_of("features")
    assert (known["apiVersion"], known["pluginInterface"]) == ("haconiwa/v1", "v1")
    assert known["stages"][0] == {"name": "PREPARE", "process": "host"}
    assert known["stages"][-1] == {"name": "EXEC", "process": "container"}
    assert {"haconiwa_feature", "haconiwa_diagnose"} <= set(known["hooks"])
    assert {"after_start", "teardown"} <= set(known["events"])
    assert {"exited", "signaled"} <= set(known["reasons"])
    assert {"clone3", "openat2"} <= set(known["systemCalls"])
    assert "CAP_SYS_ADMIN" in known["capabilities"]
    assert {"run", "doctor", "features", "plugins list"} <= set(known["commands"])
    assert known["exitStatuses"]["EXIT_NOT_FOUND"] == 127
    assert "cannon" not in known["launchers"]
    assert "cannon" in data_of("features", site=(site,))["launchers"]


def test_features_for_people() -> None:
    lines = haconiwa("features").stdout.splitlines()
    assert lines[0].split() == ["FEATURE", "STATE", "STAGES", "OPTIONS"]
    assert any(line.startswith("stages ") and line.endswith(" EXEC") for line in lines)


def test_the_readme_does_what_it_shows() -> None:
    (block,) = re.findall(r"^```console\n(.*?)^```$", readme_of("haconiwa-doctor"), re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^\$ haconiwa (\S+) --format json \| grep (\S+)\n(.*)$", block, re.MULTILINE)
    assert len(commands) == 2
    for verb, word, line in commands:
        shown = haconiwa(verb, "--format", "json").stdout.splitlines()
        assert [each for each in shown if word.strip("'\"") in each][:1] == [line]
