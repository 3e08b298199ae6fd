"""The table of codes in the README is what is looked for."""

import re

from haconiwa_audit import Code
from haconiwa_audit.findings import CHECKS

from haconiwa_core.options import convert
from haconiwa_core.plugins.catalogue import known_names
from haconiwa_core.testing import readme_of


def test_the_readme_has_them_all() -> None:
    rows = [check.finding for check in CHECKS]
    lines = ["| Code | What it is | Why it matters | What to do |", "|---|---|---|---|"]
    lines += [f"| `{row.code}` | {row.what} | {row.why} | {row.remedy} |" for row in rows]
    (table,) = re.findall(r"<!-- codes -->\n(.*?)\n?<!-- end -->", readme_of("haconiwa-audit"), re.DOTALL)
    assert table == "\n".join(lines)


def test_each_can_be_accepted() -> None:
    codes = [check.finding.code for check in CHECKS]
    assert len(set(codes)) == len(codes)
    assert [convert(code, Code, "") for code in codes] == [(code, []) for code in codes]


def test_each_says_what_to_do_with_a_feature_that_there_is() -> None:
    for check in CHECKS:
        assert check.finding.section in known_names()
        assert any(name in check.finding.remedy for name in known_names())
