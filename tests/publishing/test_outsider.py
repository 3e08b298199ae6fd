"""A plugin of somebody else's, from its build to its removal, with containers running meanwhile."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path

import pytest
from documentation.pages import BLOCK
from publishing.local_index import TREE, Index, Place, build

from haconiwa_core.testing import needs_program, needs_root

KEYRING = TREE / "contrib" / "haconiwa-keyring"
PAGE = TREE / "docs" / "howto" / "publish.md"
PATIENCE = 60
SECRET = "hunter2"

WEB = """\
name = "web"
command = ["sleep", "600"]

[keyring]
name = "{name}"
keys = [{{ description = "{name}:password", file = "password" }}]

[cgroup]
pids = 20
"""

pytestmark = [needs_root, needs_program("patch")]


def edition(folder: Path, version: str, *changes: tuple[str, str, str]) -> Path:
    """Return a copy of the plugin with another version and these changes: a file, what is in it, and what shall be."""
    copied = shutil.copytree(KEYRING, folder / version, ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in (("pyproject.toml", 'version = "0.1.0"', f'version = "{version}"'), *changes):
        text = (copied / file).read_text("utf-8")
        assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
        (copied / file).write_text(text.replace(old, new), "utf-8")
    return copied


@pytest.fixture(scope="session")
def next_version(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The version of the tutorial's end, with one option more, in an index of its own; return the folder."""
    folder = tmp_path_factory.mktemp("next")
    copied = edition(folder, "0.1.0")
    (patch,) = (block["text"] for block in BLOCK.finditer(PAGE.read_text("utf-8")) if block["file"] == "timeout.patch")
    subprocess.run(["patch", "--quiet", "--strip=1"], cwd=copied, input=patch, text=True, check=True)
    return str(build(copied, folder).parent)


@pytest.fixture(scope="session")
def first_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(KEYRING, tmp_path_factory.mktemp("first"))


@pytest.fixture
def place(index: Index, first_version: Path, tmp_path: Path) -> Place:
    return Place(tmp_path / "venv", index, str(first_version), "haconiwa-cgroup", "haconiwa-runtime")


@pytest.fixture
def web(tmp_path: Path, name: str) -> Path:
    (tmp_path / "password").write_text(SECRET)
    file = tmp_path / "web.toml"
    file.write_text(WEB.format(name=name))
    return file


class Host:
    """What an administrator types, with a state directory of its own."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.state = folder / "state"

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.place.haconiwa(*arguments, HACONIWA_STATE=str(self.state))

    def done(self, *arguments: str | Path) -> str:
        """Return what a command prints that has to succeed."""
        done = self(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, *arguments: str | Path) -> str:
        """Return the errors of a command that must not have begun anything."""
        done = self(*arguments)
        assert done.returncode == 2, done.stdout + done.stderr
        return done.stderr

    def plugins(self, *options: str) -> dict[str, dict[str, str]]:
        return {row["name"]: row for row in json.loads(self.done("plugins", "list", "--format", "json", *options))}

    @contextmanager
    def left_behind(self, definition: Path, name: str) -> Iterator[int]:
        """Kill the supervisor of a container that runs; yield the container's pid."""
        command = [self.place.folder / "bin" / "haconiwa", "run", "--name", name, definition]
        with subprocess.Popen(command, env=self.place.environment(HACONIWA_STATE=str(self.state))) as run:
            try:
                wait_for(lambda: "sleep" in map(command_of, processes_of(name)))
                (pid,) = processes_of(name)
            finally:
                run.kill()
        try:
            yield pid
        finally:
            self("gc")


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.05)


def cgroups_of(name: str) -> list[Path]:
    return [path for path in Path("/sys/fs/cgroup").rglob(name) if path.is_dir()]


def processes_of(name: str) -> set[int]:
    files = [file for path in cgroups_of(name) for file in path.rglob("cgroup.procs")]
    return {int(line) for file in files for line in file.read_text().split()}


