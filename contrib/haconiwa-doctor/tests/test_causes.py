"""Looking for a cause: whatever a container's files are, it neither blocks nor leaves the root, and hides no error."""

import errno
import os
import struct

import pytest
from haconiwa_doctor.causes import capabilities, of_step
from haconiwa_doctor.causes.programs import HEAD, Binary, Script, kind_of
from haconiwa_doctor.causes.view import View
from hypothesis import given, strategies as st

from haconiwa_core.runtime.cause import Failure, explained
from haconiwa_core.testing import plan_of


def kind(content):
    return kind_of(content[:HEAD], lambda size, offset: content[offset : offset + size])


def elf(machine=62, loader=b"/lib/ld.so\0", count=1, offset=120):
    """Return a program of 64 bits, little end first: its header, one program header, and the loader's path."""
    head = (
        b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)
    )
    return head + struct.pack("<IIQQQQQQ", 3, 4, offset, 0, 0, len(loader), 0, 1) + loader


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"#!/bin/sh\necho\n", Script("/bin/sh")),
        (b"#! /usr/bin/env -S python3\n", Script("/usr/bin/env")),
        (b"#!/bin/sh\t-e", Script("/bin/sh")),
        (b"#!/bin/sh\r\n", Script("/bin/sh\r")),
        (b"#!\n", Script("")),
        (b"echo\n", None),
        (b"", None),
        (b"\x7fELF", None),
        (elf(), Binary("x86_64", "/lib/ld.so")),
        (elf(machine=183), Binary("aarch64", "/lib/ld.so")),
        (elf(count=0), Binary("x86_64", "")),
        (elf(machine=4242), Binary("machine 4242 of elf.h", "/lib/ld.so")),
        (elf(offset=1 << 60), Binary("x86_64", "")),
    ],
)
def test_what_a_file_is(content, expected):
    assert kind(content) == expected


def test_what_the_running_interpreter_is():
    with open("/proc/self/exe", "rb") as file:
        found = kind(file.read())
    assert found.machine == os.uname().machine


@given(st.binary(max_size=300))
def test_no_file_is_too_strange(content):
    for begin in (b"", b"#!", b"\x7fELF\2\1\1", elf()[:70]):
        found = kind(begin + content)
        assert found is None or isinstance(found, (Script, Binary))


@pytest.fixture
def view(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    descriptor = os.open(root, os.O_PATH)
    yield View(descriptor, "ROOT", ("/covered",))
    os.close(descriptor)


def test_what_lies_in_a_root(view, tmp_path):
    root = tmp_path / "root"
    (root / "file").write_text("inside")
    (tmp_path / "outside").write_text("outside")
    (root / "up").symlink_to("../../outside")
    (root / "absolute").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to("loop")
    (root / "links").symlink_to("file")
    (root / "folder").mkdir()
    os.mkfifo(root / "fifo")
    assert view.read("/file", 100) == view.read("/links", 100) == b"inside"
    assert view.read("../../file", 100) == b"inside"
    # Who opens a fifo without a writer waits for ever.
    for name in ("up", "absolute", "absent", "fifo", "folder", "file/below"):
        assert view.read(f"/{name}", 100) is None, name
    assert view.link_at("/absolute") == str(tmp_path / "outside")
    assert view.link_at("/file") is None
    assert sorted(view.names("/")) == sorted(os.listdir(root))
    assert view.names("/file") == view.names("/absent") == []
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        view.read("/loop", 100)


def test_nothing_stays_open(view, tmp_path):
    (tmp_path / "root" / "folder").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    for path in ("/folder", "/folder/absent", "/absent/more"):
        assert view.read(path, 1) is None
    for path in ("/covered/file", "/covered"):
        with pytest.raises(OSError, match="mounted in the container only"):
            view.open(path)
    list(view.folders_above("/folder/absent"))
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_covered_is_not_told(view, tmp_path):
    root = tmp_path / "root"
    (root / "covered").mkdir()
    (root / "covered" / "file").write_text("the host's")
    (root / "way").symlink_to("covered")
    (root / "coveredtoo").write_text("seen")
    for path in ("/covered", "/covered/file", "/way/file", "/covered/absent", "/way/absent", "/covered/a/b/c"):
        with pytest.raises(OSError, match="/covered is mounted in the container only"):
            view.open(path)
    assert view.read("/coveredtoo", 100) == b"seen"


def failure(code):
    """Return the failure of a step of the core's."""
    planned = plan_of()
    (step,) = [item for item in planned.steps if item.step.function.__name__ == "set_groups"]
    return Failure(planned, step, code, "setgroups")


def test_a_failure_of_the_looking_hides_nothing(monkeypatch):
    def broken(_failure):
        raise ZeroDivisionError

    monkeypatch.setattr(capabilities, "missing", broken)
    assert of_step(failure(errno.EPERM)) is None
    assert explained(failure(errno.EPERM)).text == ""


@pytest.mark.parametrize("code", [errno.EIO, errno.EINVAL, 0])
def test_other_failures_are_not_guessed_at(code):
    assert of_step(failure(code)) is None
