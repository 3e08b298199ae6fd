"""Numbers as people read them."""

import pytest
from haconiwa_stats.text import of_limit, size, sparkline, whole


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0, "0B"),
        (512, "512B"),
        (1023, "1023B"),
        (1023.7, "1.0K"),
        (1024, "1.0K"),
        (1536, "1.5K"),
        (10 * 1024, "10K"),
        (1023 * 1024, "1023K"),
        (100 << 20, "100M"),
        (5 << 40, "5.0T"),
        (2**63, "8.0E"),
    ],
)
def test_sizes(value, shown):
    assert size(value) == shown


def test_what_nobody_tells():
    assert (whole(None), whole(12.4)) == ("-", "12")
    assert (of_limit("3M", "-"), of_limit("3M", "10M")) == ("3M", "3M/10M")


def test_a_block_is_as_high_as_what_it_stands_for():
    assert sparkline([None, 0, 1, 50, 99, 100, 1000], 100) == "  ▁▄███"
    assert sparkline([12.5 * part for part in range(9)], 100) == " ▁▂▃▄▅▆▇█"
    assert sparkline([None, 0, 3], 0) == "   "
