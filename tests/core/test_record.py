"""Records: written in one step, read with suspicion, claimed by one process at a time."""

import errno
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import count
from threading import Event

import pytest
from hypothesis import given, strategies as st

from haconiwa_core.errors import RecordError
from haconiwa_core.linux.host import create_own_file, file_note
from haconiwa_core.runtime.cleanup import collect
from haconiwa_core.runtime.record import Process, Record, Undo, boot_id, without_lasting
from haconiwa_core.runtime.store import FILE_NAME, Store

RECORD = Record(
    name="web",
    container={"name": "site", "command": ["sh", "-c", "echo é \udcff"]},
    boot=boot_id(),
    began=1234.5,
    status="running",
    orphan="keep",
    supervisor=Process.of(os.getpid()),
    child=Process(2, 77),
    undo=(Undo("undo_it", ("/x", 3, None, True), "sample", lasting=True), Undo("undo_it", ("/y",), "sample")),
    exit_status=3,
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state")


@pytest.fixture
def claim(store):
    claim = store.claim("web")
    yield claim
    claim.release()


def put(claim, content):
    (claim.directory / FILE_NAME).write_bytes(content)


@pytest.mark.parametrize("record", [RECORD, RECORD._replace(child=None, undo=(), exit_status=None)])
def test_a_record_is_read_as_it_was_written(store, claim, record):
    claim.write(record)
    assert store.read("web") == record
    assert list(store.records()) == [record]


def test_nobody_else_can_enter_whatever_the_umask_is(store):
    former = os.umask(0)
    try:
        claim = store.claim("web")
        claim.write(RECORD)
    finally:
        os.umask(former)
    places = (store.directory, claim.directory, claim.directory / FILE_NAME)
    assert [stat.S_IMODE(place.stat().st_mode) for place in places] == [0o700, 0o700, 0o600]
    claim.release()


@pytest.mark.parametrize("mode", [0o710, 0o701, 0o777, 0o1777], ids=oct)
def test_a_state_directory_that_others_can_enter_is_refused(store, mode):
    store.directory.mkdir()
    store.directory.chmod(mode)
    with pytest.raises(RecordError, match="must be a directory that only its owner"):
        store.claim("web")


def test_a_state_directory_behind_a_link_is_refused(store, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    store.directory.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError):
        store.claim("web")


def test_a_record_cut_at_any_byte_is_damaged(store, claim):
    claim.write(RECORD)
    whole = (claim.directory / FILE_NAME).read_bytes()
    for length in range(len(whole)):
        put(claim, whole[:length])
        with pytest.raises(RecordError, match="damaged"):
            store.read("web")


def test_a_changed_byte_is_damage_or_another_record(store, claim):
    claim.write(RECORD)
    whole = (claim.directory / FILE_NAME).read_bytes()
    for place in range(len(whole)):
        put(claim, whole[:place] + b"\xff" + whole[place + 1 :])
        with pytest.raises(RecordError):
            store.read("web")


@pytest.mark.parametrize("who", ["a thread of its owner", "another process"])
def test_it_is_removed_while_somebody_writes_beside_it(store, who):
    """As a supervisor notes the state of a container whose start has just failed, and `haconiwa update` a change."""

    done = Event()

    def write(claim, begun):
        with suppress(RecordError):
            while not done.is_set():
                claim.put("state.json", b"{}") if who == "a thread of its owner" else store.change(claim.name, {})
                begun.set()

    with ThreadPoolExecutor() as threads, ExitStack() as at_end:
        at_end.callback(done.set)
        for number in range(100):
            claim, begun = store.claim(f"web-{number}"), Event()
            written = threads.submit(write, claim, begun)
            begun.wait()
            claim.remove()
            written.result(timeout=60)
            assert store.names() == []


DAMAGED = {
    "not JSON": b"x",
    "empty": b"",
    "a list": b"[]",
    "no fields": b"{}",
    "another version": json.dumps({"version": 2}).encode(),
    "deep": b"[" * 200_000,
    "deep table": b'{"version":1,"child":' + b'{"a":' * 100_000,
    "no text": b"\xff\xfe",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_record_is_refused(store, claim, content):
    put(claim, content)
    with pytest.raises(RecordError):
        store.read("web")
    assert list(store.records()) == []


def test_a_record_that_is_too_large_is_not_parsed(store, claim):
    claim.write(RECORD)
    whole = (claim.directory / FILE_NAME).read_bytes()
    put(claim, whole.ljust(4 << 20))
    assert store.read("web") == RECORD
    put(claim, whole.ljust((4 << 20) + 1))
    with pytest.raises(RecordError, match="larger than a record can be"):
        store.read("web")


CHANGES = [
    {"supervisor": {"pid": "1", "started": 1}},
    {"supervisor": {"pid": 0, "started": 1}},
    {"supervisor": {"pid": -1, "started": 1}},
    {"supervisor": {"pid": True, "started": 1}},
    {"child": {"pid": 1}},
    {"child": {"pid": 1, "started": 1, "more": 1}},
    {"name": "../x"},
    {"name": None},
    {"undo": [{"function": "undo_it"}]},
    {"undo": 3},
    {"more": 1},
    {"version": "1"},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_field_of_another_shape_is_refused(store, claim, change):
    claim.write(RECORD)
    data = json.loads((claim.directory / FILE_NAME).read_text())
    put(claim, json.dumps({**data, **change}).encode())
    with pytest.raises(RecordError, match="damaged"):
        store.read("web")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
)


@given(st.sampled_from(sorted(Record._fields)), JSON)
def test_any_value_in_any_field_is_a_record_or_an_error(tmp_path_factory, field, value):
    store = Store(tmp_path_factory.mktemp("state", numbered=True) / "haconiwa")
    claim = store.claim("web")
    claim.write(RECORD)
    data = json.loads((claim.directory / FILE_NAME).read_text())
    put(claim, json.dumps({**data, field: value}).encode())
    claim.release()
    with suppress(RecordError):
        store.read("web")


@pytest.mark.parametrize("leads_to", ["other.json", "/dev/zero", "/etc/passwd"])
def test_a_link_is_not_followed(store, claim, leads_to):
    (claim.directory / "other.json").write_text("{}")
    (claim.directory / FILE_NAME).symlink_to(leads_to)
    with pytest.raises(RecordError, match=os.strerror(errno.ELOOP)):
        store.read("web")


@pytest.mark.parametrize("target", [FILE_NAME, f"{FILE_NAME}.new"])
def test_writing_changes_nothing_behind_a_link(store, claim, tmp_path, target):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (claim.directory / target).symlink_to(victim)
    try:
        claim.write(RECORD)
    except RecordError:
        assert target.endswith(".new")
    else:
        assert store.read("web") == RECORD
    assert victim.read_text() == "precious"


def test_a_name_is_taken_once(store, claim):
    with pytest.raises(RecordError, match="the name web is in use"):
        store.claim("web")
    claim.remove()
    store.claim("web").release()


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "a\n", "\0"])
def test_a_malformed_name_cannot_be_claimed(store, name):
    with pytest.raises(RecordError, match="cannot name a container"):
        store.claim(name)
    assert not store.directory.exists()