def command_of(pid: int) -> str:
    """Return what a process runs, "" for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().partition("\0")[0]
    except FileNotFoundError:
        return ""


@pytest.fixture
def haconiwa(place: Place, tmp_path: Path) -> Host:
    return Host(place, tmp_path)


@pytest.fixture
def name() -> str:
    return f"outsider-{secrets.token_hex(4)}"


def test_it_is_published_as_a_wheel_and_a_source_distribution(tmp_path: Path, index: Index) -> None:
    built = tmp_path / "dist"
    subprocess.run(["uv", "build", "--quiet", "--out-dir", built, KEYRING], check=True)
    (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = message_from_bytes(archive.read("haconiwa_keyring-0.1.0.dist-info/METADATA"))
        points = archive.read("haconiwa_keyring-0.1.0.dist-info/entry_points.txt").decode()
    assert {"haconiwa_keyring/plugin.py", "haconiwa_keyring/py.typed"} <= names
    assert "[haconiwa.v1.features]\nkeyring=haconiwa_keyring.plugin\n" in points
    assert metadata["License-Expression"] == "MIT"
    assert any(name.endswith("licenses/LICENSE") for name in names)
    needed = [item for item in metadata.get_all("Requires-Dist") if "extra ==" not in item]
    assert needed == ["haconiwa-core>=0.1,<1"]
    with tarfile.open(source) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "pyproject.toml", "haconiwa_keyring/plugin.py"} <= inside
    subprocess.run(["uv", "build", "--quiet", "--wheel", "--out-dir", tmp_path / "again", source], check=True)
    with zipfile.ZipFile(next((tmp_path / "again").glob("*.whl"))) as archive:
        assert set(archive.namelist()) == names


def test_it_is_installed_and_used(haconiwa: Host, place: Place, web: Path, name: str) -> None:
    row = haconiwa.plugins("--load")["keyring"]
    assert (row["distribution"], row["version"], row["state"]) == ("haconiwa-keyring", "0.1.0", "enabled")
    assert (row["location"], row["installer"], row["editable"]) == (str(place.packages), "pip", "")
    shown = f" keyring   {name}: 1\n", f" user      {name}:password: {len(SECRET)}\n"
    without = haconiwa.done("run", "--rm", web, "--without", "keyring", "--", "cat", "/proc/keys")
    assert not [text for text in shown if text in without]
    keys = haconiwa.done("run", "--rm", web, "--", "cat", "/proc/keys")
    assert all(text in keys for text in shown)
    assert SECRET not in haconiwa.done("plan", web) + haconiwa.done("plan", web, "--format", "json")


def test_upgraded_while_a_container_runs(haconiwa: Host, place: Place, web: Path, next_version: str, name: str) -> None:
    haconiwa.done("run", "-d", "--name", name, web)
    assert "unknown key" in haconiwa.refused("plan", web, "--set", "keyring.timeout=3600")
    place.pip("install", "--find-links", next_version, "--upgrade", "haconiwa-keyring")
    assert haconiwa.plugins()["keyring"]["version"] == "0.2.0"
    assert f"{name}:password" in haconiwa.done("exec", name, "--", "cat", "/proc/keys")
    haconiwa.done("plan", web, "--set", "keyring.timeout=3600")
    haconiwa.done("rm", "--force", name)
    assert cgroups_of(name) == []


def test_the_next_version_cleans_up_after_the_last(
    haconiwa: Host, place: Place, web: Path, next_version: str, name: str
) -> None:
    with haconiwa.left_behind(web, name) as pid:
        place.pip("install", "--find-links", next_version, "--upgrade", "haconiwa-keyring")
        haconiwa.done("gc")
        assert command_of(pid) == ""
        assert cgroups_of(name) == []
        assert f"{name}:password" in haconiwa.done("run", "--rm", web, "--", "cat", "/proc/keys")


def test_removed_while_a_container_runs(haconiwa: Host, place: Place, web: Path, name: str) -> None:
    haconiwa.done("run", "-d", "--name", name, web)
    place.pip("uninstall", "--yes", "haconiwa-keyring")
    assert "keyring" not in haconiwa.plugins()
    for attempt in (("run", web), ("exec", name, "--", "true")):
        error = haconiwa.refused(*attempt)
        assert "keyring: no such feature" in error
        # Whoever has registered such a name elsewhere would be obeyed as root.
        assert "pip install" not in error
    haconiwa.done("stop", name)
    haconiwa.done("rm", name)
    assert cgroups_of(name) == []


def test_what_it_has_left_behind_goes_without_it(haconiwa: Host, place: Place, web: Path, name: str) -> None:
    with haconiwa.left_behind(web, name) as pid:
        place.pip("uninstall", "--yes", "haconiwa-keyring")
        haconiwa.done("gc")
        assert command_of(pid) == ""
        assert cgroups_of(name) == []


def test_a_slip_of_the_pen_installs_nothing(haconiwa: Host) -> None:
    error = haconiwa.refused("run", "--with", "keyrin", "--", "true")
    assert 'did you mean "keyring"?' in error
    assert "pip install" not in error


def test_two_distributions_with_one_name(
    haconiwa: Host, place: Place, web: Path, first_version: Path, tmp_path: Path
) -> None:
    """Which one root would run must not be decided by the order of folders."""
    other = edition(tmp_path, "7.0", ("pyproject.toml", '[project]\nname = "haconiwa-', '[project]\nname = "acme-'))
    place.pip("install", "--no-deps", str(build(other, tmp_path)))
    row = haconiwa.plugins()["keyring"]
    assert row["state"] == "ambiguous"
    error = haconiwa.refused("run", "--rm", web, "--", "true")
    assert "acme-keyring and haconiwa-keyring; uninstall all but one" in error
    haconiwa.done("run", "--rm", "--with", "cgroup", "--", "true")
    place.pip("uninstall", "--yes", "acme-keyring")
    place.pip("install", "--force-reinstall", "--no-deps", str(first_version))
    haconiwa.done("run", "--rm", web, "--", "true")


def test_an_upgrade_that_cannot_be_imported(haconiwa: Host, place: Place, web: Path, tmp_path: Path, name: str) -> None:
    broken = ("haconiwa_keyring/plugin.py", "import os\n", "import os\nimport no_such_module\n")
    with haconiwa.left_behind(web, name) as pid:
        place.pip("install", "--no-deps", str(build(edition(tmp_path, "0.3.0", broken), tmp_path)))
        row = haconiwa.plugins("--load")["keyring"]
        assert (row["version"], row["state"]) == ("0.3.0", "broken")
        assert "no_such_module" in row["reason"]
        error = haconiwa.refused("run", "--rm", web, "--", "true")
        assert "plugin keyring is broken: ModuleNotFoundError: No module named 'no_such_module'" in error
        haconiwa.done("run", "--rm", "--with", "cgroup", "--", "true")
        haconiwa.done("gc")
        assert command_of(pid) == ""


def test_no_list_of_ours_has_its_name() -> None:
    """It would be no outsider then, and these tests would show nothing."""
    lists = ["pyproject.toml", "haconiwa_core/catalogue.json", "haconiwa_core/commands.json"]
    assert [file for file in lists if "keyring" in (TREE / file).read_text("utf-8")] == []
