"""What somebody sees on a terminal, and a program elsewhere."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence

import pytest

from haconiwa_core.testing import readme_of

HOSTILE = "a\x1b[2J\x1b]0;title\x07\r\x9b1mb\nc[red]d[/red]:smile:\udcff"
SHOWN = r"a\x1b[2J\x1b]0;title\x07\x0d\x9b1mb\nc[red]d[/red]:smile:\udcff"

TABLE = f"""
from haconiwa_display import Row, print_table
print_table(("NAME", "STATE"), [Row(("web", "running"), "good"), Row(({HOSTILE!r}, "ended"), "bad"), Row(("c", "d"))])
"""
LINES = (("NAME", "STATE"), ("web", "running"), (SHOWN, "ended"), ("c", "d"))
PLAIN = "".join(f"{name:{len(SHOWN)}}  {state}\n" for name, state in LINES)
WORK = """
from haconiwa_display import progress
print(list(progress(iter("abc"), "looking [red]around\\x1b[2J", total=3)))
"""
LIVE = """
from haconiwa_display import Row, live
live(("NAME",), ([Row((f"{step}-{number}",)) for number in range(9)] for step in "ab"))
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(
    program: str, *, streams: Sequence[str] = ("stdout", "stderr"), columns: int = 120, rows: int = 24, **env: str
) -> tuple[str, str]:
    """Run a program with some of its streams on a terminal; return what that shows, and what the others have got."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
    places = {stream: slave if stream in streams else subprocess.PIPE for stream in ("stdout", "stderr")}
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=slave, **places, env={"PATH": os.environ["PATH"], "TERM": "xterm", **env}
    )
    os.close(slave)
    shown = b""
    while chunk := _read(master):
        shown += chunk
    os.close(master)
    out, err = child.communicate()
    assert child.returncode == 0, (shown, err)
    return shown.decode().replace("\r\n", "\n"), (out or b"").decode() + (err or b"").decode()


def _read(master: int) -> bytes:
    try:
        return os.read(master, 1 << 16)
    except OSError:  # The last who had the terminal open has ended.
        return b""


def elsewhere(program: str, **env: str) -> str:
    return subprocess.check_output([sys.executable, "-c", program], text=True, env={**os.environ, **env})


def test_elsewhere_a_table_is_the_core_s() -> None:
    core = TABLE.replace("haconiwa_display import Row, print_table", "haconiwa_core.cli.output import print_table")
    core = core.replace(', "good"', "").replace(', "bad"', "").replace("Row(", "(")
    assert elsewhere(TABLE) == elsewhere(core) == PLAIN


def test_a_terminal_shows_the_same_text_in_colours() -> None:
    shown, _ = on_terminal(TABLE)
    assert len(COLOUR.findall(shown)) >= 2
    lines = [line.rstrip() for line in CONTROL.sub("", shown).splitlines()]
    assert lines == PLAIN.splitlines()
    assert "\x1b[2J" not in shown
    assert "\x07" not in shown


def test_nothing_is_coloured_that_should_not_be() -> None:
    shown, _ = on_terminal(TABLE, NO_COLOR="1")
    assert not COLOUR.search(shown)
    assert [line.rstrip() for line in CONTROL.sub("", shown).splitlines()] == PLAIN.splitlines()


@pytest.mark.parametrize("term", ["dumb", ""])
@pytest.mark.parametrize("program", [TABLE, WORK, LIVE])
def test_a_terminal_that_cannot_draw_gets_plain_text(program: str, term: str) -> None:
    assert on_terminal(program, TERM=term)[0] == elsewhere(program)


def test_what_does_not_fit_is_wrapped_in_its_column() -> None:
    shown, _ = on_terminal(TABLE, columns=40)
    lines = CONTROL.sub("", shown).splitlines()
    assert max(map(len, lines)) <= 40
    assert "".join(line.split("  ")[0].strip() for line in lines[2:-1]).startswith(SHOWN[:60])


def test_a_bar_is_on_standard_error_only() -> None:
    shown, out = on_terminal(WORK, streams=["stderr"])
    assert out == "['a', 'b', 'c']\n"
    assert r"looking [red]around\x1b[2J" in CONTROL.sub("", shown)
    assert "3/3" in CONTROL.sub("", shown)
    # Without a terminal there, there is none, wherever standard output leads.
    shown, err = on_terminal(WORK, streams=["stdout"])
    assert (shown, err) == ("['a', 'b', 'c']\n", "")


def test_a_bar_goes_away_whatever_happens() -> None:
    program = """
from haconiwa_display import progress
try:
    for item in progress("abc", "looking", total=3):
        raise ValueError
except ValueError:
    pass
"""
    shown, _ = on_terminal(program)
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # The cursor is there again.
    assert "\x1b[2K" in shown


def test_live_tables_take_each_other_s_place() -> None:
    shown, _ = on_terminal(LIVE, rows=40)
    first, _, second = shown.partition("b-0")
    assert "a-8" in first
    assert "\x1b[1A" in first[first.index("a-8") :]
    assert "b-8" in second
    assert elsewhere(LIVE).splitlines() == [
        "NAME",
        *(f"a-{n}" for n in range(9)),
        "NAME",
        *(f"b-{n}" for n in range(9)),
    ]


def test_a_live_table_is_no_longer_than_the_terminal() -> None:
    shown, _ = on_terminal(LIVE, rows=8)
    assert "a-4" in shown
    assert "a-5" not in shown
    assert "... 4 more" in CONTROL.sub("", shown)


def test_a_row_of_a_live_table_is_one_line() -> None:
    program = LIVE.replace('("NAME",)', '("NAME", "COMMAND")').replace('}",))', '}", "word " * 100))')
    shown, _ = on_terminal(program, columns=60)
    lines = CONTROL.sub("", shown).replace("\r", "\n").splitlines()
    shown_rows = dict.fromkeys(line.split()[0] for line in lines if "word" in line)
    assert list(shown_rows) == [f"{step}-{n}" for step in "ab" for n in range(9)]
    assert {len(line) for line in lines if "word" in line} <= set(range(50, 61))
    assert all(line.endswith("…") for line in lines if "word" in line)


@pytest.mark.parametrize("program", [TABLE, WORK, LIVE])
def test_rich_is_imported_for_a_terminal_only(program: str) -> None:
    looked = f"{program}\nimport sys\nprint('rich' in sys.modules)"
    assert elsewhere(looked).endswith("False\n")
    assert CONTROL.sub("", on_terminal(looked)[0]).endswith("True\n")


def test_the_readme_s_example_prints_what_it_says() -> None:
    text = readme_of("haconiwa-display")
    (example,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (printed,) = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert elsewhere(example) == printed
