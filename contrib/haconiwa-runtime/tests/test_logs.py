"""Logs on disk: what their readers make of files that were written in the two ways."""

import itertools
import os

import pytest
from haconiwa_runtime import Runtime
from haconiwa_runtime.logs import LINES_NAME, STDERR, STDOUT, Part, open_log, read_log

from haconiwa_core import Container
from haconiwa_core.errors import RecordError
from haconiwa_core.linux.host import LOG_NAME
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import needs_root

STAMP = b"2026-01-31T12:00:%02d.000000001Z"


def line(text, stream=b"stdout", tag=b"F", second=0):
    return b" ".join((STAMP % second, stream, tag, text)) + b"\n"


def put(folder, *files):
    """Write a log's files, the oldest first."""
    for number, content in enumerate(reversed(files)):
        (folder / (f"{LINES_NAME}.{number}" if number else LINES_NAME)).write_bytes(content)


def rotate(folder):
    for number in reversed(range(len(list(folder.glob(f"{LINES_NAME}*"))))):
        (folder / (f"{LINES_NAME}.{number}" if number else LINES_NAME)).rename(folder / f"{LINES_NAME}.{number + 1}")
    (folder / LINES_NAME).touch()


def tail(folder, lines):
    with open_log(folder) as source:
        source.skip_to_tail(lines)
        return b"".join(part.data for part in source.read())


def test_parts_tell_stream_and_time(tmp_path):
    put(tmp_path, line(b"out") + line(b"err", b"stderr", second=7) + line(b"un", tag=b"P"))
    with open_log(tmp_path) as source:
        assert source.has_times
        assert list(source.read()) == [
            Part(STDOUT, b"out\n", STAMP % 0),
            Part(STDERR, b"err\n", STAMP % 7),
            Part(STDOUT, b"un", STAMP % 0),
        ]


def test_files_are_read_in_order(tmp_path):
    put(tmp_path, *(line(b"%d" % number) for number in range(12)))
    assert read_log(tmp_path).split() == [b"%d" % number for number in range(12)]


@pytest.mark.parametrize("damaged", [b"", b"short", b"x" * 100, line(b"t", b"stdxxx")[:-1], line(b"t", tag=b"X")[:-1]])
def test_what_is_no_line_of_a_log_is_shown_as_it_is(tmp_path, damaged):
    put(tmp_path, line(b"one") + damaged + b"\n" + line(b"two"))
    with open_log(tmp_path) as source:
        assert list(source.read())[1] == Part(STDERR, damaged + b"\n")
    assert read_log(tmp_path) == b"one\n" + damaged + b"\ntwo\n"


def test_a_line_that_is_still_written_is_waited_for(tmp_path):
    whole = line(b"whole")
    put(tmp_path, whole[:45])
    with open_log(tmp_path) as source:
        assert list(source.read()) == []
        put(tmp_path, whole)
        assert [part.data for part in source.read()] == [b"whole\n"]


def test_reading_goes_on_across_rotation(tmp_path):
    put(tmp_path, line(b"0"))
    written = itertools.count(1)
    seen = []
    with open_log(tmp_path) as source:
        for round_ in range(30):
            seen += [int(part.data) for part in source.read()]
            for _ in range(round_ % 4):
                with (tmp_path / LINES_NAME).open("ab") as file:
                    file.write(line(b"%d" % next(written)))
                rotate(tmp_path)
        seen += [int(part.data) for part in source.read()]
        assert seen == list(range(next(written)))
        assert len(seen) > 40
        assert not source.missed


def test_what_was_rotated_away_is_told(tmp_path):
    put(tmp_path, line(b"old"))
    with open_log(tmp_path) as source:
        assert len(list(source.read())) == 1
        put(tmp_path, line(b"older"), line(b"newer"))
        assert not source.missed
        (tmp_path / LINES_NAME).unlink()
        (tmp_path / f"{LINES_NAME}.1").rename(tmp_path / "gone")
        put(tmp_path, line(b"new"))
        assert [part.data for part in source.read()][-1] == b"new\n"
        assert source.missed


