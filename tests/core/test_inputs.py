"""Files that planning reads are inputs of the plan: told with their digests, and read with care."""

import hashlib
import os

import pytest
from core.support import Sample, plan_of, problems_of


def _read(feature, planning):
    planning.read_on_host(feature.file)
    return ()


READER = Sample("reader", options=[("file", str, "")], steps=_read)


def planned(file, folder=""):
    return plan_of(READER, features=[READER.feature(file=str(file))], folder=str(folder))


@pytest.mark.parametrize("content", [b"", b"policy", b"x" * (1 << 20)], ids=["empty", "short", "longest"])
def test_a_file_is_an_input(tmp_path, content):
    (tmp_path / "policy").write_bytes(content)
    expected = [(str(tmp_path / "policy"), hashlib.sha256(content).hexdigest())]
    assert planned(tmp_path / "policy").inputs == tuple(expected)
    assert planned("policy", tmp_path).inputs == tuple(expected)


def made(folder, kind):
    path = folder / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "large":
        path.write_bytes(b"x" * ((1 << 20) + 1))
    elif kind == "device":
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("missing", "No such file"),
        ("folder", "not a regular file"),
        ("fifo", "not a regular file"),
        ("device", "not a regular file"),
        ("large", "larger than 1 MiB"),
    ],
)
def test_what_is_no_input_is_a_problem(tmp_path, kind, text):
    path = made(tmp_path, kind)
    (problem,) = problems_of(planned, path)
    assert f"cannot read {path}" in problem
    assert text in problem