@pytest.mark.parametrize("name", ["web", "x" * 128])
def test_unique_names_begin_with_the_definitions(store, name):
    claims = [store.claim_unique(name) for _ in range(20)]
    assert len({claim.name for claim in claims}) == 20
    assert all(claim.name.startswith(name[:120] + "-") for claim in claims)
    for claim in claims:
        claim.release()


@pytest.mark.parametrize("_round", range(20))
def test_threads_that_hit_on_the_same_unique_name_get_others(store, monkeypatch, _round):
    drawn = count()
    # Every name is drawn eight times, which chance does to many thousands of containers.
    monkeypatch.setattr("secrets.token_hex", lambda _: f"{next(drawn) // 8:04x}")
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(store.claim_unique, ["web"] * 8))
    assert len({claim.name for claim in claims}) == 8
    for claim in claims:
        claim.release()


def attempt(store):
    try:
        return store.claim("web")
    except RecordError:
        return None


@pytest.mark.parametrize("_round", range(20))
def test_of_many_threads_one_gets_a_name(store, _round):
    with ThreadPoolExecutor(8) as pool:
        claims = [claim for claim in pool.map(attempt, [store] * 8) if claim]
    assert len(claims) == 1
    claims[0].release()


CLAIMER = """
import sys
from pathlib import Path
from haconiwa_core.errors import RecordError
from haconiwa_core.runtime.store import Store
store = Store(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    store.claim("web")
except RecordError:
    print("lost", flush=True)
else:
    print("won", flush=True)
sys.stdin.readline()
"""


