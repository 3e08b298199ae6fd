"""What has changed since it was noted is told, whichever way somebody has changed it."""

from __future__ import annotations

import base64
import compileall
import hashlib
import json
import os
import py_compile
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from haconiwa_freeze.differences import differences
from haconiwa_freeze.lock import freeze, from_file, own_interpreter, to_text

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.testing import haconiwa_command

METADATA = "lamp-1.0.dist-info"


class Site:
    """A folder with distributions as an installer leaves them, before all others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "site"
        self.lock = folder / "host.lock"

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def record(self, metadata: str, *more: str) -> None:
        """Write the RECORD of what there is."""
        rows = []
        for name in sorted(
            {*more, *(str(file.relative_to(self.folder)) for file in (self.folder / metadata).iterdir())}
        ):
            digest = hashlib.sha256((self.folder / name).read_bytes()).digest()
            rows.append(f"{name},sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')},")
        self.write(f"{metadata}/RECORD", "\n".join([*rows, f"{metadata}/RECORD,,"]) + "\n")

    def install(self, name: str, version: str = "1.0", headers: str = "", points: str = "", **sources: str) -> None:
        metadata = f"{name}-{version}.dist-info"
        self.write(f"{metadata}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{headers}")
        if points:
            self.write(f"{metadata}/entry_points.txt", points)
        files = {f"{module.replace('__', '/', 1)}.py": text for module, text in sources.items()}
        for file, text in files.items():
            self.write(file, text)
        self.record(metadata, *files)

    def haconiwa(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [*haconiwa_command(self.folder), "plugins", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def freeze(self) -> dict[str, Any]:
        """Write the lock of this folder alone, and return what it says of distributions."""
        frozen = freeze([str(self.folder)], own_interpreter())
        assert frozen.findings == []
        self.lock.write_text(to_text(frozen.lock))
        return frozen.lock["distributions"]

    def differences(self) -> list[str]:
        """Compare this folder with the lock."""
        frozen = freeze([str(self.folder)], own_interpreter())
        return [*frozen.findings, *differences(from_file(self.lock), frozen.lock)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    points = "[haconiwa.v1.features]\nlamp = lamp.plugin\n"
    sources = {"lamp____init__": '"""A lamp."""\n', "lamp__plugin": "LEVEL = 1\n"}
    site.install(
        "lamp", headers="Requires-Dist: wick>=1\nRequires-Dist: oil; extra == 'oil'\n", points=points, **sources
    )
    site.install("wick", "1.5", wick="BURNS = True\n")
    site.install("unrelated", unrelated="X = 1\n")
    return site


def test_what_counts(site: Site) -> None:
    assert list(site.freeze()) == ["lamp", "wick"]
    assert site.differences() == []


def test_a_library_of_the_core_counts(site: Site) -> None:
    site.install("haconiwa_core", haconiwa_core="X = 1\n")
    site.install("hooks", headers="Requires-Dist: Haconiwa.Core>=1\n", hooks="X = 1\n")
    assert list(site.freeze()) == ["haconiwa-core", "hooks", "lamp", "wick"]


def test_what_is_needed_by_an_extra_counts_if_somebody_asks_for_it(site: Site) -> None:
    site.install("oil", oil="X = 1\n")
    assert "oil" not in site.freeze()
    site.install(
        "torch", headers="Requires-Dist: lamp[oil]\n", points="[haconiwa.v1.commands]\ntorch = torch\n", torch=""
    )
    assert "oil" in site.freeze()


def test_the_command_line(site: Site) -> None:
    """What is installed around it counts, too."""
    done = site.haconiwa("freeze", site.lock)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert site.haconiwa("freeze").stdout == site.lock.read_text()
    noted = json.loads(site.lock.read_text())["distributions"]
    assert {"haconiwa-core", "haconiwa-freeze", "lamp", "wick", "pluggy"} <= set(noted)
    assert not {"unrelated", "pytest"} & set(noted)
    done = site.haconiwa("check", site.lock)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    site.write("more.pth", "")
    done = site.haconiwa("check", site.lock)
    assert (done.returncode, done.stdout, done.stderr) == (1, f"{site.folder}: more.pth was added\n", "")


def test_one_hash_is_that_of_what_sha256sum_prints(site: Site) -> None:
    lamp = site.freeze()["lamp"]
    files = sorted(lamp["files"])
    command = ["sha256sum", *files]
    printed = subprocess.run(command, cwd=site.folder, env={"LC_ALL": "C"}, capture_output=True, check=True).stdout
    assert lamp["sha256"] == hashlib.sha256(printed).hexdigest()


CHANGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "a byte": (
        lambda folder: (folder / "lamp/plugin.py").write_text("LEVEL = 2\n"),
        [
            "{folder}/lamp/plugin.py is not what was installed: its RECORD has another hash",
            "lamp: lamp/plugin.py has changed",
        ],
    ),
    "a file less": (
        lambda folder: (folder / "lamp/plugin.py").unlink(),
        ["{folder}/lamp/plugin.py is missing", "lamp: lamp/plugin.py is missing"],
    ),
    "a module more": (
        lambda folder: (folder / "lamp/more.py").write_text(""),
        ["{folder}/lamp/more.py is in no RECORD", "lamp: lamp/more.py was added"],
    ),
    "a library more": (
        lambda folder: (folder / "lamp/plugin.cpython-311-x86_64-linux-gnu.so").write_bytes(b"\x7fELF"),
        [
            "{folder}/lamp/plugin.cpython-311-x86_64-linux-gnu.so is in no RECORD",
            "lamp: lamp/plugin.cpython-311-x86_64-linux-gnu.so was added",
        ],
    ),
    "bytecode without a source": (
        lambda folder: (folder / "lamp/more.pyc").write_bytes(b""),
        ["{folder}/lamp/more.pyc is in no RECORD", "lamp: lamp/more.pyc was added"],
    ),
    "a linked folder more": (
        lambda folder: (folder / "lamp/more").symlink_to("/etc"),
        ["{folder}/lamp/more is no file"],
    ),
    "a .pth file": (
        lambda folder: (folder / "more.pth").write_text("import os\n"),
        ["{folder}: more.pth was added"],
    ),
    "what Python imports when it starts": (
        lambda folder: (folder / "sitecustomize.py").write_text(""),
        ["{folder}: sitecustomize.py was added"],
    ),
    "a package that hides another": (
        lambda folder: ((folder / "structlog").mkdir(), (folder / "structlog/__init__.py").write_text("")),
        ["{folder}: structlog/__init__.py was added"],
    ),
    "an entry point": (
        lambda folder: (folder / METADATA / "entry_points.txt").write_text("[haconiwa.v1.features]\nlamp = os\n"),
        [
            "{folder}/lamp-1.0.dist-info/entry_points.txt is not what was installed: its RECORD has another hash",
            "lamp: lamp-1.0.dist-info/entry_points.txt has changed",
        ],
    ),
}


@pytest.mark.parametrize(("change", "told"), CHANGES.values(), ids=CHANGES)
def test_each_change_is_told(site: Site, change: Callable[[Path], object], told: list[str]) -> None:
    site.freeze()
    change(site.folder)
    assert site.differences() == [line.format(folder=site.folder) for line in told]


def test_a_record_that_was_changed_with_the_file_hides_nothing(site: Site) -> None:
    site.freeze()
    site.write("lamp/plugin.py", "LEVEL = 2\n")
    site.write("lamp/more.py", "")
    site.record(METADATA, "lamp/__init__.py", "lamp/plugin.py", "lamp/more.py")
    assert site.differences() == ["lamp: lamp/more.py was added", "lamp: lamp/plugin.py has changed"]


def test_distributions_come_and_go(site: Site) -> None:
    site.freeze()
    site.install("torch", points="[haconiwa.v1.features]\ntorch = torch\n", torch="")
    for file in (site.folder / "wick-1.5.dist-info").iterdir():
        file.unlink()
    (site.folder / "wick-1.5.dist-info").rmdir()
    site.install("wick", "1.6", wick="BURNS = False\n")
    assert site.differences() == ["torch 1.0: was not installed", "wick: its version was 1.5, and is 1.6"]


def test_what_is_needed_and_missing_is_told(site: Site) -> None:
    site.install("torch", headers="Requires-Dist: pitch\n", points="[haconiwa.v1.features]\ntorch = torch\n", torch="")
    with pytest.raises(HaconiwaError, match="torch needs pitch, which is not installed"):
        site.freeze()


def test_several_may_share_a_package(site: Site) -> None:
    site.install("oil", lamp__oil="X = 1\n")
    assert "lamp/oil.py" in site.freeze()["lamp"]["files"]
    site.write("lamp/oil.py", "X = 2\n")
    assert site.differences() == ["lamp: lamp/oil.py has changed"]


class TestBytecode:
    """What Python would run in the place of the source."""

    @pytest.fixture
    def compiled(self, site: Site) -> Path:
        """The bytecode of a module, which is no difference."""
        site.freeze()
        assert compileall.compile_dir(site.folder, quiet=1)
        assert site.differences() == []
        (file,) = site.folder.glob("lamp/__pycache__/plugin.*.pyc")
        return file

    @pytest.mark.parametrize("module", ["lamp/plugin.py", "wick.py"])
    @pytest.mark.parametrize("mode", py_compile.PycInvalidationMode)
    def test_of_another_source(
        self, site: Site, compiled: Path, module: str, mode: py_compile.PycInvalidationMode
    ) -> None:
        source = site.folder / module
        text, status = source.read_text(), source.stat()
        source.write_text(text.replace("1", "2").replace("True", "None"))
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
        file = Path(py_compile.compile(str(source), invalidation_mode=mode))
        source.write_text(text)
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
        # Where Python itself compares, it would not be run.
        checked = mode is py_compile.PycInvalidationMode.CHECKED_HASH
        assert site.differences() == ([] if checked else [f"{file} is not the bytecode of its source"])

    def test_a_checked_hash_can_be_forged(self, site: Site, compiled: Path) -> None:
        source = site.folder / "lamp/plugin.py"
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        honest = Path(py_compile.compile(str(source), invalidation_mode=mode)).read_bytes()
        other = site.write("other.py", "LEVEL = 2\n")
        forged = Path(py_compile.compile(str(other), cfile=str(compiled), invalidation_mode=mode)).read_bytes()
        other.unlink()
        compiled.write_bytes(honest[:16] + forged[16:])
        assert site.differences() == [f"{compiled} is not the bytecode of its source"]

    @pytest.mark.parametrize("kept", [0, 15, 16, 20])
    def test_that_is_cut_off(self, site: Site, compiled: Path, kept: int) -> None:
        compiled.write_bytes(compiled.read_bytes()[:kept])
        # Without a whole header it is not run.
        assert site.differences() == ([f"{compiled} is not the bytecode of its source"] if kept >= 16 else [])

    def test_of_an_older_source_or_another_python_is_not_run(self, site: Site, compiled: Path) -> None:
        compiled.with_name("plugin.cpython-35.pyc").write_bytes(b"")
        os.utime(site.folder / "lamp/plugin.py", (1, 1))
        assert site.differences() == []

    def test_of_no_source_is_not_run(self, site: Site, compiled: Path) -> None:
        compiled.rename(compiled.with_name(compiled.name.replace("plugin", "gone")))
        assert site.differences() == []


@pytest.mark.parametrize("layout", ["", "src"])
def test_an_editable_installation_is_its_source(site: Site, tmp_path: Path, layout: str) -> None:
    source = tmp_path / "source"
    package = source / layout / "torch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("X = 1\n")
    (source / "README.md").write_text("")
    site.install("torch", points="[haconiwa.v1.features]\ntorch = torch\n")
    site.write("torch.pth", f"{source / layout}\n")
    site.write(
        "torch-1.0.dist-info/direct_url.json", json.dumps({"url": source.as_uri(), "dir_info": {"editable": True}})
    )
    site.record("torch-1.0.dist-info", "torch.pth")
    torch = site.freeze()["torch"]
    assert torch["editable"] == str(source)
    name = os.path.relpath(package / "__init__.py", site.folder)
    assert name in torch["files"]
    (source / "README.md").write_text("more")
    assert site.differences() == []
    (package / "__init__.py").write_text("X = 2\n")
    (package / "more.py").write_text("")
    more = os.path.relpath(package / "more.py", site.folder)
    assert site.differences() == [f"torch: {name} has changed", f"torch: {more} was added"]


def test_nothing_is_noted_of_what_is_not_as_it_was_installed(site: Site) -> None:
    site.write("lamp/plugin.py", "LEVEL = 2\n")
    done = site.haconiwa("freeze", site.lock)
    assert done.returncode == 1
    assert "lamp/plugin.py is not what was installed" in done.stderr
    assert not site.lock.exists()


def test_the_interpreter_counts(site: Site) -> None:
    site.freeze()
    lock = json.loads(site.lock.read_text())
    lock["interpreter"] |= {"version": "CPython 1.0", "sha256": "0", "configuration": "0"}
    site.lock.write_text(json.dumps(lock, sort_keys=True))
    configuration, digest, version = site.differences()
    assert configuration.startswith("interpreter: its configuration was 0, and is ")
    assert version.startswith("interpreter: its version was CPython 1.0, and is CPython 3.")
    assert digest.startswith("interpreter: its sha256 was 0, and is ")


def test_another_installation_is_looked_at_from_outside(site: Site, tmp_path: Path) -> None:
    site.freeze()
    lock = json.loads(site.lock.read_text())
    lock["interpreter"] |= {"version": "CPython 1.0"}
    site.lock.write_text(json.dumps(lock))

    def check() -> tuple[int, str]:
        command = [*haconiwa_command(), "plugins", "check", str(site.lock), "--path", str(site.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout

    assert check() == (0, "")
    (site.folder / "lamp/more.py").write_text("")
    assert check() == (1, f"{site.folder}/lamp/more.py is in no RECORD\nlamp: lamp/more.py was added\n")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "{}", '{"format": 2}', '{"format": 1}', '{"format": 1, "interpreter": 3}']
)
def test_what_is_no_lock(site: Site, text: str) -> None:
    site.lock.write_text(text)
    done = site.haconiwa("check", site.lock)
    assert done.returncode not in (0, 1)
    assert f"{site.lock}: no lock can be read: " in done.stderr
    assert "Traceback" not in done.stderr


def test_what_has_no_record_is_refused(site: Site) -> None:
    (site.folder / METADATA / "RECORD").unlink()
    with pytest.raises(HaconiwaError, match="lamp has no RECORD of its files: install it with pip"):
        site.freeze()
