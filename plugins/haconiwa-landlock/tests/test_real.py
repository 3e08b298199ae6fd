import errno
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import typing
from collections.abc import Sequence
from pathlib import Path

import pytest
from haconiwa_landlock import Access, Landlock, Rule

from haconiwa_core.errors import EXIT_NOT_EXECUTABLE, SetupError
from haconiwa_core.facts import Namespace
from haconiwa_core.feature import Feature
from haconiwa_core.linux.constants import CLONE_NEWNET, CLONE_NEWNS
from haconiwa_core.testing import Outcome, needs_landlock, needs_root, run, run_attached, started

pytestmark = [needs_root, needs_landlock(6)]

RIGHTS = typing.get_args(Access)
PYTHON = [sys.executable, "-I", "-S", "-c"]

SYSTEM = sorted(
    {path for path in ("/usr", "/bin", "/lib", "/lib64", "/etc", "/proc") if os.path.exists(path)}
    | {str(Path(sys.executable).parent), str(Path(sys.executable).resolve().parents[1])}
    | {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib")}
)
"""Where the interpreter and its library lie."""

NETWORK = (Namespace("net", CLONE_NEWNET),)
MOUNTS = (Namespace("mnt", CLONE_NEWNS),)

REPORT = """
import errno, os, socket, sys
try:
    {action}
    print("done")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def confined(**options: object) -> Landlock:
    """Return a section with which the interpreter can start."""
    return Landlock(**{"read": SYSTEM, "execute": SYSTEM, **options})


def attempt(action: str, *features: Feature, how: str = "start", **fields: object) -> str:
    """Return "done" or the error's name of what a container tries, in one line of Python."""
    command = [*PYTHON, REPORT.format(action=action)]
    if how == "start":
        return told(run(*features, command=command, **fields))
    with started(*features, command=[*PYTHON, "import time; time.sleep(600)"], **fields) as running:
        return told(run_attached(running, *features, command=command, **fields))


def told(outcome: Outcome) -> str:
    assert outcome.exit_status == 0, outcome.stderr
    return outcome.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with something to try each right on."""
    (tmp_path / "program").write_bytes(Path("/bin/true").read_bytes())
    (tmp_path / "program").chmod(0o755)
    (tmp_path / "file").write_text("content")
    for name in ("empty", "one", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "moved").touch()
    return tmp_path


DEVICE = "/dev/urandom"
RNDGETENTCNT = 0x80045200

ACTIONS = {
    "execute": "os.posix_spawn('{0}/program', ['true'], {{}})",
    "write_file": "os.open('{0}/file', os.O_WRONLY)",
    "read_file": "os.open('{0}/file', os.O_RDONLY)",
    "read_dir": "os.listdir('{0}')",
    "remove_dir": "os.rmdir('{0}/empty')",
    "remove_file": "os.unlink('{0}/file')",
    "make_char": "os.mknod('{0}/new', 0o020600, os.makedev(1, 3))",
    "make_dir": "os.mkdir('{0}/new')",
    "make_reg": "os.close(os.open('{0}/new', os.O_WRONLY | os.O_CREAT))",
    "make_sock": "socket.socket(socket.AF_UNIX).bind('{0}/new')",
    "make_fifo": "os.mkfifo('{0}/new')",
    "make_block": "os.mknod('{0}/new', 0o060600, os.makedev(7, 0))",
    "make_sym": "os.symlink('file', '{0}/new')",
    "refer": "os.rename('{0}/one/moved', '{0}/other/moved')",
    "truncate": "os.truncate('{0}/file', 0)",
    "ioctl_dev": f"import fcntl; fcntl.ioctl(os.open('{DEVICE}', os.O_RDONLY), {RNDGETENTCNT}, bytes(4))",
}
"""What needs each right, given a folder."""


def denied(right: str) -> str:
    return "EXDEV" if right == "refer" else "EACCES"


def all_but(*rights: str) -> tuple[str, ...]:
    return tuple(each for each in RIGHTS if each not in rights)


@pytest.mark.parametrize("right", RIGHTS)
def test_each_right_is_denied_unless_it_is_granted(folder: Path, right: str) -> None:
    path = DEVICE if right == "ioctl_dev" else str(folder)
    action = ACTIONS[right].format(folder)
    others = Rule(path, all_but(right))
    assert attempt(action, confined(rules=[others])) == denied(right)
    assert attempt(action, confined(rules=[others, Rule(path, [right])])) == "done"


@pytest.mark.parametrize("right", RIGHTS)
def test_without_the_feature_nothing_is_denied(folder: Path, right: str) -> None:
    assert attempt(ACTIONS[right].format(folder)) == "done"


BESIDE = {"make_reg": ["write_file"], "execute": ["read_file"], "ioctl_dev": ["read_file"]}
"""What the actions need beside the right itself."""


@pytest.mark.parametrize("right", all_but("refer"))
def test_an_unrestricted_right_is_allowed_everywhere(folder: Path, right: str) -> None:
    path = DEVICE if right == "ioctl_dev" else str(folder)
    rules = [Rule(path, BESIDE[right])] if right in BESIDE else []
    action = ACTIONS[right].format(folder)
    assert attempt(action, confined(rules=rules)) == "EACCES"
    assert attempt(action, confined(rules=rules, unrestricted=[right])) == "done"


LISTS = {"read": {"read_file", "read_dir"}, "execute": {"execute", "read_file"}}
LISTS["write"] = set(RIGHTS) - {"execute", "read_file", "read_dir", "make_char", "make_block", "ioctl_dev"}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("right", all_but("ioctl_dev"))
def test_what_a_list_grants(folder: Path, name: str, right: str) -> None:
    paths = [*SYSTEM, str(folder)] if name != "write" else [str(folder)]
    expected = "done" if right in LISTS[name] else "EACCES"
    assert attempt(ACTIONS[right].format(folder), confined(**{name: paths})) == expected


def test_a_path_may_be_a_file(folder: Path) -> None:
    section = confined(write=[str(folder / "file")])
    assert attempt(f"os.truncate('{folder}/file', 0)", section) == "done"
    assert attempt(f"os.unlink('{folder}/file')", section) == "EACCES"
    assert attempt(f"os.open('{folder}/one/moved', os.O_WRONLY)", section) == "EACCES"


def test_a_link_is_followed(folder: Path) -> None:
    (folder / "link").symlink_to("file")
    section = confined(write=[str(folder / "link")])
    assert attempt(f"os.truncate('{folder}/file', 0)", section) == "done"


@pytest.mark.parametrize("how", ["start", "attach"])
@pytest.mark.parametrize("right", ["make_reg", "read_file", "truncate", "refer"])
def test_what_is_attached_is_confined_too(folder: Path, how: str, right: str) -> None:
    assert attempt(ACTIONS[right].format(folder), confined(), how=how) == "EACCES"
    assert attempt(ACTIONS[right].format(folder), how=how) == "done"


@pytest.mark.parametrize("section", [None, confined()], ids=["without", "with"])
def test_mounts_cannot_change_what_a_path_means(folder: Path, section: Landlock | None) -> None:
    features = [section] if section else []
    outcome = run(*features, command=["mount", "-t", "tmpfs", "tmpfs", str(folder)], facts=MOUNTS)
    assert (outcome.exit_status == 0) is (section is None)


@pytest.mark.parametrize(("section", "result"), [(None, "done"), (confined(), "EACCES")], ids=["without", "with"])
def test_processes_outside_cannot_be_looked_into(section: Landlock | None, result: str) -> None:
    features = [section] if section else []
    with subprocess.Popen(["sleep", "600"]) as outside:
        assert attempt(f"open('/proc/{outside.pid}/mem', 'rb')", *features) == result
        outside.kill()


BIND = "socket.socket().bind(('0.0.0.0', {}))"


@pytest.mark.parametrize("how", ["start", "attach"])
@pytest.mark.parametrize(
    ("ports", "results"),
    [
        (None, ["done", "done", "done"]),
        ([], ["EACCES", "EACCES", "EACCES"]),
        ([8080], ["done", "EACCES", "EACCES"]),
        ([0, 8081], ["EACCES", "done", "done"]),
    ],
)
def test_binding_ports(how: str, ports: Sequence[int] | None, results: list[str]) -> None:
    section = Landlock(bind_tcp=ports, scope=["signal"])
    found = [attempt(BIND.format(port), section, how=how, facts=NETWORK) for port in (8080, 8081, 0)]
    assert found == results


@pytest.mark.parametrize("how", ["start", "attach"])
def test_connecting_to_ports(how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [server.getsockname()[1] for server in (one, other)]
        actions = [f"socket.create_connection(('127.0.0.1', {port}))" for port in ports]
        for allowed, results in (
            (None, ["done", "done"]),
            ([], ["EACCES", "EACCES"]),
            (ports[:1], ["done", "EACCES"]),
            (ports, ["done", "done"]),
        ):
            section = Landlock(connect_tcp=allowed, scope=["signal"])
            assert [attempt(action, section, how=how) for action in actions] == results


@pytest.mark.parametrize("right", RIGHTS)
def test_ports_alone_leave_files_as_they_are(folder: Path, right: str) -> None:
    assert attempt(ACTIONS[right].format(folder), Landlock(connect_tcp=[])) == "done"


@pytest.mark.parametrize("how", ["start", "attach"])
@pytest.mark.parametrize(("scope", "result"), [((), "done"), (["signal"], "EPERM")])
def test_signals_to_processes_outside(how: str, scope: Sequence[str], result: str) -> None:
    with subprocess.Popen(["sleep", "600"]) as outside:
        section = Landlock(scope=scope, connect_tcp=[])
        try:
            assert attempt(f"os.kill({outside.pid}, 0)", section, how=how) == result
            # Those inside are within reach.
            inside = "pid = os.posix_spawn('/bin/sleep', ['sleep', '600'], {}); os.kill(pid, 9); os.waitpid(pid, 0)"
            assert attempt(inside, section, how=how) == "done"
        finally:
            outside.kill()


def test_attached_processes_and_the_first_are_apart() -> None:
    for scope, result in (([], "done"), (["signal"], "EPERM")):
        section = Landlock(scope=scope, connect_tcp=[])
        with started(section) as running:
            command = [*PYTHON, REPORT.format(action=f"os.kill({running.pid}, 0)")]
            assert told(run_attached(running, section, command=command)) == result


@pytest.mark.parametrize("how", ["start", "attach"])
@pytest.mark.parametrize(("scope", "result"), [((), "done"), (["abstract_unix_socket"], "EPERM")])
def test_abstract_sockets_of_processes_outside(how: str, scope: Sequence[str], result: str) -> None:
    name = f"haconiwa-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        section = Landlock(scope=scope, connect_tcp=[])
        assert attempt(f"socket.socket(socket.AF_UNIX).connect('\\0{name}')", section, how=how) == result
        inside = "s = socket.socket(socket.AF_UNIX); s.bind(''); s.listen(); socket.socket(1).connect(s.getsockname())"
        assert attempt(inside, section, how=how) == "done"


def failure(section: Landlock, **fields: object) -> SetupError:
    with pytest.raises(SetupError) as caught:
        run(section, **{"command": ["true"], **fields})
    return caught.value


def test_a_path_that_does_not_exist() -> None:
    error = failure(confined(write=["/no/such/path"]))
    assert (error.plugin, error.stage, error.errno) == ("landlock", "CONFINE", errno.ENOENT)
    assert "'/no/such/path'" in error.attempted
    assert error.remedy == "the container has no such directory or file"


@pytest.mark.parametrize("path", ["/proc/self/root", "/proc/self/fd/0", "/proc/self/root/etc"])
def test_a_link_of_proc_is_not_followed(path: str) -> None:
    error = failure(confined(write=[path]))
    assert (error.plugin, error.errno) == ("landlock", errno.ELOOP)
    assert "link of proc" in error.remedy


def test_what_only_a_directory_can_have(folder: Path) -> None:
    error = failure(confined(rules=[Rule(str(folder / "file"), ["read_dir"])]))
    assert (error.plugin, error.errno) == ("landlock", errno.ENOTDIR)
    assert "directory only" in error.remedy


def test_below_a_file(folder: Path) -> None:
    error = failure(confined(read=[str(folder / "file" / "below")]))
    assert (error.plugin, error.errno) == ("landlock", errno.ENOTDIR)


def test_a_command_that_may_not_be_executed() -> None:
    assert run(Landlock(read=["/"], rules=[Rule("/", ["execute"])]), command=["true"]).exit_status == 0
    error = failure(Landlock(read=["/"]))
    assert (error.plugin, error.stage, error.errno) == ("core", "EXEC", errno.EACCES)
    assert error.exit_status == EXIT_NOT_EXECUTABLE
    assert "Landlock allows no execution" in error.remedy


def test_without_landlock_the_remedy_does_not_speak_of_it(folder: Path) -> None:
    with pytest.raises(SetupError) as caught:
        run(command=[str(folder / "file")])
    assert caught.value.errno == errno.EACCES
    assert "Landlock" not in caught.value.remedy
