"""What is copied, and what is not, between the host and a root directory."""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat

import pytest
from haconiwa_copy.places import Place
from haconiwa_copy.reading import DEEPEST, read
from haconiwa_copy.sides import copy_in, copy_out
from haconiwa_copy.writing import Keep, Writer

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.linux.host import start_time
from haconiwa_core.runtime.record import Process

ALL = Keep(owners=False, bits=0o7777)


@pytest.fixture
def tree(tmp_path):
    """A directory with a file of each kind."""
    top = tmp_path / "top"
    (top / "inner" / "empty").mkdir(parents=True)
    (top / "text").write_text("hello")
    (top / "none").touch()
    (top / os.fsdecode(b"\xff \n name")).write_bytes(b"\0\xff")
    (top / "inner" / "link").symlink_to("../text")
    (top / "inner" / "away").symlink_to("/nonexistent/place")
    (top / "inner" / "empty").chmod(0o2755)
    (top / "text").chmod(0o640)
    os.utime(top / "inner" / "link", ns=(3, 4), follow_symlinks=False)
    os.utime(top / "text", ns=(5, 6))
    os.utime(top / "inner", ns=(7, 8))
    return top


def inside(directory):
    """Return the place of a container whose root is a directory."""
    return Place(os.open(directory, os.O_PATH | os.O_DIRECTORY), "web:")


