"""Trees of the host whose files belong, for the container, to its own ids."""

from __future__ import annotations

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import IdMap
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step


def id_map_step(planning: Planning, key: str, namespace: Slot) -> Step:
    """Return the step that opens what `linux.map_tree_ids` needs to map trees as the container's ids are.

    Args:
        planning: the planning.
        key: the option that asks for it.
        namespace: the slot for its descriptor, the plugin's own.

    Raises:
        DefinitionError: the container's ids are the host's or not known, or the caller may not map trees.
    """
    mapping = planning.facts.get(IdMap)
    problems = []
    if mapping is None:
        text = "needs a new user namespace: without one, ids of the container are those of the host"
        problems.append(Problem(text, key=key, hint=planning.providers("IdMap")))
    if not planning.privileged:
        text = "needs CAP_SYS_ADMIN on the host, whose files they are"
        hint = "leave it out, and let the files belong to the ids that the container's stand for"
        problems.append(Problem(text, key=key, hint=hint))
    if problems or mapping is None:
        raise DefinitionError(problems)
    users, groups = ("".join(part.line for part in ranges) for ranges in (mapping.users, mapping.groups))
    return Step(Stage.PREPARE, linux.open_user_namespace, users, groups, into=namespace)
