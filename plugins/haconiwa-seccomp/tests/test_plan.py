"""Options, the place of the filter, and what is refused while planning."""

import signal
import sys
from typing import Any, get_args

import pytest
from haconiwa_seccomp import Action, Arg, Rule, Seccomp
from haconiwa_seccomp.libseccomp import names, number_of
from hypothesis import given, settings, strategies as st

from haconiwa_core.errors import Problem
from haconiwa_core.facts import EndingSignal, Namespace, NoNewPrivileges, Wrapper
from haconiwa_core.linux import bpf
from haconiwa_core.linux.constants import CLONE_NEWUSER
from haconiwa_core.operation import Slot
from haconiwa_core.plugins.catalogue import providers_of
from haconiwa_core.stages import Stage
from haconiwa_core.testing import Executed, FakeKernel, host, plan_of, planned_steps, problems_of, run_program

USER = host(uid=1000, gid=1000, capabilities=0)
LAST = (NoNewPrivileges("test"),)
LATER = ["rt_sigaction", "rt_sigprocmask", "close_range", "write", "execve"]
LAUNCHERS = ["brk", "exit_group", "getsockname", "mmap", "munmap", "sendmsg"]
BEFORE_CREDENTIALS = ["chdir", "getcwd", "setgroups", "getgroups"]


def filter_of(feature: Seccomp, **fields: Any) -> bytes:
    plan = plan_of(feature, **fields)
    (program,) = (step.step.arguments[0] for step in planned_steps(plan, "seccomp") if "load" in step.describe())
    return program


def answer(feature: Seccomp, name: str, *arguments: int, **fields: Any) -> int:
    (found,) = bpf.answers(filter_of(feature, **fields), number_of(name), arguments)
    return found


def test_the_filter_is_loaded_last_if_it_can_be() -> None:
    (step,) = planned_steps(plan_of(Seccomp(), facts=LAST), "seccomp")
    assert step.step.stage is Stage.CONFINE
    (step,) = planned_steps(plan_of(Seccomp()), "seccomp")
    assert step.step.stage is Stage.FILTER


def test_it_needs_a_right_or_that_none_can_be_gained() -> None:
    (problem,) = problems_of(Seccomp(), host=USER)
    assert problem.text == "needs no_new_privs, or CAP_SYS_ADMIN, which the caller does not have"
    assert problem.hint == f"add {providers_of('NoNewPrivileges')[0]}"
    assert problems_of(Seccomp(), host=USER, facts=LAST) == ()
    assert problems_of(Seccomp(), host=USER, facts=(Namespace("user", CLONE_NEWUSER),)) == ()


@pytest.mark.parametrize(("feature", "told"), [(Seccomp(), True), (Seccomp(log=True), False)])
def test_the_signal_that_a_filter_ends_by_is_told(feature: Seccomp, told: bool) -> None:
    found = list(plan_of(feature, host=host()).facts.all(EndingSignal))
    assert found == ([EndingSignal("seccomp", signal.SIGSYS)] if told else [])


@pytest.mark.parametrize("entry", ["start", "attach"])
def test_the_kernel_gets_what_was_planned(entry: str) -> None:
    kernel = FakeKernel()
    plan = plan_of(Seccomp(), entry=entry)
    (step,) = planned_steps(plan, "seccomp")
    if entry == "start":
        assert isinstance(run_program(plan, kernel), Executed)
        assert kernel.filters == (step.step.arguments[0],)


def test_a_handler_comes_before_and_with_whatever_is_attached() -> None:
    feature = Seccomp(rules=[Rule(["mkdir"], "user_notif")], handler="module:function")
    for entry in ("start", "attach"):
        plan = plan_of(feature, entry=entry, facts=LAST)
        started, loaded = planned_steps(plan, "seccomp")
        assert started.describe() == "<seccomp-handler> = start_handler('module:function')"
        assert (started.step.stage, loaded.step.stage) == (Stage.PREPARE, Stage.CONFINE)
    kernel = FakeKernel()
    assert isinstance(run_program(plan_of(feature), kernel), Executed)
    assert len(kernel.filters) == 1


