"""The site can be built: no link of it leads nowhere, no page is left out, no reference is broken."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

TREE = Path(__file__).resolve().parents[2]
STRICT = ("-W", "--keep-going", "-n", "-q")


def build(folder: Path, source: Path = TREE) -> subprocess.CompletedProcess[str]:
    """Make a site as tox does, with the tree's own settings."""
    command = [sys.executable, "-m", "sphinx", *STRICT, "-c", TREE / "docs", "-d", folder / "doctrees", source, folder]
    return subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


class Page(HTMLParser):
    """What a page links to, and the places in it that may be linked to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src"):
                self.links.append(value or "")
            elif name == "id":
                self.places.add(value or "")


def broken(site: Path) -> list[str]:
    """Return the links within a site that lead nowhere."""
    pages = {file.resolve(): Page(file) for file in site.rglob("*.html")}
    found = []
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            place = unquote(parts.fragment)
            if not target.exists() or (place and target in pages and place not in pages[target].places):
                found.append(f"{file.relative_to(site)}: {link}")
    return found


def test_links_within_the_site_lead_somewhere(site: Path) -> None:
    assert broken(site) == []


def test_the_front_page_leads_to_every_page(site: Path) -> None:
    front = site / "docs" / "index.html"
    assert "docs/index.html" in (site / "index.html").read_text()
    links = [urlsplit(link) for link in Page(front).links]
    linked = {(site / "docs" / unquote(link.path)).resolve() for link in links if not link.scheme}
    pages = [TREE / "README.md", TREE / "CONTRIBUTING.md"]
    pages += [page for pattern in ("docs/**/*.md", "*/*/README.md") for page in TREE.glob(pattern)]
    built = {(site / page.relative_to(TREE)).with_suffix(".html") for page in pages}
    assert {page.relative_to(site) for page in built - linked} <= {front.relative_to(site)}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[a page](nowhere.md)", "xref_missing"),
        ("[a heading](#nowhere)", "xref_missing"),
        ("```{toctree}\nnowhere\n```", "toc.not_readable"),
    ],
)
def test_a_site_that_leads_nowhere_is_not_accepted(text: str, complaint: str, tmp_path: Path) -> None:
    done = build(tmp_path / "site", front_page(tmp_path, text))
    assert done.returncode == 1
    assert complaint in done.stderr


def test_a_link_that_sphinx_does_not_see_is_found(tmp_path: Path) -> None:
    done = build(tmp_path / "site", front_page(tmp_path, "<a href='nowhere.html'>somewhere</a>"))
    assert done.returncode == 0, done.stderr
    assert broken(tmp_path / "site") == ["docs/index.html: nowhere.html"]


def test_a_page_that_is_left_out_is_not_accepted(tmp_path: Path) -> None:
    source = front_page(tmp_path, "Nothing.")
    (source / "docs" / "forgotten.md").write_text("# Forgotten\n")
    done = build(tmp_path / "site", source)
    assert done.returncode == 1
    assert "forgotten.md: WARNING: document isn't included in any toctree" in done.stderr


def front_page(folder: Path, text: str) -> Path:
    """Make a tree of one page."""
    (folder / "tree" / "docs").mkdir(parents=True)
    (folder / "tree" / "docs" / "index.md").write_text(f"# Front\n\n{text}\n")
    return folder / "tree"
