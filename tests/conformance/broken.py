"""Plugins that break one promise each: the good one, with a small change."""

from __future__ import annotations

from typing import NamedTuple

FEATURE = "haconiwa_lamp/__init__.py"
PLUGIN = "haconiwa_lamp/plugin.py"
KERNEL = "haconiwa_lamp/kernel.py"
STEPS = "haconiwa_lamp/steps.py"
README = "README.md"
TESTS = "conformance.py"

NOTE = "    note = str(feature.note)\n"
UNDO = ", undo=undo)\n        yield Step(Stage.ADOPT, write_mark, path, note)"


FOREIGN = """
from haconiwa_core.linux.vocabulary import lowers
from haconiwa_lamp import kernel

@lowers
def enclose():
    yield from kernel.enclose()
"""


class Change(NamedTuple):
    """Text that is replaced in a file, in which it occurs once.

    Without any text the file is removed; one that is not there is made.
    """

    file: str
    old: str = ""
    new: str = ""


def planning_does(action: str) -> tuple[Change, ...]:
    """Change what is done while planning."""
    return (Change(PLUGIN, NOTE, f"{NOTE}    {action}\n"),)


BROKEN: dict[str, tuple[Change, ...]] = {
    "test_one_name_everywhere": (Change("METADATA", "Name: haconiwa-lamp", "Name: haconiwa-lamps"),),
    "test_it_loads_alone": (Change(PLUGIN, "CAP_SYS_CHROOT = 18", "import haconiwa_rlimit\n\nCAP_SYS_CHROOT = 18"),),
    "test_what_does_not_name_it_does_not_import_it": (Change("haconiwa_lamp.pth", new="import haconiwa_lamp\n"),),
    "test_it_is_typed": (Change("haconiwa_lamp/py.typed"),),
    "test_it_says_what_it_can_do_without_root": (Change(FEATURE, 'Rootless("yes")', 'Rootless("partly")'),),
    "test_what_only_root_can_have_is_refused": (
        Change(FEATURE, 'Rootless("yes")', 'Rootless("no", "lamps are for root; use a candle")'),
    ),
    "test_its_feature_is_a_value": (Change(FEATURE, "frozen=True, kw_only=True", "frozen=True"),),
    "test_its_defaults_are_valid": (Change(FEATURE, "Range(0, 0o777)", "Range(0, 7)"),),
    "test_its_options_are_documented": (Change(README, "what the file says", "its content"),),
    "test_its_readme_says_what_is_needed_to_choose": (Change(README, "## Not promised", "## Limits"),),
    "test_unknown_keys_are_refused_with_a_suggestion": (
        Change(FEATURE, "    level:", '    notee: int = option(0, "nothing")\n    level:'),
        Change(README, "| `level`", "| `notee` | `0` | nothing |\n| `level`"),
    ),
    "test_it_can_be_written_down": (
        # What is written is the same for both, and is read as the first.
        Change(
            FEATURE,
            "@dataclass(frozen=True, kw_only=True)",
            "@dataclass(frozen=True)\nclass Bright:\n    text: str\n\n\n"
            "@dataclass(frozen=True)\nclass Dim:\n    text: str\n\n\n"
            "@dataclass(frozen=True, kw_only=True)",
        ),
        Change(FEATURE, "note: str | None", "note: Bright | Dim | None"),
        Change(TESTS, "import Lamp", "import Dim, Lamp"),
        Change(TESTS, 'note="on"', 'note=Dim("on")'),
    ),
    "test_each_hook_is_marked": (Change(PLUGIN, "@hookimpl\ndef haconiwa_check", "def haconiwa_check"),),
    "test_its_hooks_have_the_signatures_of_the_specs": (Change(PLUGIN, "plan: Plan", "plan: object"),),
    "test_the_same_plan_in_any_order": (
        Change(PLUGIN, NOTE, "    CALLS.append(1)\n    note = str(len(CALLS))\n"),
        Change(PLUGIN, "CAP_SYS_CHROOT = 18", "CAP_SYS_CHROOT = 18\nCALLS: list[int] = []"),
    ),
    "test_the_same_plan_in_every_process": (Change(PLUGIN, NOTE, '    note = str(hash("lamp"))\n'),),
    "test_planning_changes_nothing": planning_does("__import__('os').utime(planning.container.folder)"),
    "test_what_planning_reads_is_an_input": planning_does("open('/etc/passwd').close()"),
    "test_planning_needs_no_privilege": planning_does("__import__('os').chroot('/')"),
    "test_what_the_host_lacks_is_a_problem": (
        Change(PLUGIN, "    if not planning.host.has", "    planning.host.namespaces[0]\n    if not planning.host.has"),
    ),
    "test_its_facts_are_the_cores": (
        Change(PLUGIN, '"""Tell nothing."""\n    yield from ()', "yield Light(feature.level)"),
        Change(PLUGIN, "CAP_SYS_CHROOT = 18", "CAP_SYS_CHROOT = 18\nclass Light(NamedTuple):\n    level: int"),
        Change(PLUGIN, "from haconiwa_core import Def", "from typing import NamedTuple\nfrom haconiwa_core import Def"),
    ),
    "test_steps_are_in_declared_stages": (Change(FEATURE, "Stage.ADOPT, ", ""),),
    "test_child_steps_are_operations_of_its_own_or_the_cores": (
        Change(PLUGIN, "from haconiwa_lamp.kernel import", "from lantern import"),
        Change("lantern.py", new=FOREIGN),
    ),
    "test_functions_of_steps_can_be_imported": (
        Change(PLUGIN, "make_mark, path, note, DIR", "lambda *mark: make_mark(*mark), path, note, DIR"),
    ),
    "test_what_is_attached_is_confined_too": (
        Change(
            PLUGIN,
            "    yield Step(Stage.LIMITS, enclose)",
            '    if planning.entry == "start":\n        yield Step(Stage.LIMITS, enclose)',
        ),
    ),
    "test_an_update_changes_what_differs": (Change(PLUGIN, "new.mark and old.note != new.note", "new.mark"),),
    "test_its_rows_say_whose_they_are": (Change(PLUGIN, 'compared("lamp", ', 'compared("lantern", '),),
    "test_its_programs_run_on_the_fake_kernel": (
        # A call that the kernel has, and the fake one has not.
        Change(
            KERNEL,
            "    yield Operation(Call.chroot",
            "    yield Operation(Call.inotify_init1, (os.O_CLOEXEC,))\n    yield Operation(Call.chroot",
        ),
    ),
    "test_a_refused_call_is_told": (Change(KERNEL, '(b"/\\0",))', '(b"/\\0",), accept=(5,))'),),
    # What its own later step removes is left when that one fails.
    "test_whatever_fails_leaves_nothing": (
        Change(PLUGIN, UNDO, ")\n        yield Step(Stage.ADOPT, linux.remove_own_file, path, 'mark', DIRECTORY)"),
    ),
    "test_a_missing_privilege_is_named": (
        Change(PLUGIN, "    if not planning.host.has_capability(CAP_SYS_CHROOT):", "    if False:"),
        # What the core's own calls need, the core names by itself.
        Change(STEPS, "    os.close(descriptor)\n", "    os.close(descriptor)\n    os.chown(path, 0, 1)\n"),
    ),
    "test_the_record_is_enough_to_clean_up": (
        Change(PLUGIN, "path = planning.host_path(feature.mark)", "path = relpath(planning.host_path(feature.mark))"),
        Change(PLUGIN, "from haconiwa_core import Def", "from os.path import relpath\nfrom haconiwa_core import Def"),
    ),
    "test_it_leaves_no_descriptor_open": (Change(STEPS, "    os.close(descriptor)\n", ""),),
    "test_what_it_opens_is_closed_by_exec": (Change(KERNEL, "os.O_RDONLY | os.O_CLOEXEC", "os.O_RDONLY"),),
}
"""By the check that fails for it, and no other."""
