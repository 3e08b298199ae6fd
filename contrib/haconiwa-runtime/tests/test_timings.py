"""What a start has taken is kept beside its record, shown as text, and drawn."""

import json
import subprocess
import sys
import time
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from haconiwa_runtime import Runtime
from haconiwa_runtime.timings import duration, read_timings
from haconiwa_runtime.timings.svg import drawing
from haconiwa_runtime.timings.table import table

from haconiwa_core import Container
from haconiwa_core.errors import RecordError
from haconiwa_core.runtime.store import Store
from haconiwa_core.runtime.timings import FILE_NAME, Span
from haconiwa_core.testing import needs_root

DISTURBED = """
import sys
from haconiwa_core.cli.main import main
from haconiwa_core.runtime.store import Claim

put = Claim.put


def put_or_fail(claim, name, content):
    if name == "{name}":
        (claim.directory / "timings.json.new").symlink_to("elsewhere")
    put(claim, name, content)


Claim.put = put_or_fail
sys.exit(main())
"""
"""The command line; what it writes under a name fails."""

HACONIWA = [sys.executable, "-m", "haconiwa_core"]
SVG = "{http://www.w3.org/2000/svg}"

SPANS = (
    Span("host", "PREPARE", "core", "open_file", 0, 300_000),
    Span("host", "PREPARE", "cgroup", "make_cgroup", 300_000, 1_000_000),
    Span("child", "CLONE", "core", "", 1_000_000, 1_500_000),
    Span("child", "ADOPT", "", "wait", 1_500_000, 2_000_000),
    Span("host", "ADOPT", "hooks", "after_clone", 1_600_000, 1_900_000),
    Span("child", "EXEC", "core", "", 2_000_000, 4_000_000),
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state")


@pytest.fixture
def runtime(store):
    with Runtime(store=store) as runtime:
        yield runtime


def haconiwa(store, *arguments, **more):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HACONIWA_STATE": str(store.directory), **more}
    command = [*HACONIWA, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def is_a_start(spans):
    """Return whether these can be the parts of a start."""
    for lane in ("host", "child"):
        own = [span for span in spans if span.lane == lane]
        assert own
        assert all(former.end <= latter.begin for former, latter in pairwise(own))
    return spans[-1].stage == "EXEC"


@needs_root
class TestKept:
    def test_of_a_program(self, runtime, store):
        began = time.monotonic_ns()
        running = runtime.start(Container("c", ["sleep", "1000"]))
        took = time.monotonic_ns() - began
        spans = running.timings
        assert is_a_start(spans)
        assert max(span.end for span in spans) <= took
        running.stop(timeout=5)
        assert running.timings == read_timings(store, running.name) == spans
        running.remove()
        with pytest.raises(RecordError, match="no container named"):
            _ = running.timings

    def test_of_one_that_is_held(self, runtime):
        created = runtime.create(Container("c", ["true"]))
        held = time.monotonic_ns()
        time.sleep(0.2)
        resumed = time.monotonic_ns()
        running = created.start()
        assert is_a_start(running.timings)
        # Control: a part that has begun before and has ended afterwards would be that long.
        assert max(span.end - span.begin for span in running.timings) < resumed - held

    def test_of_one_in_the_background(self, store):
        started = haconiwa(store, "run", "-d", "--name", "back", "--", "sleep", "1000")
        assert started.returncode == 0, started.stderr
        try:
            spans = read_timings(store, "back")
            assert is_a_start(spans)
        finally:
            haconiwa(store, "stop", "-t", "0", "back")
        # Who has watched it knows nothing of its start, and leaves what is kept as it is.
        assert read_timings(store, "back") == spans

    def test_of_one_in_the_foreground(self, store):
        assert haconiwa(store, "run", "--name", "front", "--", "true").returncode == 0
        assert is_a_start(read_timings(store, "front"))

    def test_of_one_that_is_removed(self, store):
        assert haconiwa(store, "run", "--rm", "--name", "front", "--", "true").returncode == 0
        assert not list(store.directory.iterdir())

    @pytest.mark.parametrize("kept", [True, False])
    def test_where_they_cannot_be_kept_nothing_is_left_in_the_background(self, store, tmp_path, kept):
        """A container of which nobody is told must not go on."""
        (tmp_path / "program.py").write_text(DISTURBED.format(name="other" if kept else FILE_NAME))
        environment = {"PATH": "/usr/bin:/bin", "HACONIWA_STATE": str(store.directory)}
        command = [sys.executable, tmp_path / "program.py", "run", "-d", "--name", "back", "--", "sleep", "1000"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert store.names() == (["back"] if kept else []), done.stderr
        assert (done.returncode, FILE_NAME in done.stderr) == ((0, False) if kept else (125, True))
        if kept:
            haconiwa(store, "rm", "--force", "back")


@needs_root
def test_the_verb(store, tmp_path):
    assert haconiwa(store, "run", "--name", "web", "--", "true").returncode == 0
    spans = read_timings(store, "web")
    shown = haconiwa(store, "timings", "web", COLUMNS="120")
    assert (shown.returncode, shown.stderr) == (0, "")
    header, *lines = shown.stdout.splitlines()
    assert header.split() == ["LANE", "STAGE", "PLUGIN", "WHAT", "AT", "TOOK"]
    assert len(lines) == len(spans)
    assert max(map(len, lines)) <= 120
    told = json.loads(haconiwa(store, "timings", "--format", "json", "web").stdout)
    assert [Span(**item) for item in told] == list(spans)
    file = tmp_path / "web.svg"
    assert haconiwa(store, "timings", "web", "--svg", file).stdout == ""
    assert file.read_text() == drawing("web", spans)
    failed = haconiwa(store, "timings", "web", "--svg", tmp_path / "no" / "where")
    assert failed.returncode != 0
    assert "cannot write" in failed.stderr
    for name, reason in (("other", "there is no container named other"), ("web", "of one in the foreground")):
        (store.directory / "web" / FILE_NAME).unlink(missing_ok=True)
        failed = haconiwa(store, "timings", name)
        assert failed.returncode != 0
        assert reason in failed.stderr


class TestRead:
    @pytest.fixture
    def file(self, store):
        claim = store.claim("web")
        yield claim.directory / FILE_NAME
        claim.release()

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "[]",
            '{"version":2,"spans":[]}',
            '{"version":1}',
            '{"version":1,"spans":[["host"]]}',
            '{"version":1,"spans":[["moon","ROOT","core","",0,1]]}',
            '{"version":1,"spans":[["host","ROOT",null,"",0,1]]}',
            '{"version":1,"spans":[["host","ROOT","core","",2,1]]}',
            '{"version":1,"spans":[["host","ROOT","core","",0,true]]}',
            '{"version":1,"spans":[["host","ROOT","core","",0,1.5]]}',
            "[" * 100_000,
        ],
    )
    def test_what_is_damaged_is_no_start(self, store, file, content):
        file.write_text(content)
        with pytest.raises(RecordError, match="damaged"):
            read_timings(store, "web")

    def test_what_is_right(self, store, file):
        file.write_text(json.dumps({"version": 1, "spans": SPANS}))
        assert read_timings(store, "web") == SPANS

    def test_a_link_is_not_followed(self, store, file, tmp_path):
        (tmp_path / "other").write_text(json.dumps({"version": 1, "spans": SPANS}))
        file.symlink_to(tmp_path / "other")
        with pytest.raises(RecordError, match="cannot read"):
            read_timings(store, "web")


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0.00 µs"),
        (999, "1.00 µs"),
        (99_900, "99.9 µs"),
        (999_400, "999 µs"),
        (1_000_000, "1.00 ms"),
        (12_340_000, "12.3 ms"),
        (999_000_000, "999 ms"),
        (60_000_000_000, "60.0 s"),
        (10**13, "10000 s"),
    ],
)
def test_durations_have_three_digits(nanoseconds, text):
    assert duration(nanoseconds) == text


