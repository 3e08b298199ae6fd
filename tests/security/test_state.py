"""Names and records: nobody's text becomes a path, a process to kill, or a traceback."""

import json
import os
import signal
import subprocess
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from system.world import haconiwa

from haconiwa_core.errors import RecordError
from haconiwa_core.runtime.cleanup import collect
from haconiwa_core.runtime.record import Process, Record, Undo, boot_id, encoded
from haconiwa_core.runtime.store import Store

NAMES = [
    "../x",
    "a/b",
    "a\nb",
    "a\n",
    "-x",
    "x" * 129,
    "x" * 300,
    "\u202ex",
    ".",
    "..",
    ".x",
    "",
    " ",
    "a b",
    "a;b",
    "%s",
    "\uff41",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_that_are_no_names(name, leaves_nothing):
    with pytest.raises(RecordError):
        Store().claim(name)
    done = haconiwa("run", f"--name={name}", "--", "true")
    assert done.returncode == 125
    assert "Traceback" not in done.stderr


def record(name="victim", **changes):
    values = {"name": name, "container": {}, "boot": boot_id(), "began": 0.0, "status": "running"}
    return Record(**{**values, "orphan": "end", "supervisor": Process(1, 1), **changes})


DATA = json.loads(encoded(record()))


@pytest.fixture
def bystander():
    """A process that no record may kill."""
    with subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True) as process:
        yield process
        assert process.poll() is None
        process.kill()


def write(text):
    claim = Store().claim("victim")
    (claim.directory / "record.json").write_bytes(text)
    claim.release()


def test_a_pid_that_means_another_process_now(bystander):
    started = Process.of(bystander.pid).started
    write(encoded(record(child=Process(bystander.pid, started + 1))))
    assert [found.problem for found in collect(Store())] == [""]
    assert Store().names() == []


def test_a_process_of_another_boot(bystander):
    child = Process.of(bystander.pid)
    write(encoded(record(child=child, boot="00000000-0000-0000-0000-000000000000")))
    assert [found.problem for found in collect(Store())] == [""]


def test_a_process_that_is_meant_is_killed():
    """The control of the two above."""
    process = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
    write(encoded(record(child=Process.of(process.pid))))
    assert [found.problem for found in collect(Store())] == [""]
    assert process.wait(timeout=10) == -signal.SIGKILL


def test_records_cut_at_every_byte(bystander):
    undo = (Undo("remove_own_file", ("/run/nothing", "nothing", "/run"), "core"),)
    text = encoded(record(child=Process.of(bystander.pid), undo=undo))
    write(b"")
    file = Store().directory / "victim/record.json"
    for length in range(len(text)):
        file.write_bytes(text[:length])
        (found,) = collect(Store())
        assert "damaged" in found.problem
    assert haconiwa("gc").returncode == 125


HOSTILE = [
    b"[" * 100_000,
    b"\xff\xfe",
    b"null",
    b"{}",
    b" " * (5 << 20),
    b'{"version": 1}',
    json.dumps({**DATA, "version": 99}).encode(),
    json.dumps({**DATA, "child": {"pid": -1, "started": 0}}).encode(),
    json.dumps({**DATA, "child": {"pid": 0, "started": 0}}).encode(),
    json.dumps({**DATA, "child": {"pid": "1", "started": 0}}).encode(),
    json.dumps({**DATA, "name": "../../etc"}).encode(),
    json.dumps({**DATA, "surplus": 1}).encode(),
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20].decode(errors="replace"))
def test_records_that_are_none(text):
    write(text)
    (found,) = collect(Store())
    assert found.problem
    assert "Traceback" not in haconiwa("gc").stderr


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    changes=st.dictionaries(
        st.sampled_from(list(DATA)),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
    )
)
def test_records_of_any_shape(changes, bystander):
    """Reading gives a record or a RecordError, whatever stands in it."""
    write_again(json.dumps({**DATA, **changes}).encode())
    with suppress(RecordError):
        assert isinstance(Store().read("victim"), Record)


def write_again(text):
    directory = Store().directory / "victim"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "record.json").write_bytes(text)


@pytest.mark.parametrize("owner", [1000, 0], ids=["somebody else's", "root's"])
def test_a_container_that_somebody_else_has_made_up_is_not_joined(owner, bystander):
    """What looks like a record counts only where root alone could have put it; root's own is the control."""
    write(encoded(record(child=Process.of(bystander.pid))))
    os.chown(Store().directory, owner, owner)
    done = haconiwa("run", "--rm", "--set", "ns-uts.join=victim", "--", "true")
    if owner:
        assert done.returncode == 125
        assert "must be a directory that only its owner, user 0, can enter" in done.stderr
    else:
        assert (done.returncode, done.stderr) == (0, "")


def test_an_undo_is_of_the_vocabulary_only():
    write(encoded(record(undo=(Undo("system", ("touch /run/pwned",), "evil"),))))
    (found,) = collect(Store())
    assert "no undo named system" in found.problem
    assert not os.path.exists("/run/pwned")


def test_records_that_are_links(tmp_path):
    claim = Store().claim("victim")
    (tmp_path / "elsewhere").write_bytes(encoded(record()))
    (claim.directory / "record.json").symlink_to(tmp_path / "elsewhere")
    claim.release()
    with pytest.raises(RecordError):
        Store().read("victim")
    (Store().directory / "linked").symlink_to(tmp_path)
    haconiwa("gc")
    assert (tmp_path / "elsewhere").exists()


def test_nobody_else_may_read_the_state():
    former = os.umask(0)
    try:
        haconiwa("run", "--name", "kept", "--", "true")
        haconiwa("run", "--name", "logged", "--", "true")
    finally:
        os.umask(former)
    modes = {path.relative_to("/run").as_posix(): path.stat().st_mode & 0o777 for path in Store().directory.rglob("*")}
    assert Store().directory.stat().st_mode & 0o777 == 0o700
    assert modes["haconiwa/kept"] == 0o700
    assert modes["haconiwa/kept/record.json"] == 0o600
    assert all(mode in (0o700, 0o600) for mode in modes.values())


def test_a_state_directory_of_somebody_else():
    """Whoever could make /run/haconiwa beforehand would own every record."""
    Store().directory.mkdir()
    os.chown(Store().directory, 1000, 1000)
    done = haconiwa("run", "--rm", "--", "true")
    assert done.returncode == 125, "a directory of user 1000 holds root's records"
