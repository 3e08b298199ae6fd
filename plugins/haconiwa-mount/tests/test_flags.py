"""docker's flags add to the mounts of the section."""

import os

import pytest
from haconiwa_mount import Bind, Mount, Tmpfs
from haconiwa_mount.flags import options

from haconiwa_core.errors import DefinitionError


def test_they_are_added_to_those_of_the_definition():
    section = Mount(proc=True, bind=[Bind("/a", "/a")], tmpfs=[Tmpfs("/t")])
    changed = options({"volume": ["/b:/b"], "mount": ["type=bind,src=/c,dst=/c,ro"]}, section)
    assert changed == {"bind": (Bind("/a", "/a"), Bind("/b", "/b", read_only=False), Bind("/c", "/c"))}
    assert options({"tmpfs": ["/u:exec,dev,suid"]}, section) == {
        "tmpfs": (Tmpfs("/t"), Tmpfs("/u", mode=0o1777, nosuid=False, nodev=False))
    }


def test_a_relative_source_starts_where_the_caller_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (bind,) = options({"volume": ["./x/../y:/y"]}, None)["bind"]
    assert bind.source == os.path.join(tmp_path, "y")


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(DefinitionError) as caught:
        options({"volume": ["x:/y", "/x"], "mount": ["type=volume,dst=/x"], "tmpfs": ["/t:uid=1"]}, None)
    assert len(caught.value.problems) == 4