@pytest.mark.parametrize("action", get_args(Action))
def test_every_action(action: Action) -> None:
    handler = "module:function" if action == "user_notif" else None
    found = answer(Seccomp(rules=[Rule(["mkdir"], action)], handler=handler), "mkdir")
    expected = {
        "allow": 0x7FFF0000,
        "log": 0x7FFC0000,
        "trace": 0x7FF00001,
        "user_notif": 0x7FC00000,
        "errno": 0x00050001,
        "trap": 0x00030000,
        "kill_thread": 0x00000000,
        "kill_process": 0x80000000,
    }
    assert found == expected[action]


@pytest.mark.parametrize(
    ("error", "number"), [(None, 1), (0, 0), (38, 38), (4094, 4094), ("ENOSYS", 38), ("EAGAIN", 11)]
)
def test_errors(error: int | str | None, number: int) -> None:
    assert answer(Seccomp(rules=[Rule(["mkdir"], "errno", error)]), "mkdir") == bpf.ERRNO | number
    assert answer(Seccomp(errno=error), "keyctl") == bpf.ERRNO | number


def test_the_first_rule_that_matches_decides() -> None:
    rules = [
        Rule(["mkdir"], "trap", args=[Arg(0, "==", 1)]),
        Rule(["mkdir", "rmdir"], "errno", "EIO", args=[Arg(0, "<", 3)]),
        Rule(["mkdir"], "kill_process", args=[Arg(0, "==", 2)]),
    ]
    feature = Seccomp(rules=rules)
    assert [answer(feature, "mkdir", value) for value in range(4)] == [
        bpf.ERRNO | 5,
        bpf.TRAP,
        bpf.ERRNO | 5,
        bpf.ALLOW,
    ]
    assert answer(feature, "rmdir", 1) == bpf.ERRNO | 5


def test_rules_come_before_the_profile() -> None:
    feature = Seccomp(rules=[Rule(["keyctl"], "allow"), Rule(["read"], "errno", args=[Arg(0, "==", 5)])])
    assert answer(feature, "keyctl") == bpf.ALLOW
    assert [answer(feature, "read", value) for value in (4, 5)] == [bpf.ALLOW, bpf.ERRNO | 1]


def test_rules_may_name_what_is_newer_than_the_profile() -> None:
    feature = Seccomp(rules=[Rule(["file_getattr"], "allow")])
    assert answer(feature, "file_getattr") == bpf.ALLOW
    assert answer(feature, "file_setattr") == answer(feature, "open_tree_attr") == bpf.ERRNO | 38


@pytest.mark.parametrize("default", ["kill_process", "trap", "allow", "log"])
def test_the_default_is_replaced(default: Action) -> None:
    assert answer(Seccomp(default=default), "keyctl") == answer(Seccomp(rules=[Rule(["keyctl"], default)]), "keyctl")
    # It knows no calls that are newer than it only to deny them in a better way.
    assert bpf.answers(filter_of(Seccomp(default=default)), 500, []) == {answer(Seccomp(default=default), "keyctl")}


def test_a_list_of_what_is_denied() -> None:
    feature = Seccomp(profile="none", default="allow", rules=[Rule(["keyctl", "bpf"], "errno")])
    program = filter_of(feature)
    denied = {name for name in names() if bpf.answers(program, number_of(name), []) != {bpf.ALLOW}}
    assert denied == {"keyctl", "bpf"}


@settings(max_examples=25)
@given(st.sets(st.sampled_from(sorted({*names()} - {*LATER, *LAUNCHERS, *BEFORE_CREDENTIALS})), max_size=20))
def test_a_list_of_what_is_allowed(allowed: set[str]) -> None:
    rules = [Rule([*LATER, *LAUNCHERS, *sorted(allowed)], "allow")]
    program = filter_of(Seccomp(profile="none", rules=rules), facts=LAST)
    found = {name for name in names() if bpf.answers(program, number_of(name), []) == {bpf.ALLOW}}
    assert found == {*LATER, *LAUNCHERS, *allowed}


