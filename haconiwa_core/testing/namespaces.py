"""Checks that the plugins of all namespace kinds run besides."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import ClassVar

import pytest

from haconiwa_core.errors import SetupError
from haconiwa_core.linux import remove_handle
from haconiwa_core.namespace import NamespaceFeature
from haconiwa_core.plugins.catalogue import providers_of
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing.conformance import Conformance
from haconiwa_core.testing.fake.kernel import FakeKernel
from haconiwa_core.testing.fake.program import run_program
from haconiwa_core.testing.needs import needs_root
from haconiwa_core.testing.plans import all_plugins, host, plan_of, planned_steps, problems_of
from haconiwa_core.testing.running import run, started


class NamespaceConformance(Conformance):
    """What the plugin of a namespace kind promises besides.

    Attributes:
        kind: the file in /proc/PID/ns.
    """

    kind: ClassVar[str]

    @pytest.fixture
    def handles(self, tmp_path: Path) -> Path:
        """A folder of the host that can hold a handle."""
        return tmp_path

    @property
    def feature(self) -> type[NamespaceFeature]:
        """The plugin's feature."""
        feature = all_plugins().feature_class(self.section)
        assert issubclass(feature, NamespaceFeature)
        return feature

    def inode(self, pid: int | str) -> int:
        """Return the inode that tells a process's namespace of this kind apart."""
        return os.stat(f"/proc/{pid}/ns/{self.kind}").st_ino

    def test_its_kind(self) -> None:
        """The feature names the file that stands for its kind, and the kernel has it."""
        assert self.feature.kind == self.kind
        assert self.inode("self") > 0

    @pytest.mark.parametrize(
        ("options", "key", "text"),
        [
            ({"join": 0}, "join", "0 is no pid"),
            ({"join": "no name"}, "join", "'no name' is neither an absolute path nor a container's name"),
            ({"join": "../up"}, "join", "'../up' is neither an absolute path nor a container's name"),
            ({"join": 1.5}, "join", "must be an integer or a string, not 1.5"),
            ({"join": True}, "join", "must be an integer or a string, not True"),
            ({"keep": 7}, "keep", "must be a string, not 7"),
        ],
    )
    def test_wrong_options(self, options: dict[str, object], key: str, text: str) -> None:
        """Each wrong option is one clear problem."""
        (problem,) = problems_of(self.feature(**options))  # type: ignore[arg-type]  # what is tested
        assert (problem.section, problem.key, problem.text) == (self.section, key, text)

    def test_a_joined_namespace_is_not_kept(self) -> None:
        """Its owner decides how long it lives."""
        problems = problems_of(self.feature(join=1, keep="handle"))
        assert "a joined namespace cannot be kept" in [problem.text for problem in problems]

    def test_join_opens_on_the_host_and_enters_before_the_command(self) -> None:
        """The child may not be able to see the path."""
        names = [planned.step.function.__name__ for planned in planned_steps(plan_of(self.feature(join=1)))]
        assert names.index("open_namespace") < names.index("join_namespace") < names.index("execute")

    def test_a_kind_that_the_kernel_lacks(self) -> None:
        """StepError while planning, by name of the kind."""
        kinds = tuple(kind for kind in host().namespaces if kind != self.kind)
        (problem,) = problems_of(self.feature(), host=host(namespaces=kinds, kernel="5.10"))
        assert (problem.section, problem.text) == (self.section, f"the kernel 5.10 has no {self.kind} namespaces")

    def test_an_ordinary_user_is_told_what_is_missing(self) -> None:
        """Without a user namespace the kernel would refuse."""
        problems = problems_of(self.feature(), host=host(uid=1000, gid=1000, capabilities=0))
        expected = "needs CAP_SYS_ADMIN, which the caller does not have"
        assert [problem.text for problem in problems] == ([] if self.kind == "user" else [expected])
        advice = " or ".join(providers_of("Namespace user"))
        assert all(problem.hint.endswith(f"add {advice}") for problem in problems)

    @pytest.mark.parametrize("options", [{}, {"join": 1}])
    def test_the_program_ends_in_the_namespace(self, options: dict[str, int]) -> None:
        """Seen by the fake kernel: the command has left the host's namespace."""
        kernel = FakeKernel()
        before = dict(kernel.namespaces)
        run_program(plan_of(self.feature(**options)), kernel)  # type: ignore[arg-type]
        assert [kind for kind, owner in kernel.namespaces.items() if before.get(kind) != owner] == [self.kind]

    @needs_root
    def test_a_new_namespace(self) -> None:
        """The command is in a namespace that nobody else is in."""
        with started(self.feature()) as running:
            assert self.inode(running.pid) != self.inode("self")

    @needs_root
    def test_join_by_pid_and_path(self) -> None:
        """Both mean the namespace of a process."""
        with started(self.feature()) as first:
            for join in (first.pid, f"/proc/{first.pid}/ns/{self.kind}"):
                with started(self.feature(join=join)) as second:
                    assert self.inode(second.pid) == self.inode(first.pid)

    @needs_root
    def test_join_by_name(self) -> None:
        """A running container's name means its namespace."""
        name = f"test-{secrets.token_hex(4)}"
        with (
            started(self.feature(), store=Store(), instance=name) as first,
            started(self.feature(join=name)) as second,
        ):
            assert self.inode(second.pid) == self.inode(first.pid)

    @needs_root
    def test_a_kept_namespace_outlives_its_container(self, handles: Path) -> None:
        """A handle can be joined again when no process is left."""
        path = handles / "kept"
        if not self.feature.may_be_kept:
            (problem,) = problems_of(self.feature(keep=str(path)))
            assert problem.text.endswith("dies with its first process and cannot be kept")
            return
        with started(self.feature(keep=str(path))) as first:
            inode = self.inode(first.pid)
        try:
            assert path.stat().st_ino == inode
            with started(self.feature(join=str(path))) as second:
                assert self.inode(second.pid) == inode
        finally:
            remove_handle(str(path))
        assert list(handles.iterdir()) == []

    @needs_root
    @pytest.mark.parametrize(
        ("stdout", "stage"), [("inherit", "KEEP"), ("host:/no/such/folder/file", "PREPARE")], ids=["taken", "fails"]
    )
    def test_what_was_on_the_path_stays(self, handles: Path, stdout: str, stage: str) -> None:
        """A start removes no file that it has not made, wherever it fails."""
        if not self.feature.may_be_kept:
            pytest.skip(f"a {self.kind} namespace cannot be kept")
        path = handles / "taken"
        path.write_text("precious")
        with pytest.raises(SetupError) as caught:
            run(self.feature(keep=str(path)), command=["true"], stdout=stdout)
        assert (caught.value.stage, caught.value.cleanup) == (stage, ())
        assert path.read_text() == "precious"
        path.unlink()
