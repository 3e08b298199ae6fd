"""What a filter answers; tests/audit asks other filters, and the kernel."""

import struct

import pytest
from haconiwa_audit.filters import Asked, denies
from hypothesis import given, strategies as st

LOAD, AND, RETURN, JUMP, EQUAL, GREATER, NOT_LESS, ANY_BIT = 0x20, 0x54, 0x06, 0x05, 0x15, 0x25, 0x35, 0x45
ALLOW, LOG, NOTIFY, ERRNO, TRAP, KILL = 0x7FFF0000, 0x7FFC0000, 0x7FC00000, 0x00050001, 0x00030000, 0x80000000
NUMBER, FIRST, FIRST_HIGH, SECOND = 0, 16, 20, 24


def program(*instructions: tuple[int, int, int, int]) -> bytes:
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


def when(offset: int, test: int, value: int, *, mask: int = 0xFFFFFFFF) -> bytes:
    """Return a filter that denies a call of which a word passes a test."""
    words = ((LOAD, 0, 0, offset), (AND, 0, 0, mask), (test, 0, 1, value), (RETURN, 0, 0, ERRNO), (RETURN, 0, 0, ALLOW))
    return program(*words)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(ALLOW, False), (LOG, False), (NOTIFY, False), (ERRNO, True), (TRAP, True), (KILL, True), (0, True)],
)
def test_answers(answer: int, expected: bool) -> None:
    assert denies(program((RETURN, 0, 0, answer)), Asked.mount, ()) is expected


@pytest.mark.parametrize(
    ("made", "arguments", "expected"),
    [
        (when(NUMBER, EQUAL, Asked.unshare), (), True),
        (when(NUMBER, EQUAL, Asked.mount), (), False),
        (when(NUMBER, GREATER, Asked.unshare), (), False),
        (when(NUMBER, NOT_LESS, Asked.unshare), (), True),
        (when(FIRST, ANY_BIT, 0x10000000), (0x10000000,), True),
        (when(FIRST, ANY_BIT, 0x10000000), (0x20000000,), False),
        (when(FIRST, ANY_BIT, 0x10000000), (), False),
        (when(FIRST, EQUAL, 0x10, mask=0xF0), (0x1F,), True),
        (when(FIRST_HIGH, EQUAL, 1), (1 << 32,), True),
        (when(SECOND, EQUAL, 5), (0, 5), True),
        (program((JUMP, 0, 0, 1), (RETURN, 0, 0, ERRNO), (RETURN, 0, 0, ALLOW)), (), False),
    ],
)
def test_conditions(made: bytes, arguments: tuple[int, ...], expected: bool) -> None:
    assert denies(made, Asked.unshare, arguments) is expected


@given(st.binary(max_size=80))
def test_what_is_not_understood_denies_nothing_and_ends(content: bytes) -> None:
    whole = content[: len(content) // 8 * 8]
    assert denies(whole, Asked.mount, ()) in (False, True)


@pytest.mark.parametrize(
    "content", [b"", b"odd", program((LOAD, 0, 0, 4096)), program((JUMP, 0, 0, 9)), program((0xFFFF, 0, 0, 0))]
)
def test_what_is_no_filter(content: bytes) -> None:
    assert not denies(content, Asked.mount, ())
