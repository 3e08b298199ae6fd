"""What `haconiwa doctor` tells an ordinary user of what he lacks."""

from __future__ import annotations

import json
from pathlib import Path

from rootless.conftest import COUNT, FIRST, NAME, VARIABLES, Run


def check(user: Run, name: str, **variables: str) -> dict[str, str]:
    done = user("doctor", "--format", "json", env={**VARIABLES, **variables})
    (found,) = (item for item in json.loads(done.stdout)["checks"] if item["name"] == name)
    return dict(found)


def test_his_ranges_are_tried(user: Run) -> None:
    found = check(user, "subordinate ids")
    assert found["state"] == "ok", found
    assert f"{COUNT} from {FIRST}" in found["meaning"]


def test_without_ranges_the_way_is_told(machine: Path, user: Run) -> None:
    given = (machine / "subgid").read_text()
    (machine / "subgid").write_text("")
    try:
        found = check(user, "subordinate ids")
    finally:
        (machine / "subgid").write_text(given)
    assert found["state"] == "degraded"
    assert found["remedy"].endswith(f"--add-subgids 100000-165535 {NAME}")


def test_without_the_helpers_the_way_is_told(user: Run) -> None:
    found = check(user, "subordinate ids", PATH="/nowhere")
    assert found["state"] == "degraded"
    assert "newuidmap" in found["meaning"]
    assert "apt-get install uidmap" in found["remedy"]