def described(top):
    """Return what there is below a directory, by path."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = ""
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    content = file.read()
            found[os.path.relpath(path, top)] = (status.st_mode, status.st_mtime_ns, content)
    return found


def copy(source, path, place, target, *, follow=False, keep=ALL):
    """Copy in this process; return what is lacking."""
    writer = Writer(place, str(target), keep, contents=str(path).endswith("/."))
    writer.write(read(source, str(path), follow=follow))
    return writer.lacking


def test_a_tree_is_copied_with_modes_and_times(tree, tmp_path):
    assert copy(Place(), tree, Place(), tmp_path / "copy") == []
    assert described(tmp_path / "copy") == described(tree)
    assert described(tree)["inner"][1] == 8


def test_it_is_the_same_through_another_process(tree, tmp_path):
    me = Process(os.getpid(), start_time(os.getpid()))
    out = Writer(Place(), str(tmp_path / "out"), ALL, contents=False)
    copy_out("web", me, str(tree), follow=False, take=out.write)
    entries = read(Place(), str(tmp_path / "out"), follow=False)
    back = copy_in("web", me, entries, lambda place: Writer(place, str(tmp_path / "back"), ALL, contents=False))
    assert (out.lacking, back) == ([], [])
    assert described(tmp_path / "back") == described(tmp_path / "out") == described(tree)


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_nothing_is_left_open(tree, tmp_path):
    before = open_descriptors()
    os.mkfifo(tree / "pipe")
    (tmp_path / "file").touch()
    copy(Place(), tree, Place(), tmp_path / "copy")
    with pytest.raises(HaconiwaError):
        copy(Place(), tree, Place(), tmp_path / "file")
    me = Process(os.getpid(), start_time(os.getpid()))
    with pytest.raises(HaconiwaError):
        copy_out("web", me, "/nonexistent/file", follow=False, take=list)
    assert open_descriptors() == before


RULES = [
    # source, what is there before, target, where the source's text is afterwards
    ("file", "", "new", "new"),
    ("file", "dir/", "dir", "dir/file"),
    ("file", "dir/", "dir/", "dir/file"),
    ("file", "old", "old", "old"),
    ("file", "", ".", "file"),
    ("tree", "", "new", "new/file"),
    ("tree", "", "new/", "new/file"),
    ("tree", "dir/", "dir", "dir/tree/file"),
    ("tree/", "dir/", "dir", "dir/tree/file"),
    ("tree/.", "dir/", "dir", "dir/file"),
    ("tree/.", "", "new", "new/file"),
    ("tree", "dir/tree/", "dir", "dir/tree/file"),
    ("file", "dir/", "link-to-dir", "dir/file"),
    ("link", "", "new", "new"),
    ("link/.", "", "new", "new/file"),
]


@pytest.mark.parametrize("rule", RULES, ids=["-".join(rule).replace("/", "|") for rule in RULES])
@pytest.mark.parametrize("side", ["host", "root"])
def test_the_rules_are_those_of_docker(tmp_path, rule, side):
    source, before, target, result = rule
    host, other = tmp_path / "host", tmp_path / "other"
    (host / "tree").mkdir(parents=True)
    other.mkdir()
    (host / "file").write_text("text")
    (host / "tree" / "file").write_text("text")
    (host / "link").symlink_to("tree")
    (other / "link-to-dir").symlink_to("dir")
    if before.endswith("/"):
        (other / before).mkdir(parents=True)
    elif before:
        (other / before).write_text("before")
    place, path = (Place(), f"{other}/{target}") if side == "host" else (inside(other), f"/{target}")
    assert copy(Place(), f"{host}/{source}", place, path) == []
    if source == "link":
        assert os.readlink(other / result) == "tree"
    else:
        assert (other / result).read_text() == "text"


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("nosuch", "new", "nosuch: No such file or directory"),
        ("file", "nosuch/", "nosuch/: there is no such directory"),
        ("file", "nosuch/new", "nosuch/new: No such file or directory"),
        ("file", "old/new", "old/new: Not a directory"),
        ("tree", "old", "old: is no directory, and a directory is to be copied to it"),
        ("file/.", "new", "file/.: Not a directory"),
    ],
)
def test_what_cannot_begin_is_an_error(tmp_path, source, target, message):
    (tmp_path / "tree").mkdir()
    (tmp_path / "file").write_text("text")
    (tmp_path / "old").write_text("before")
    with pytest.raises(HaconiwaError, match=message):
        copy(
            Place(), tmp_path / source if source[-1] != "." else f"{tmp_path}/{source}", Place(), f"{tmp_path}/{target}"
        )
    assert (tmp_path / "old").read_text() == "before"
    assert {entry.name for entry in tmp_path.iterdir()} == {"tree", "file", "old"}


def test_a_link_is_followed_if_it_is_wanted(tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    assert copy(Place(), tmp_path / "link", Place(), tmp_path / "new", follow=True) == []
    assert not (tmp_path / "new").is_symlink()
    assert (tmp_path / "new").read_text() == "text"


def test_links_of_a_root_lead_nowhere_else(tmp_path):
    """Neither those of the path, nor those on the way."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (tmp_path / "secret").write_text("the host's")
    (root / "secret").write_text("the root's")
    (root / "absolute").symlink_to("/secret")
    (root / "climbing").symlink_to("../../../../secret")
    (root / "etc" / "up").symlink_to("..")
    (root / "host").symlink_to(str(tmp_path))
    (root / "magic").symlink_to("/proc/self/root")
    for path in ("absolute", "climbing", "etc/up/secret", "/../../secret"):
        (tmp_path / "got").unlink(missing_ok=True)
        assert copy(inside(root), path, Place(), tmp_path / "got", follow=True) == []
        assert (tmp_path / "got").read_text() == "the root's"
    for path in ("host/secret", f"{tmp_path}/secret", "magic/etc/passwd"):
        with pytest.raises(HaconiwaError, match="No such file"):
            copy(inside(root), path, Place(), tmp_path / "got")
    for path in ("host/new", "magic/tmp/new"):
        with pytest.raises(HaconiwaError, match="No such file"):
            copy(Place(), tmp_path / "secret", inside(root), path)
    assert copy(Place(), tmp_path / "secret", inside(root), "etc/up/new") == []
    assert (root / "new").read_text() == "the host's"


def test_what_is_there_is_replaced_and_never_written_to(tmp_path):
    """A link, a named pipe, a file with a second name."""
    (tmp_path / "source").mkdir()
    target = tmp_path / "target"
    (target / "source").mkdir(parents=True)
    (tmp_path / "victim").write_text("untouched")
    for name in ("link", "pipe", "twin"):
        (tmp_path / "source" / name).write_text("new")
    (target / "source" / "link").symlink_to(tmp_path / "victim")
    os.mkfifo(target / "source" / "pipe")
    os.link(tmp_path / "victim", target / "source" / "twin")
    assert copy(Place(), tmp_path / "source", Place(), target) == []
    assert (tmp_path / "victim").read_text() == "untouched"
    for name in ("link", "pipe", "twin"):
        assert not (target / "source" / name).is_symlink()
        assert (target / "source" / name).read_text() == "new"


