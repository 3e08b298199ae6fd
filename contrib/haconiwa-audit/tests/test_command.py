"""The verb, as it is called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from haconiwa_core.testing import host

BARE = 'command = ["true"]\n'


def haconiwa(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-m", "haconiwa_core", *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd="/", env={**os.environ, **environment}
    )


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    file = tmp_path / "web.toml"
    file.write_text(BARE)
    return file


def reports(*arguments: str | Path) -> list[dict[str, object]]:
    result = haconiwa("audit", "--format", "json", *arguments)
    found: list[dict[str, object]] = json.loads(result.stdout)
    assert result.returncode == int(any(report["findings"] for report in found)), result.stderr
    return found


def codes(*arguments: str | Path) -> list[str]:
    (report,) = reports(*arguments)
    return [finding["code"] for finding in report["findings"]]


def test_findings_are_told(definition: Path) -> None:
    result = haconiwa("audit", definition)
    assert (result.returncode, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    place = lines.index("  HOST-NETWORK [ns-net]: the network is the host's")
    assert lines[place + 1].startswith("    why: services of the host ")
    assert lines[place + 2] == "    remedy: add ns-net"
    count = sum(line.startswith("    remedy: ") for line in lines)
    assert lines[0] == f"web: {count} findings"
    assert count == len(codes(definition))


def test_all_accepted(definition: Path) -> None:
    found = codes(definition)
    definition.write_text(f"{BARE}[audit]\naccept = {json.dumps(found[1:])}\n")
    result = haconiwa("audit", definition, "--accept", found[0])
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"web: no findings, {len(found)} accepted\n"
    assert codes(definition) == found[:1]
    (report,) = reports(definition)
    assert report == {**report, "accepted": found[1:], "stale": []}


def test_one_is_left(definition: Path) -> None:
    accepted = [word for code in codes(definition)[1:] for word in ("--accept", code)]
    result = haconiwa("audit", definition, *accepted)
    assert (result.returncode, result.stdout.splitlines()[0]) == (1, f"web: 1 finding, {len(accepted) // 2} accepted")


def test_what_is_accepted_for_nothing_is_told(definition: Path) -> None:
    definition.write_text(f'{BARE}[audit]\naccept = ["READ-ANY-FILE", "HOST-ROOT", "HOST-TOOR"]\n')
    result = haconiwa("audit", definition, "--accept", "HOST-PID", "--accept", "HOST-DIP")
    assert result.stderr.splitlines() == [
        "haconiwa: warning: web: accepts READ-ANY-FILE, but there is no such finding",
        "haconiwa: warning: web: accepts HOST-TOOR, but there is no such finding",
        "haconiwa: warning: --accept HOST-DIP: there is no such finding",
    ]
    (report,) = reports(definition)
    assert report["accepted"] == ["HOST-ROOT"]
    assert "HOST-TOOR" in report["stale"]


def test_several_containers(tmp_path: Path) -> None:
    file = tmp_path / "two.py"
    file.write_text(
        "from haconiwa_audit import Audit\nfrom haconiwa_core import Container\n"
        "a = Container('a', ['true'])\nb = Container('b', ['true'], [Audit(accept=['HOST-ROOT'])])\n"
    )
    first, second = reports(file)
    assert (first["container"], second["container"]) == ("a", "b")
    assert [finding["code"] for finding in first["findings"]][:1] == second["accepted"] == ["HOST-ROOT"]
    assert reports(file, "b") == [second]
    # On the command line it is enough that one of them has it.
    assert "--accept" not in haconiwa("audit", file, "--accept", "HOST-ROOT").stderr


def test_a_command_and_changes() -> None:
    assert "HOST-ROOT" in codes("--", "true")
    assert "HOST-ROOT" not in codes("--set", 'audit.accept=["HOST-ROOT"]', "--", "true")


def test_another_host(definition: Path, tmp_path: Path) -> None:
    facts = tmp_path / "host.json"
    facts.write_text(json.dumps(host(uid=1000, gid=1000, capabilities=0).to_json()))
    assert "ROOT-ON-HOST" not in codes(definition, "--host", facts)
    facts.write_text(json.dumps(host().to_json()))
    assert "ROOT-ON-HOST" in codes(definition, "--host", facts)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BARE + '[audit]\naccept = ["host"]\n', "audit.accept[0]: must be the code of a finding"),
        (BARE + "[audit]\naccepted = []\n", 'did you mean "accept"?'),
        (BARE + "[rootdir]\n", "no such feature"),
        ("command = 1\n", "command: must be a list of strings"),
    ],
)
def test_a_wrong_definition(definition: Path, text: str, told: str) -> None:
    definition.write_text(text)
    result = haconiwa("audit", definition)
    assert (result.returncode, result.stdout) == (2, "")
    assert told in result.stderr


def test_it_does_not_say_that_nothing_is_found_where_it_is_disabled(definition: Path) -> None:
    result = haconiwa("audit", definition, HACONIWA_DISABLE_PLUGINS="audit")
    assert (result.returncode, result.stdout) == (2, "")
    assert "plugin audit of haconiwa-audit is disabled" in result.stderr
