from haconiwa_ns_mount import MountNamespace

from haconiwa_core.testing import functions, plan_of


def test_a_new_tree_is_made_private_and_a_joined_one_is_left() -> None:
    assert "make_tree_private" in functions(plan_of(MountNamespace()))
    assert "make_tree_private" not in functions(plan_of(MountNamespace(join=1)))
