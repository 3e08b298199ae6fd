"""Steps in containers, on roots in directories of the test's own."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from haconiwa_rootfs.provisioning import Provision, keys_after, problems_of, python_source
from haconiwa_rootfs.provisioning.chain import pending, run_pending
from haconiwa_rootfs.provisioning.ownership import change_owner

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.testing import needs_program, needs_root
from haconiwa_core.testing.roots import busybox_root

pytestmark = [needs_root, needs_program("busybox")]

FIRST = "first"


class Directories:
    """Roots in a directory: each change by the key of what it makes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.chains: dict[str, list[str]] = {}

    def layers(self, key: str) -> Sequence[str] | None:
        return self.chains.get(key)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with TemporaryDirectory(dir=self.directory) as directory:
            yield Path(directory)

    def add(self, key: str, below: str, changes: Path, by: str) -> None:
        assert by.startswith("step ")
        kept = self.directory / f"{key}-{len(os.listdir(self.directory))}"
        changes.rename(kept)
        self.chains[key] = [*self.chains[below], str(kept)]

    def forget(self, key: str) -> None:
        self.chains.pop(key, None)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HACONIWA_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def roots(tmp_path: Path) -> Directories:
    (tmp_path / "roots").mkdir()
    made = Directories(tmp_path / "roots")
    made.chains[FIRST] = [str(busybox_root(tmp_path / "base"))]
    return made


def provision(roots: Directories, *steps: Provision, only: Sequence[str] = ()) -> list[str]:
    """Run what has to be run; return the lines of output, each after its step's name."""
    shown: list[str] = []
    wanted = pending(FIRST, steps, only, roots)
    keys = list(keys_after(FIRST, steps))
    after = keys[keys.index(wanted[-1].key) + 1 :] if wanted else []
    for _ in run_pending(wanted, after, roots, lambda name, line: shown.append(f"{name}: {line}")):
        pass
    return shown


def sh(script: str, name: str = "step", *, network: bool = True) -> Provision:
    return Provision(name, shell=script, network=network)


def test_a_step_changes_the_root_and_nothing_below(roots: Directories) -> None:
    (base,) = roots.chains[FIRST]
    before = sorted(Path(base).rglob("*"))
    steps = [sh("echo one; echo two >&2; echo text > /etc/made", "first"), sh("cat /etc/made", "second")]
    assert provision(roots, *steps) == ["first: one", "first: two", "second: text"]
    assert sorted(Path(base).rglob("*")) == before


def test_what_is_removed_stays_removed(roots: Directories) -> None:
    steps = [
        sh("mkdir /etc/folder; touch /etc/folder/old /etc/file", "make"),
        sh("rm /etc/file; rm -r /etc/folder; mkdir /etc/folder", "remove"),
        sh("ls /etc /etc/folder", "look"),
    ]
    lines = provision(roots, *steps)
    assert "look: file" not in lines
    assert "look: old" not in lines
    assert "look: folder" in lines


def test_the_hosts_resolver_is_there_and_not_kept(roots: Directories) -> None:
    lines = provision(roots, sh("cat /etc/resolv.conf; touch /etc/other"))
    assert lines == [f"step: {line}" for line in Path("/etc/resolv.conf").read_text().splitlines()]
    (*_, layer) = roots.chains[next(keys_after(FIRST, [sh("cat /etc/resolv.conf; touch /etc/other")]))]
    assert os.listdir(Path(layer, "etc")) == ["other"]


def test_a_root_whose_etc_leads_elsewhere(roots: Directories) -> None:
    (base,) = roots.chains[FIRST]
    Path(base, "etc").rmdir()
    Path(base, "etc").symlink_to("/etc")
    with pytest.raises(HaconiwaError, match="no place for the host's"):
        provision(roots, sh("true"))


def test_without_network(roots: Directories) -> None:
    script = "cat /proc/net/dev; ls /etc"
    inside = provision(roots, sh(script, network=False))
    assert {line.split()[1] for line in inside[2:]} == {"lo:"}
    assert "step: resolv.conf" in provision(roots, sh(script))


