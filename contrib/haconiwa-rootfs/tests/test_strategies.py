"""Roots are built, by each strategy with what it needs: the real tool where it has one."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from haconiwa_rootfs import Rootfs
from haconiwa_rootfs.building import base_key, last_key
from haconiwa_rootfs.provisioning import Provision
from haconiwa_rootfs.store.roots import Store
from haconiwa_rootfs.strategies.git import git
from haconiwa_rootfs.strategies.host import host
from haconiwa_rootfs.strategies.mmdebstrap import mmdebstrap
from haconiwa_rootfs.strategies.python import python
from haconiwa_rootfs.strategies.shell import shell
from haconiwa_rootfs.strategy import Target, find

from haconiwa_core.errors import DefinitionError, HaconiwaError, PluginError
from haconiwa_core.testing import needs_program, needs_root

Create = Callable[[Rootfs], list[str]]


def top_of(store: Store, feature: Rootfs, folder: Path) -> Path:
    layers = store.layers(base_key(feature, str(folder)))
    assert layers is not None
    return Path(layers[-1])


def test_shell(store: Store, create: Create, tmp_path: Path) -> None:
    feature = Rootfs(shell('pwd > "$1/where"; echo told'))
    assert create(feature) == ["told"]
    assert (top_of(store, feature, tmp_path) / "where").read_text() == f"{tmp_path}\n"


def test_a_tool_that_fails_leaves_nothing(store: Store, create: Create) -> None:
    with pytest.raises(HaconiwaError, match="/bin/sh has ended with status 3: because"):
        create(Rootfs(shell('touch "$1/half"; echo because; exit 3')))
    assert store.roots() == []
    assert store.unused() == []


def test_a_tool_that_is_missing(tmp_path: Path) -> None:
    target = Target(str(tmp_path), tmp_path, print)
    with pytest.raises(HaconiwaError, match="no-such-tool is not installed"):
        target.run(["no-such-tool"])


def test_python(store: Store, create: Create, tmp_path: Path) -> None:
    program = tmp_path / "roots.py"
    program.write_text("def build(target):\n    (target.directory / 'made').write_text(__file__)\n")
    feature = Rootfs(python("roots.py"))
    create(feature)
    assert (top_of(store, feature, tmp_path) / "made").read_text() == str(program)
    before = base_key(feature, str(tmp_path))
    program.write_text("build = None\n")
    assert base_key(feature, str(tmp_path)) != before
    with pytest.raises(HaconiwaError, match="has no function build"):
        create(feature)


@needs_root
def test_root_does_not_execute_what_others_can_write(create: Create, tmp_path: Path) -> None:
    (tmp_path / "roots.py").write_text("def build(target): pass\n")
    (tmp_path / "roots.py").chmod(0o666)
    with pytest.raises(DefinitionError, match="write"):
        create(Rootfs(python("roots.py")))


def test_host(store: Store, create: Create, tmp_path: Path) -> None:
    feature = Rootfs(host(directories=["/usr/lib", "/bin"], files=["/etc/passwd"]))
    create(feature)
    root = store.find(base_key(feature, str(tmp_path)))
    assert root is not None
    linked = os.path.islink("/bin")
    assert root.binds == (("/usr/lib",) if linked else ("/usr/lib", "/bin"))
    top = top_of(store, feature, tmp_path)
    assert (top / "bin").is_symlink() == linked
    assert (top / "etc" / "passwd").read_text() == Path("/etc/passwd").read_text()
    assert stat.S_IMODE((top / "tmp").stat().st_mode) == 0o1777
    with pytest.raises(HaconiwaError, match="the host has no directory /no-such"):
        create(Rootfs(host(directories=["/no-such"])))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    done = (
        "git init -q -b main . && git config user.email a@b.example && git config user.name a && mkdir bin"
        " && echo one > bin/x && chmod 755 bin/x && git add . && git commit -qm one && git tag first"
        " && echo two > bin/x && git commit -qam two"
    )
    place.mkdir()
    subprocess.run(["sh", "-ec", done], cwd=place, check=True)
    return place


@needs_program("git")
def test_git(store: Store, create: Create, repository: Path, tmp_path: Path) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "first"], cwd=repository, check=True, capture_output=True, text=True
    ).stdout.strip()
    for ref, text in (("HEAD", "two\n"), ("first", "one\n"), (commit, "one\n")):
        feature = Rootfs(git("repository", ref=ref))
        told = create(feature)
        top = top_of(store, feature, tmp_path)
        assert (top / "bin" / "x").read_text() == text
        assert os.access(top / "bin" / "x", os.X_OK)
        assert not (top / ".git").exists()
        assert (told[-1] == f"commit {commit}") == (ref != "HEAD")


@needs_program("git")
@pytest.mark.parametrize("url", ["ext::sh -c touch% harm", "repository"])
def test_git_runs_nothing_of_others(create: Create, repository: Path, tmp_path: Path, url: str) -> None:
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/harm\n")
    hook.chmod(0o755)
    if url == "repository":
        create(Rootfs(git(url)))
    else:
        with pytest.raises(HaconiwaError, match="git has ended"):
            create(Rootfs(git(url)))
    assert not (tmp_path / "harm").exists()


def test_a_url_is_no_option() -> None:
    with pytest.raises(DefinitionError):
        base_key(Rootfs(git("--upload-pack=harm")), "/")


def test_an_owner_and_a_script_are_part_of_the_key() -> None:
    plain = Rootfs(shell("true"))
    keys = {
        base_key(each, "/")
        for each in (plain, Rootfs(shell("true"), owner="1:1"), Rootfs(shell("true"), postprocess="true"))
    }
    assert len(keys) == 3
    steps = Rootfs(shell("true"), provision=[Provision("a", shell="true")])
    assert base_key(steps, "/") == base_key(plain, "/") == last_key(plain, "/") != last_key(steps, "/")


@needs_root
def test_an_owner(store: Store, create: Create, tmp_path: Path) -> None:
    feature = Rootfs(shell('mkdir "$1/a"; touch "$1/a/b"'), owner="1234:4321")
    create(feature)
    found = (top_of(store, feature, tmp_path) / "a" / "b").stat()
    assert (found.st_uid, found.st_gid) == (1234, 4321)


def test_an_unknown_strategy() -> None:
    with pytest.raises(PluginError, match='no installed distribution provides the strategy shel; did you mean "shell"'):
        find("shel")


@pytest.mark.parametrize(
    ("source", "key"),
    [({}, "strategy"), ({"shell": {"script": "true"}, "host": {}}, "strategy"), ({"shell": {"scrip": "x"}}, "scrip")],
)
def test_problems_name_their_place(source: dict[str, dict[str, str]], key: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        base_key(Rootfs(source), "/")
    assert all(problem.key.startswith("strategy") for problem in caught.value.problems)
    assert any(key in problem.key for problem in caught.value.problems)


@needs_root
@needs_program("mmdebstrap")
def test_mmdebstrap(store: Store, create: Create, tmp_path: Path) -> None:
    feature = Rootfs(mmdebstrap("bookworm", variant="extract", include=["busybox-static"]))
    create(feature)
    root = top_of(store, feature, tmp_path)
    assert (
        subprocess.run([root / "bin" / "busybox", "echo", "hello"], capture_output=True, check=True).stdout
        == b"hello\n"
    )


def test_tools_of_debian_take_no_options_as_words() -> None:
    for options in ({"release": "--customize-hook=harm"}, {"release": "a", "include": ["--harm"]}):
        for strategy in ("mmdebstrap", "debootstrap"):
            with pytest.raises(DefinitionError):
                base_key(Rootfs({strategy: options}), "/")