def test_in_log_mode_nothing_is_denied() -> None:
    rules = [Rule(["mkdir"], "kill_process"), Rule(["rmdir"], "user_notif"), Rule(["read"], "allow")]
    program = filter_of(Seccomp(log=True, rules=rules), facts=LAST)
    answers = {name: bpf.answers(program, number_of(name), []) for name in names()}
    assert set().union(*answers.values()) == {bpf.ALLOW, bpf.LOG}
    assert answers["read"] == {bpf.ALLOW}
    assert answers["mkdir"] == answers["rmdir"] == answers["keyctl"] == {bpf.LOG}
    assert bpf.answers(program, 0, [], 0x40000003) == bpf.answers(program, 500, []) == {bpf.LOG}


@pytest.mark.parametrize("name", [*LATER, *LAUNCHERS])
@pytest.mark.parametrize("facts", [LAST, ()], ids=["last", "before credentials"])
def test_what_a_start_still_has_to_do_cannot_be_denied(name: str, facts: tuple) -> None:
    (problem,) = problems_of(Seccomp(rules=[Rule([name], "kill_process")]), facts=facts)
    assert problem.text.startswith(f"the filter's answer to {name} is kill_process, but ")
    assert problem.hint.startswith("allow it")


@pytest.mark.parametrize("name", BEFORE_CREDENTIALS)
def test_what_comes_before_the_last_moment(name: str) -> None:
    feature = Seccomp(rules=[Rule([name], "errno")])
    assert problems_of(feature, facts=LAST) == ()
    (problem,) = problems_of(feature)
    assert problem.text == f"the filter's answer to {name} is errno EPERM, but core calls it later, in CREDENTIALS"
    assert problem.hint == "allow it, or load the filter later, with no_new_privs"


def test_only_the_arguments_that_are_used_matter() -> None:
    def denying(arg: Arg, name: str) -> tuple[Problem, ...]:
        return problems_of(Seccomp(rules=[Rule([name], "errno", args=[arg])]), facts=LAST)

    # Signal 0 has no disposition to be reset.
    assert denying(Arg(0, "==", 0), "rt_sigaction") == ()
    assert len(denying(Arg(0, "==", 15), "rt_sigaction")) == 1
    # Where an address lies is not known.
    assert len(denying(Arg(0, "==", 0), "execve")) == 1


def test_a_wrapper_is_executed_under_the_filter() -> None:
    feature = Seccomp(rules=[Rule(["execveat"], "errno")])
    assert problems_of(feature, facts=LAST) == ()
    wrapped = (*LAST, Wrapper(Slot("stdin"), ("init",)))
    (problem,) = problems_of(feature, facts=wrapped)
    assert problem.text == "the filter's answer to execveat is errno EPERM, but core calls it later, in EXEC"


def test_the_last_wait_of_a_held_start_counts() -> None:
    feature = Seccomp(rules=[Rule(["read"], "errno")])
    assert problems_of(feature, facts=LAST) == ()
    (problem,) = problems_of(feature, facts=LAST, hold=True)
    assert problem.text.startswith("the filter's answer to read is errno EPERM")


@pytest.mark.parametrize("name", ["execve", "close_range", "mmap"])
def test_what_the_handler_answers_may_be_asked(name: str) -> None:
    feature = Seccomp(rules=[Rule([name], "user_notif")], handler="module:function")
    assert problems_of(feature, facts=LAST) == ()


@pytest.mark.parametrize("name", ["sendmsg", "read", "close"])
def test_what_the_handler_is_waited_for_with_cannot_be_asked(name: str) -> None:
    feature = Seccomp(rules=[Rule([name], "user_notif")], handler="module:function")
    (problem,) = problems_of(feature, facts=LAST)
    assert problem.text == f"the filter's answer to {name} is user_notif, but seccomp calls it later, in CONFINE"


