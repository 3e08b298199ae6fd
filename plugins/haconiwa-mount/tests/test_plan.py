import itertools

import pytest
from haconiwa_mount import Bind, Mount, Overlay, Tmpfs
from hypothesis import given, settings, strategies as st

from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWNS, CLONE_NEWUSER
from haconiwa_core.linux.mounts import attach_below_root
from haconiwa_core.stages import Stage
from haconiwa_core.testing import FakeKernel, functions, host, plan_of, planned_steps, problems_of, run_program

NEW = (Namespace("mnt", CLONE_NEWNS),)
ALICE = host(uid=1000, gid=1001, capabilities=0)


def targets(feature: Mount) -> list[str]:
    steps = [planned.step for planned in planned_steps(plan_of(feature, facts=NEW), "mount")]
    return [str(step.arguments[1]) for step in steps if step.function is attach_below_root]


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)),
        unique=True,
        max_size=8,
    )
)
def test_parents_are_mounted_before_what_lies_below(paths: list[str]) -> None:
    order = targets(Mount(tmpfs=[Tmpfs(path) for path in paths]))
    assert sorted(order) == sorted(paths)
    for earlier, later in itertools.combinations(order, 2):
        assert not earlier.startswith(f"{later}/")


def test_sources_are_taken_before_anything_is_mounted() -> None:
    feature = Mount(dev=True, bind=[Bind("/etc", "/tmp"), Bind("/srv", "/tmp/below")])
    for fields in ({}, {"host": ALICE}):
        facts = (*NEW, Namespace("user", CLONE_NEWUSER))
        names = functions(plan_of(feature, facts=facts, **fields), "mount")
        opened = [index for index, name in enumerate(names) if name == "open_tree"]
        assert opened == list(range(len(opened)))


def test_an_ordinary_users_child_takes_the_sources() -> None:
    facts = (*NEW, Namespace("user", CLONE_NEWUSER))
    steps = planned_steps(plan_of(Mount(bind=[Bind("/etc", "/tmp")]), facts=facts, host=ALICE), "mount")
    assert {planned.step.stage for planned in steps} == {Stage.MOUNTS}


@pytest.mark.parametrize(
    ("feature", "path", "kind"),
    [
        (Mount(proc=True), "/proc", "proc"),
        (Mount(tmpfs=[Tmpfs("/srv/made/by/us")]), "/srv/made/by/us", "tmpfs"),
        (Mount(dev=True, shm=True), "/dev/shm", "tmpfs"),
        (Mount(overlay=[Overlay("/srv", lower=["/etc"])]), "/srv", "overlay"),
        (Mount(masked=["/etc"]), "/etc", "tmpfs"),
    ],
)
def test_what_is_found_at_a_path(feature: Mount, path: str, kind: str) -> None:
    kernel = FakeKernel()
    run_program(plan_of(feature, facts=NEW), kernel)
    assert kernel.files.resolve(path, kernel.root, kernel.root).mount.kind == kind


@pytest.mark.parametrize("joined", [True, None])
def test_nothing_is_mounted_for_others(joined: bool | None) -> None:
    facts = (Namespace("mnt", CLONE_NEWNS, joined),) if joined else ()
    (problem,) = problems_of(Mount(), facts=facts)
    assert problem.text == "would change the mounts of others: they need a new mount namespace"
    assert "ns-mount" in problem.hint


@pytest.mark.parametrize(
    ("options", "key", "text"),
    [
        ({"bind": [Bind("/a", "b")]}, "bind[0].target", "must be an absolute path"),
        ({"bind": [Bind("", "/b")]}, "bind[0].source", "must be a path"),
        ({"bind": [Bind("/a\0", "/b")]}, "bind[0].source", "must be a path"),
        ({"bind": [Bind("/a", "/")]}, "bind[0].target", "cannot be the root itself"),
        ({"bind": [Bind("/a", "/./b")], "tmpfs": [Tmpfs("//")]}, "tmpfs[0].target", "cannot be the root itself"),
        ({"bind": [Bind("/a", "/b/../c")]}, "bind[0].target", 'must not contain ".."'),
        ({"bind": [Bind("/a", "/proc")]}, "bind[0].target", "must not lie in proc or sysfs"),
        ({"bind": [Bind("/a", "/sys/fs")]}, "bind[0].target", "must not lie in proc or sysfs"),
        ({"bind": [Bind("/a", "/b", read_only="yes")]}, "bind[0].read_only", "must be true or false"),
        ({"bind": ["/a:/b"]}, "bind[0]", "must be a table"),
        ({"bind": "/a"}, "bind", "must be a list"),
        ({"bind": [Bind("/a", "/b")], "tmpfs": [Tmpfs("/b")]}, "tmpfs[0].target", "is the target of bind[0] too"),
        ({"tmpfs": [Tmpfs("/a", size="big")]}, "tmpfs[0].size", "must be a size"),
        ({"tmpfs": [Tmpfs("/a", size=1024)]}, "tmpfs[0].size", "must be"),
        ({"tmpfs": [Tmpfs("/a", mode=0o10000)]}, "tmpfs[0].mode", "must be at most 4095"),
        ({"tmpfs": [Tmpfs("/a", mode="0755")]}, "tmpfs[0].mode", "must be an integer"),
        ({"overlay": [Overlay("/a", lower=[])]}, "overlay[0].lower", "is empty"),
        ({"overlay": [Overlay("/a", lower="/b")]}, "overlay[0].lower", "must be a list"),
        ({"overlay": [Overlay("/a", lower=["/b"], upper="/c")]}, "overlay[0]", "upper and work belong together"),
        ({"overlay": [Overlay("/a", lower=["/b"], work="/c")]}, "overlay[0]", "upper and work belong together"),
        ({"overlay": [Overlay("/a", lower=["/b"], read_only=True)]}, "overlay[0].lower", "two lower directories"),
        (
            {"overlay": [Overlay("/a", lower=["/b", "/c"], upper="/d", work="/e", read_only=True)]},
            "overlay[0].upper",
            "takes no changes",
        ),
        ({"masked": ["etc"]}, "masked[0]", "must be an absolute path"),
        ({"masked": ["/a/.."]}, "masked[0]", 'must not contain ".."'),
        ({"read_only": ["/../a"]}, "read_only[0]", 'must not contain ".."'),
        ({"read_only": "/a"}, "read_only", "must be a list"),
        *[({key: 1}, key, "must be true or false") for key in ("proc", "sysfs", "dev", "devpts", "shm", "mqueue")],
    ],
)
def test_wrong_values(options: dict[str, object], key: str, text: str) -> None:
    (problem,) = problems_of(Mount(**options), facts=NEW)
    assert problem.key == key
    assert text in problem.text
