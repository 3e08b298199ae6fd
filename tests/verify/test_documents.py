"""What the documents say of verify is so; what its page shows is done by tests/documentation."""

from pathlib import Path

from documentation.pages import check_page
from haconiwa_verify.attempts import ATTEMPTS

TREE = Path(__file__).parents[2]


def test_the_example_of_the_distribution(tmp_path):
    check_page(TREE / "contrib/haconiwa-verify/README.md", tmp_path)


def test_the_page_has_all_attempts():
    rows = "".join(f"| `{attempt.name}` | {attempt.what} |\n" for attempt in ATTEMPTS)
    page = (TREE / "docs/reference/verify.md").read_text()
    assert f"<!-- attempts -->\n| attempt | what is tried |\n| --- | --- |\n{rows}<!-- end -->" in page