class TestTable:
    def test_a_row_for_each_part_in_the_order_of_time(self):
        _, *lines = table(SPANS, 120)
        assert [line.split()[1] for line in lines] == ["PREPARE", "PREPARE", "CLONE", "ADOPT", "ADOPT", "EXEC"]
        assert [line.split()[0] for line in lines][3:5] == ["child", "host"]

    def test_bars_lie_where_the_parts_were(self):
        """One column is 100 µs."""
        fixed = len(next(iter(table(SPANS, 0))))
        (width,) = [width for width in range(fixed, fixed + 60) if max(map(len, table(SPANS, width))) == fixed + 42]
        bars = [line[fixed + 2 :] for line in list(table(SPANS, width))[1:]]
        assert bars == [
            "###",
            " " * 3 + "#" * 7,
            " " * 10 + "=" * 5,
            " " * 15 + "." * 5,
            " " * 16 + "#" * 3,
            " " * 20 + "=" * 20,
        ]

    @pytest.mark.parametrize("width", [0, 60, 80, 200])
    def test_no_bar_is_invisible_and_none_leads_out(self, width):
        spans = [Span("host", "PREPARE", "core", str(time), time, time) for time in (0, 5, 10**9)]
        fixed = len(next(iter(table(spans, 0))))
        bars = [line[fixed + 2 :] for line in list(table(spans, width))[1:]]
        assert [bar.count("#") for bar in bars] == [1, 1, 1]
        assert max(map(len, bars)) == max(20, width - fixed - 2)

    def test_of_no_duration_at_all(self):
        assert len(list(table([Span("host", "PREPARE", "core", "x", 0, 0)], 80))) == 2

    def test_control_characters_are_shown(self):
        text = "\n".join(table([Span("host", "a\nb", "c\x1b[31m", "\udcff", 0, 1)], 80))
        assert text.isprintable() is False
        assert set(text) - {"\n"} == {letter for letter in text if letter.isprintable()}