def test_a_gap_that_a_rotation_leaves_for_a_moment(tmp_path):
    put(tmp_path, line(b"1"), line(b"2"), line(b"3"))
    expected = read_log(tmp_path)
    (tmp_path / f"{LINES_NAME}.2").rename(tmp_path / f"{LINES_NAME}.3")
    assert read_log(tmp_path) == expected
    (tmp_path / f"{LINES_NAME}.1").rename(tmp_path / f"{LINES_NAME}.2")
    assert read_log(tmp_path) == expected
    (tmp_path / LINES_NAME).rename(tmp_path / f"{LINES_NAME}.1")
    assert read_log(tmp_path) == expected


@pytest.mark.parametrize("lines", [0, 1, 2, 6, 7, 8, 9, 100])
def test_the_tail_of_several_files(tmp_path, lines):
    texts = [b"%d" % number for number in range(8)]
    put(tmp_path, *(b"".join(map(line, group)) for group in (texts[:3], texts[3:3], texts[3:4], texts[4:])))
    assert tail(tmp_path, lines).split() == (texts[-lines:] if lines else [])


def test_the_tail_counts_lines_and_not_their_parts(tmp_path):
    parts = [line(b"a"), line(b"b1 ", tag=b"P"), line(b"b2 ", tag=b"P"), line(b"b3"), line(b"c", b"stderr")]
    put(tmp_path, b"".join(parts[:2]), b"".join(parts[2:]))
    assert tail(tmp_path, 1) == b"c\n"
    assert tail(tmp_path, 2) == b"b1 b2 b3\nc\n"
    assert tail(tmp_path, 3) == b"a\nb1 b2 b3\nc\n"
    put(tmp_path, b"".join(parts), line(b"unfinished", tag=b"P"))
    assert tail(tmp_path, 1) == b"unfinished"
    assert tail(tmp_path, 2) == b"c\nunfinished"


@pytest.mark.parametrize("count", [3, 5000])
def test_the_tail_of_a_large_file_is_read_from_its_end(tmp_path, count):
    texts = [b"%d " % number + b"x" * (number % 300) for number in range(20_000)]
    put(tmp_path, b"".join(map(line, texts)))
    assert tail(tmp_path, count).splitlines() == texts[-count:]


class TestAsItCame:
    @pytest.mark.parametrize("end", [b"", b"\n"])
    @pytest.mark.parametrize("lines", [0, 1, 2, 20_000, 20_001, 30_000])
    def test_the_tail(self, tmp_path, lines, end):
        texts = [b"%d" % number for number in range(20_001)]
        (tmp_path / LOG_NAME).write_bytes(b"\n".join(texts) + end)
        assert tail(tmp_path, lines).splitlines() == (texts[-lines:] if lines else [])

    def test_a_line_without_an_end_takes_no_memory(self, tmp_path):
        """Neither is it read more than once: 256 MiB would take minutes otherwise."""
        with (tmp_path / LOG_NAME).open("wb") as file:
            file.write(b"first\n")
            file.truncate(1 << 28)
        with open_log(tmp_path) as source:
            source.skip_to_tail(1)
            assert os.lseek(source._files[0].fileno(), 0, os.SEEK_CUR) == len(b"first\n")

    def test_it_has_no_times(self, tmp_path):
        (tmp_path / LOG_NAME).write_bytes(b"any\0thing")
        with open_log(tmp_path) as source:
            assert not source.has_times
            assert list(source.read()) == [Part(STDOUT, b"any\0thing")]

    @needs_root
    def test_of_a_container(self, tmp_path):
        with Runtime(store=Store(tmp_path)) as runtime:
            running = runtime.start(Container("c", ["sh", "-c", "echo out; echo err >&2"]))
            running.wait()
            assert read_log(tmp_path / "c") == running.logs() == b"out\nerr\n"


def test_no_log(tmp_path):
    assert read_log(tmp_path) == b""
    assert read_log(tmp_path / "absent") == b""
    with pytest.raises(FileNotFoundError):
        open_log(tmp_path)


@pytest.mark.parametrize("name", [LOG_NAME, LINES_NAME, f"{LINES_NAME}.1"])
def test_links_are_not_followed(tmp_path, name):
    (tmp_path / "secret").write_text("secret\n")
    put(tmp_path, line(b"one"))
    if name != f"{LINES_NAME}.1":
        (tmp_path / LINES_NAME).unlink()
    (tmp_path / name).symlink_to("secret")
    with pytest.raises(RecordError, match="cannot read the log"):
        open_log(tmp_path)
