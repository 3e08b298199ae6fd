"""The keys that leave a terminal."""

import pytest
from haconiwa_runtime.terminal.keys import DetachKeys, parse_keys
from hypothesis import given, strategies as st

from haconiwa_core.errors import DefinitionError


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("ctrl-]", b"\x1d"),
        ("ctrl-@,ctrl-\\,ctrl-^,ctrl-_,ctrl-[", b"\0\x1c\x1e\x1f\x1b"),
        ("a,ctrl-a,Z", b"a\x01Z"),
        ("", b""),
    ],
)
def test_keys(text, keys):
    assert parse_keys(text) == keys


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-pp", "ctrl-P", "ctrl-1", "pq", ",", "a,", "ä", "ctrl-ä", "xctrl-p"])
def test_what_is_no_key(text):
    with pytest.raises(DefinitionError, match="is no key"):
        parse_keys(text)


@given(st.lists(st.binary(max_size=4)), st.sampled_from([b"\x10\x11", b"aab", b"x", b"aa", b""]))
def test_pieces_are_as_one(pieces, keys):
    whole = b"".join(pieces)
    taking, handed, left = DetachKeys(keys), b"", False
    for piece in pieces:
        data, left = taking.take(piece)
        handed += data
        if left:
            break
    before, found, _ = whole.partition(keys) if keys else (whole, b"", b"")
    assert left == bool(found)
    if found:
        assert handed == before
    else:
        assert whole.startswith(handed)
        # What is held back could be the beginning of the keys.
        assert keys.startswith(whole[len(handed) :])
        assert len(whole) - len(handed) < max(len(keys), 1)


@given(st.lists(st.sampled_from([b"a", b"b", b"aa", b"ab", b"ba"])))
def test_a_beginning_that_repeats_itself(pieces):
    test_pieces_are_as_one.hypothesis.inner_test(pieces, b"aab")
