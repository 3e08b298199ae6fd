import pytest
from haconiwa_chroot import Chroot

from haconiwa_core.facts import Fact, IdMap, IdRange, Namespace
from haconiwa_core.host import HostFacts
from haconiwa_core.linux.constants import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
)
from haconiwa_core.stages import Stage
from haconiwa_core.testing import (
    Executed,
    FakeKernel,
    functions,
    host,
    plan_of,
    planned_steps,
    problems_of,
    run_program,
)

NEW = (Namespace("mnt", CLONE_NEWNS),)
JOINED = (Namespace("mnt", CLONE_NEWNS, joined=True),)
IDS = IdMap((IdRange(0, 100000, 65536),), (IdRange(0, 200000, 65536),))
ALICE = host(uid=1000, gid=1001, capabilities=0)


@pytest.mark.parametrize(
    ("feature", "facts", "last"),
    [
        (Chroot("/srv/web"), (), "change_root"),
        (Chroot("/srv/web"), JOINED, "change_root"),
        (Chroot("/srv/web"), NEW, "pivot_root"),
        (Chroot("/srv/web", pivot=True), NEW, "pivot_root"),
        (Chroot("/srv/web", pivot=False), NEW, "change_root"),
    ],
)
def test_how_the_root_is_changed(feature: Chroot, facts: tuple[Namespace, ...], last: str) -> None:
    assert functions(plan_of(feature, facts=facts), "chroot")[-1] == last


ATTRIBUTES = {"read_only": MOUNT_ATTR_RDONLY, "nosuid": MOUNT_ATTR_NOSUID, "nodev": MOUNT_ATTR_NODEV}


@pytest.mark.parametrize("without", [None, *ATTRIBUTES])
@pytest.mark.parametrize("value", [None, True])
def test_the_command_finds_the_root(without: str | None, value: bool | None) -> None:
    kernel = FakeKernel()
    options = {name: value if name != without else False for name in ATTRIBUTES}
    expected = sum(flag for name, flag in ATTRIBUTES.items() if name != without)
    outcome = run_program(plan_of(Chroot("/srv/web", **options), facts=NEW, workdir="/tmp"), kernel)
    assert isinstance(outcome, Executed)
    assert kernel.root.node is kernel.files.resolve("/srv/web", kernel.files.root, kernel.files.root).node
    assert kernel.root.mount.attributes == expected
    assert kernel.path_of(kernel.cwd) == "/tmp"


@pytest.mark.parametrize("facts", [(), JOINED])
@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({"pivot": True}, ["pivot_root needs a mount namespace of the container's own"]),
        ({"read_only": True}, ["a read-only root needs a mount namespace of the container's own"]),
        (
            {"nosuid": True, "nodev": True},
            [
                "a root without set-user-ID programs needs a mount namespace of the container's own",
                "a root without device files needs a mount namespace of the container's own",
            ],
        ),
    ],
)
def test_what_needs_a_mount_namespace(options: dict[str, bool], texts: list[str], facts: tuple[Namespace, ...]) -> None:
    problems = problems_of(Chroot("/srv/web", **options), facts=facts)
    assert [(problem.key, problem.text) for problem in problems] == list(zip(options, texts, strict=True))
    assert all("ns-mount" in problem.hint for problem in problems)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"root": ""}, "root"),
        ({"root": "a\0b"}, "root"),
        ({"root": 7}, "root"),
        ({"root": None}, "root"),
        ({"root": "/", "pivot": "yes"}, "pivot"),
        ({"root": "/", "read_only": 1}, "read_only"),
    ],
)
def test_wrong_values(options: dict[str, object], key: str) -> None:
    (problem,) = problems_of(Chroot(**options), facts=NEW)
    assert problem.key == key
    assert problem.text.startswith("must be")


def test_a_relative_root_lies_beside_the_definition() -> None:
    steps = planned_steps(plan_of(Chroot("root"), facts=NEW, folder="/srv/definitions"), "chroot")
    assert steps[0].step.arguments[0] == "/srv/definitions/root"


def test_an_ordinary_users_child_opens_the_root() -> None:
    facts = (*NEW, Namespace("user", CLONE_NEWUSER))
    steps = planned_steps(plan_of(Chroot("/srv/web"), facts=facts, host=ALICE), "chroot")
    assert {planned.step.stage for planned in steps} == {Stage.MOUNTS, Stage.ROOT}


@pytest.mark.parametrize(
    ("facts", "host", "hint"),
    [
        (NEW, None, "add ns-user"),
        ((*NEW, Namespace("user", CLONE_NEWUSER), IDS), ALICE, "leave it out"),
    ],
    ids=["without a user namespace", "an ordinary user"],
)
def test_ids_that_cannot_be_mapped(facts: tuple[Fact, ...], host: HostFacts | None, hint: str) -> None:
    (problem,) = problems_of(Chroot("/srv/web", idmapped=True), facts=facts, host=host)
    assert problem.key == "idmapped"
    assert problem.hint.startswith(hint)