@pytest.mark.parametrize(
    ("rule", "key", "text", "hint"),
    [
        (Rule(["mont"], "errno"), "names[0]", "'mont' is no system call", 'did you mean "mount"?'),
        (Rule(["read", "opennat"], "errno"), "names[1]", "'opennat' is no system call", 'did you mean "openat"?'),
        (Rule(["socketcall"], "allow"), "names[0]", "'socketcall' is a system call of other architectures only", ""),
        (Rule([], "allow"), "names", "names no system call", ""),
        (Rule(["mkdir"], "errno", "EPREM"), "errno", "'EPREM' is no error", 'did you mean "EPERM"?'),
        (Rule(["mkdir"], "trap", 1), "errno", 'goes with the `action` "errno" or "trace" only, not with "trap"', ""),
        (Rule(["mkdir"], "allow", args=[Arg(0, "<", 1, 1)]), "args[0].mask", 'goes with "==" only, not with "<"', ""),
        (
            Rule(["mkdir"], "allow", args=[Arg(0, "==", 3, mask=1)]),
            "args[0].value",
            "has bits that the mask takes away: no argument is equal to it",
            "",
        ),
        (
            Rule(["mkdir"], "allow", args=[Arg(0, ">", 3), Arg(1, ">", 3), Arg(0, "<", 5)]),
            "args[2]",
            "argument 0 is compared before",
            "rules are tried in order: write one for each comparison",
        ),
    ],
)
def test_rules_that_mean_nothing(rule: Rule, key: str, text: str, hint: str) -> None:
    (problem,) = problems_of(Seccomp(rules=[Rule(["read"], "allow"), rule]))
    assert (problem.key, problem.text, problem.hint) == (f"rules[1].{key}", text, hint)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"errno": "ENOSYS", "default": "trap"}, "errno"),
        ({"errno": "ENO"}, "errno"),
        ({"handler": "module:function"}, "handler"),
        ({"rules": [Rule(["mkdir"], "user_notif")]}, "handler"),
        ({"default": "user_notif"}, "handler"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], key: str) -> None:
    assert [problem.key for problem in problems_of(Seccomp(**options))] == [key]


def test_all_that_is_wrong_is_told() -> None:
    rules = [Rule(["mont"], "errno", "EPREM"), Rule(["socketcall"], "allow", args=[Arg(0, "<", 1, 1)])]
    problems = problems_of(Seccomp(rules=rules, handler="a:b"), host=USER)
    keys = {"", "rules[0].names[0]", "rules[0].errno", "rules[1].names[0]", "rules[1].args[0].mask", "handler"}
    assert {problem.key for problem in problems} == keys


@pytest.mark.parametrize(
    ("feature", "missing"),
    [
        (Seccomp(), {"errno", "allow", "kill_process"}),
        (Seccomp(log=True), {"allow", "log"}),
        (Seccomp(rules=[Rule(["mkdir"], "trap")]), {"errno", "allow", "kill_process", "trap"}),
    ],
)
def test_actions_that_the_kernel_does_not_have(feature: Seccomp, missing: set[str]) -> None:
    problems = problems_of(feature, host=host(kernel="4.4.0", seccomp_actions=()))
    assert {problem.text for problem in problems} == {
        f'the kernel 4.4.0 has no action "{action}" for filters' for action in missing
    }


def test_a_filter_that_is_too_long() -> None:
    rules = [Rule(["mkdir"], "errno", args=[Arg(0, "==", value), Arg(1, "==", value)]) for value in range(500)]
    (problem,) = problems_of(Seccomp(rules=rules))
    assert problem.text.startswith("the filter has ")
    assert problem.text.endswith(" instructions, and may have 4096")


