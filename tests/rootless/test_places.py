"""Where an ordinary user's files lie: in the folders of the XDG Base Directory Specification, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from rootless.conftest import HOME, RANGES, RUNTIME, UID, VARIABLES, Run, output

EVERYWHERE = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/home", "/var/lib", "/var/cache")
"""Where he could leave something, or somebody for him; his home is below /run."""


def his() -> Iterator[Path]:
    """Yield all files that belong to him."""
    for top in EVERYWHERE:
        for folder, folders, files in os.walk(top):
            for name in (*folders, *files):
                path = Path(folder, name)
                try:
                    if path.lstat().st_uid == UID:
                        yield path
                except FileNotFoundError:
                    continue


def test_what_he_does_leaves_files_there_only(user: Run) -> None:
    config, runtime = HOME / "config", RUNTIME / "haconiwa"
    before = set(his())
    variables = {**VARIABLES, "XDG_CONFIG_HOME": str(config)}
    commands = (
        ("plugins", "disable", "ns-time"),
        ("run", "-d", "--name", "box", *RANGES, "--with", "ns-pid", "--", "sleep", "1000"),
        ("exec", "box", "--", "true"),
        ("inspect", "box"),
        ("plan", "--", "true"),
        ("audit", "--with", "ns-user", "--", "true"),
        ("verify", "--with", "ns-user", "--", "true"),
        ("logs", "box"),
        ("rm", "--force", "box"),
        ("run", "-d", "--name", "kept", "--set", "supervision.restart=always", "--", "sleep", "1000"),
        ("rm", "--force", "kept"),
        ("run", "--name", "left", "--", "true"),
        ("doctor",),
        ("features",),
    )
    for command in commands:
        done = user(*command, env=variables)
        assert done.returncode in (0, 1), done.stderr
    made = set(his()) - before
    assert {config / "haconiwa/plugins.json", runtime / "left/record.json"} <= made
    assert [path for path in made if not {config, runtime} & {path, *path.parents}] == []


def test_the_folder_is_closed_to_others(user: Run) -> None:
    output(user("run", "--name", "closed", "--", "true"))
    status = (RUNTIME / "haconiwa").stat()
    assert (status.st_uid, status.st_mode & 0o777) == (UID, 0o700)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "XDG_RUNTIME_DIR is not set"),
        ("", "XDG_RUNTIME_DIR is not set"),
        ("user", "XDG_RUNTIME_DIR is not an absolute path"),
        ("/run/nowhere", "/run/nowhere"),
        ("/run/root", "/run/root"),
    ],
)
def test_a_place_that_cannot_be_used_is_an_error(value: str | None, message: str, user: Run) -> None:
    variables = {name: text for name, text in VARIABLES.items() if name != "XDG_RUNTIME_DIR"}
    if value is not None:
        variables["XDG_RUNTIME_DIR"] = value
    done = user("run", "--", "true", env=variables)
    assert done.returncode == 125
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_way_is_told(user: Run) -> None:
    done = user("run", "--", "true", without=("XDG_RUNTIME_DIR",))
    assert f"log in with a session, or: export XDG_RUNTIME_DIR=/run/user/{UID}" in done.stderr