class TestDrawing:
    def test_each_part_has_a_bar_where_it_was(self):
        root = ElementTree.fromstring(drawing("web", SPANS))
        tips = {}
        for rect in root.iter(f"{SVG}rect"):
            tip = rect.find(f"{SVG}title")
            if tip is not None:
                tips[tip.text] = (float(rect.get("x")), float(rect.get("width")))
        whole = next(width for tip, (_, width) in tips.items() if tip.startswith("EXEC core"))
        for span in SPANS:
            (place,) = [
                place for tip, place in tips.items() if tip.startswith(f"{span.stage} {span.plugin} {span.what}:")
            ]
            assert place[1] == pytest.approx(whole * (span.end - span.begin) / 2_000_000, abs=0.2)
        assert float(root.get("width")) > max(x + width for x, width in tips.values())

    def test_it_needs_nothing_else(self):
        text = drawing("web", SPANS)
        assert [link for link in ("href", "src=", "url(http", "@import") if link in text] == []

    @pytest.mark.parametrize("hostile", ["<script>", "&amp;", '"', "\x1b[2J", "\0", "\udcff", "￾￿", "]]>", "%s"])
    def test_hostile_texts_are_texts(self, hostile):
        span = Span("host", hostile, hostile, hostile, 0, 1000)
        root = ElementTree.fromstring(drawing(hostile, [span]).encode())
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
            *("svg", "title", "defs", "pattern", "rect", "text", "tspan", "path", "circle")
        }
        if hostile.isascii() and hostile.isprintable():
            assert any(hostile in "".join(element.itertext()) for element in root.iter(f"{SVG}text"))

    @pytest.mark.parametrize("spans", [[], [Span("host", "PREPARE", "core", "x", 0, 0)]])
    def test_of_next_to_nothing(self, spans):
        ElementTree.fromstring(drawing("web", spans))

    @pytest.mark.parametrize("total", [1000, 123_456, 10**6, 10**9, 10**12])
    def test_the_axis_has_a_few_ticks_that_are_told_apart(self, total):
        root = ElementTree.fromstring(drawing("web", [Span("host", "PREPARE", "core", "x", 0, total)]))
        axis = [
            text for text in root.iter(f"{SVG}text") if text.get("text-anchor") == "middle" and text.get("y") == "106"
        ]
        labels = ["".join(text.itertext()) for text in axis]
        assert len(set(labels)) == len(labels)
        assert 2 <= len(labels) <= 10

    def test_long_labels_are_shortened(self):
        root = ElementTree.fromstring(drawing("web", [Span("child", "MOUNTS", "plugin, " * 50, "", 0, 10)]))
        labels = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
        assert [label for label in labels if label.startswith("plugin")] != []
        assert max(len(label) for label in labels if label.startswith("plugin")) < 50