@pytest.mark.parametrize(
    "options",
    [
        {"profile": ""},
        {"profile": None},
        {"profile": "a\0b"},
        {"profile": 5},
        {"default": "deny"},
        {"default": "SCMP_ACT_ALLOW"},
        {"default": 0},
        {"errno": -1},
        {"errno": 4095},
        {"errno": "eperm"},
        {"errno": "EPERM\n"},
        {"errno": True},
        {"errno": 1.0},
        {"handler": "module"},
        {"handler": "module:"},
        {"handler": ":function"},
        {"handler": "module:function()"},
        {"handler": "../module:function"},
        {"handler": print},
        {"log": 1},
        {"log": "yes"},
        {"rules": "mount"},
        {"rules": {"mount": "errno"}},
        {"rules": ["mount"]},
        {"rules": [{"names": ["mount"]}]},
        {"rules": [{"names": ["mount"], "action": "errno", "arg": []}]},
        {"rules": [Rule("mount", "errno")]},
        {"rules": [Rule([165], "errno")]},
        {"rules": [Rule(["mount\0"], "errno")]},
        {"rules": [Rule(["mount\n"], "errno")]},
        {"rules": [Rule([""], "errno")]},
        {"rules": [Rule(["MOUNT"], "errno")]},
        {"rules": [Rule(["mount"], "kill")]},
        {"rules": [Rule(["mount"], None)]},
        {"rules": [Rule(["mount"], "errno", args=[Arg(6, "==", 0)])]},
        {"rules": [Rule(["mount"], "errno", args=[Arg(-1, "==", 0)])]},
        {"rules": [Rule(["mount"], "errno", args=[Arg(0, "=", 0)])]},
        {"rules": [Rule(["mount"], "errno", args=[Arg(0, "==", -1)])]},
        {"rules": [Rule(["mount"], "errno", args=[Arg(0, "==", 2**64)])]},
        {"rules": [Rule(["mount"], "errno", args=[Arg(0, "==", "0")])]},
        {"rules": [Rule(["mount"], "errno", args=[Arg(0, "==", 0, -1)])]},
        {"rules": [Rule(["mount"], "errno", args=[0])]},
    ],
    ids=repr,
)
def test_wrong_values(options: dict[str, Any]) -> None:
    (name,) = options
    (problem,) = problems_of(Seccomp(**options))
    assert (problem.section, problem.key.partition("[")[0]) == ("seccomp", name)
    assert len(str(problem).splitlines()) == 1


ARGS = st.builds(
    Arg,
    st.integers(-1, 6),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "=", None]),
    st.integers(-1, 2**64),
    st.none() | st.integers(-1, 2**64),
)
RULES = st.builds(
    Rule,
    st.lists(st.sampled_from(["read", "mkdir", "execve", "mont", "socketcall", "", "a\0"]), max_size=3),
    st.sampled_from([*get_args(Action), "deny", None]),
    st.none() | st.integers(-1, 4096) | st.sampled_from(["EPERM", "EX", "e"]),
    st.lists(ARGS, max_size=3),
)


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "profile": st.sampled_from(["default", "none", "", "/dev/null", "/proc/self/mem"]),
            "rules": st.lists(RULES, max_size=3),
            "default": st.sampled_from([*get_args(Action), "deny", None]),
            "errno": st.none() | st.integers(-1, 4096) | st.text(max_size=5),
            "handler": st.none() | st.text(max_size=5) | st.just("a.b:c"),
            "log": st.booleans(),
        },
    ),
    st.booleans(),
)
def test_planning_finds_problems_and_nothing_else(options: dict[str, Any], last: bool) -> None:
    problems = problems_of(Seccomp(**options), facts=LAST if last else ())
    assert all(len(str(problem).splitlines()) == 1 for problem in problems)


def test_a_missing_libseccomp_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "pyseccomp":
                raise OSError("libseccomp.so.2: cannot open shared object file")

    for name in [name for name in sys.modules if name.startswith(("pyseccomp", "haconiwa_seccomp."))]:
        if name != "haconiwa_seccomp.plugin":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    (problem,) = problems_of(Seccomp())
    assert (problem.text, problem.hint) == ("libseccomp is missing", "install it: apt install libseccomp2")