def test_it_may_not_do_what_root_of_the_host_may(roots: Directories) -> None:
    (line,) = provision(roots, sh("busybox grep CapEff /proc/self/status"))
    sys_admin = 21
    assert not int(line.split()[-1], 16) >> sys_admin & 1


@pytest.mark.parametrize("script", ["touch /made; false; touch /more", "exit 7", "nothing-of-this-name"])
def test_a_step_that_fails_leaves_nothing(roots: Directories, state: Path, script: str) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    steps = [sh("touch /before", "good"), sh(script, "bad"), sh("true", "never")]
    with pytest.raises(HaconiwaError, match="the step bad has ended with status"):
        provision(roots, *steps)
    good = next(keys_after(FIRST, steps))
    assert set(roots.chains) == {FIRST, good}
    assert len(os.listdir(roots.directory)) == 1
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert list(state.rglob("*.json")) == []


def test_results_are_used_again(roots: Directories) -> None:
    one, two, three = (sh(f"echo {number}", number) for number in ("one", "two", "three"))
    assert provision(roots, one, two, three) == ["one: one", "two: two", "three: three"]
    assert provision(roots, one, two, three) == []
    other = sh("echo other", "two")
    assert provision(roots, one, other, three) == ["two: other", "three: three"]
    assert provision(roots, one, two, three) == []
    assert provision(roots, sh("echo one", "renamed"), two) == []


def test_only_some(roots: Directories) -> None:
    steps = [sh(f"echo {name}", name) for name in ("one", "two", "three", "four")]
    with pytest.raises(HaconiwaError, match="what the step two changes is not there"):
        provision(roots, *steps, only=["two"])
    provision(roots, *steps)
    assert provision(roots, *steps, only=["three", "two"]) == ["two: two", "three: three"]
    assert provision(roots, *steps) == ["four: four"]
    with pytest.raises(HaconiwaError, match="there is no step five; there is one, two, three, four"):
        provision(roots, *steps, only=["five"])


def write_greeting() -> None:
    import sys
    from pathlib import Path

    Path("/etc/greeting").write_text(f"written by {sys.executable}")


def test_a_function_runs_in_the_container(roots: Directories, copy_python: Callable[[Path], None]) -> None:
    copy_python(Path(roots.chains[FIRST][0]))
    steps = [Provision("python", python=python_source(write_greeting)), sh("cat /etc/greeting", "look")]
    assert provision(roots, *steps) == ["look: written by /bin/python3"]
    assert not Path("/etc/greeting").exists()


@pytest.fixture
def copy_python() -> Callable[[Path], None]:
    """Debian's interpreter and its library, into a root."""

    def copy(root: Path) -> None:
        program = Path("/usr/bin/python3").resolve()
        shutil.copy(program, root / "bin" / "python3")
        shown = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for library in {word for word in shown.split() if word.startswith("/")}:
            (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, root / library[1:])
        modules = f"lib/{program.name}"
        ignored = shutil.ignore_patterns("test", "dist-packages", "__pycache__", "config-*", "*.so")
        shutil.copytree(f"/usr/{modules}", root / "usr" / modules, ignore=ignored)

    return copy


@pytest.mark.parametrize(
    ("steps", "key"),
    [
        ([Provision("a")], "provision[0]"),
        ([Provision("a", shell="true", python="pass")], "provision[0]"),
        ([sh("true", "a"), sh("false", "a")], "provision[1].name"),
    ],
)
def test_wrong_steps(steps: list[Provision], key: str) -> None:
    assert [problem.key for problem in problems_of(steps)] == [key]


def test_owner_of_all_files_and_of_none_outside(tmp_path: Path) -> None:
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    outside.mkdir()
    (outside / "file").touch()
    (tree / "folder" / "file").touch()
    (tree / "link").symlink_to(outside)
    (tree / "folder" / "link").symlink_to(outside / "file")
    change_owner(str(tree), 1234, 1235)
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in (tree, *tree.rglob("*"))}
    assert owners == {(1234, 1235)}
    assert {path.stat().st_uid for path in (outside, outside / "file")} == {0}