def test_a_directory_is_not_reached_through_a_link(tmp_path):
    (tmp_path / "source" / "sub").mkdir(parents=True)
    (tmp_path / "source" / "sub" / "file").write_text("new")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "target" / "source").mkdir(parents=True)
    (tmp_path / "target" / "source" / "sub").symlink_to(tmp_path / "elsewhere")
    (lacking,) = copy(Place(), tmp_path / "source", Place(), tmp_path / "target")
    assert lacking.startswith(f"{tmp_path}/target/source/sub: ")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_pipes_sockets_and_devices_are_not_opened(tmp_path):
    """Opening the pipe would wait for ever."""
    top = tmp_path / "top"
    top.mkdir()
    os.mkfifo(top / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(top / "socket"))
    (top / "file").write_text("text")
    expected = {f"{top}/pipe: a named pipe", f"{top}/socket: a socket"}
    if os.geteuid() == 0:
        os.mknod(top / "device", stat.S_IFCHR | 0o600, os.makedev(1, 5))
        expected.add(f"{top}/device: a device")
    assert set(copy(Place(), top, Place(), tmp_path / "copy")) == expected
    assert {entry.name for entry in (tmp_path / "copy").iterdir()} == {"file"}


def test_set_user_id_is_kept_only_where_it_is_asked_for(tmp_path):
    (tmp_path / "program").touch()
    (tmp_path / "program").chmod(0o6755)
    copy(Place(), tmp_path / "program", Place(), tmp_path / "without", keep=Keep(owners=False, bits=0o1777))
    copy(Place(), tmp_path / "program", Place(), tmp_path / "with")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("without", "with")]
    assert modes == [0o755, 0o6755]


def test_holes_stay_holes(tmp_path):
    """A file that is larger than any disk."""
    size = 1 << 40
    with open(tmp_path / "sparse", "wb") as file:
        for offset in (0, 3 << 30, size - 3):
            file.seek(offset)
            file.write(b"abc")
    assert copy(Place(), tmp_path / "sparse", Place(), tmp_path / "copy") == []
    status = (tmp_path / "copy").stat()
    assert (status.st_size, status.st_blocks < 1000) == (size, True)
    with open(tmp_path / "copy", "rb") as file:
        for offset in (0, 3 << 30, size - 3):
            file.seek(offset)
            assert file.read(3) == b"abc"


def test_files_of_the_kernel_are_copied_though_they_have_no_size(tmp_path):
    assert os.stat("/proc/self/status").st_size == 0
    assert copy(Place(), "/proc/filesystems", Place(), tmp_path / "copy") == []
    with open("/proc/filesystems") as file:
        assert (tmp_path / "copy").read_text() == file.read()


def test_what_is_too_deep_is_told(tmp_path):
    folder = top = tmp_path / "top"
    for _ in range(DEEPEST + 3):
        folder = folder / "d"
    folder.mkdir(parents=True)
    (lacking,) = copy(Place(), top, Place(), tmp_path / "copy")
    assert lacking.endswith(f"/d: it lies deeper than {DEEPEST} directories")
    assert (tmp_path / "copy").joinpath(*["d"] * (DEEPEST - 1)).is_dir()


def test_what_fails_half_way_leaves_nothing_half_done(tmp_path):
    """The file system that is written to is full."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "big").write_bytes(b"x" * (1 << 20))
    (tmp_path / "source" / "small").write_text("text")
    writer = Writer(Place(), str(tmp_path / "copy"), ALL, contents=False)
    limit = 1 << 16
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        writer.write(read(Place(), str(tmp_path / "source"), follow=False))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert writer.lacking == [f"{tmp_path}/copy/big: File too large"]
    assert {entry.name for entry in (tmp_path / "copy").iterdir()} == {"small"}