def test_of_many_processes_one_gets_a_name(store):
    command = [sys.executable, "-c", CLAIMER, str(store.directory)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    rivals = [subprocess.Popen(command, **pipes) for _ in range(4)]
    assert [rival.stdout.readline() for rival in rivals] == ["ready\n"] * 4
    for word in ("go", "end"):
        for rival in rivals:
            rival.stdin.write(f"{word}\n")
            rival.stdin.flush()
        if word == "go":
            assert sorted(rival.stdout.readline() for rival in rivals) == ["lost\n"] * 3 + ["won\n"]
    for rival in rivals:
        rival.communicate()


def test_a_locked_instance_is_not_taken_over(store, claim):
    assert store.take_over("web") is None
    assert store.take_over("absent") is None
    claim.release()
    taken = store.take_over("web")
    assert taken.name == "web"
    taken.release()


def test_a_directory_that_has_gone_meanwhile_is_not_taken_over(store, claim, monkeypatch):
    """Between opening and locking, its owner may forget it and somebody else claim the name."""
    real_open = os.open

    def open_then_lose(path, *arguments, **keywords):
        descriptor = real_open(path, *arguments, **keywords)
        monkeypatch.undo()
        claim.remove()
        return descriptor

    monkeypatch.setattr(os, "open", open_then_lose)
    assert store.take_over("web") is None


def test_collecting_forgets_what_has_ended(store, claim):
    claim.write(RECORD._replace(status="exited", child=None, undo=()))
    assert [found for found in collect(store) if found.name == "web"] == []
    claim.release()
    assert [(found.name, found.problem) for found in collect(store)] == [("web", "")]
    assert store.names() == []


def test_collecting_forgets_a_claim_that_was_never_written(store, claim):
    claim.release()
    assert [(found.name, found.problem) for found in collect(store)] == [("web", "")]


def test_collecting_keeps_what_it_does_not_understand(store, claim):
    put(claim, b"{")
    claim.release()
    (found,) = collect(store)
    assert "damaged" in found.problem
    assert store.names() == ["web"]


def test_collecting_runs_every_undo_whatever_happens_to_the_others(store, claim, tmp_path):
    first, last, folder = tmp_path / "first", tmp_path / "last", str(claim.directory)
    for file in (first, last):
        create_own_file(str(file), b"", file.name, folder)
    file_note("folder", folder).touch()
    undo = [("remove_own_file", (str(path), path.name, folder)) for path in (first, last)]
    undo.insert(1, ("remove_own_file", (str(tmp_path), "folder", folder)))
    undo += [("unknown_function", ()), ("remove_own_file", ()), ("remove_own_file", ("\0", "folder", folder))]
    steps = tuple(Undo(function, arguments, "sample") for function, arguments in undo)
    claim.write(RECORD._replace(status="exited", child=None, undo=steps))
    claim.release()
    (found,) = collect(store)
    assert not first.exists()
    assert not last.exists()
    assert f"sample: remove_own_file('{tmp_path}', 'folder', '{folder}'): {os.strerror(errno.EISDIR)}" in found.problem
    assert "no undo named unknown_function" in found.problem
    assert "missing 3 required positional arguments" in found.problem
    assert "embedded null" in found.problem
    assert store.names() == ["web"]


def test_what_is_meant_to_last_is_undone_only_before_the_start():
    assert [undo.arguments for undo in without_lasting(RECORD).undo] == [("/y",)]


@pytest.mark.parametrize("name", ["web", "other", "../state/web", "", ".", "web/"])
def test_an_instance_is_in_the_store_under_its_name_alone(store, claim, name):
    assert (name in store) == (name == "web")
    claim.remove()
    assert name not in store
