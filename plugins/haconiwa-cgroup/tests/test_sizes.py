import pytest
from haconiwa_cgroup.sizes import parsed, written
from hypothesis import given, strategies as st

UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


@given(st.integers(0, 2**20), st.sampled_from(sorted(UNITS)))
def test_units_are_powers_of_1024(number: int, unit: str) -> None:
    assert parsed(f"{number}{unit}") == parsed(number << UNITS[unit]) == number * 2 ** UNITS[unit]


@given(st.integers(0, 2**63 - 1))
def test_what_is_written_means_the_same(number: int) -> None:
    assert written(number) == written(str(number)) == str(number)
    assert parsed(written(number)) == number


def test_no_limit() -> None:
    assert parsed("max") is None
    assert written("max") == "max"


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("256M", 268435456), ("1G", 1073741824), ("007K", 7168)])
def test_examples(text: str, size: int) -> None:
    assert parsed(text) == size
