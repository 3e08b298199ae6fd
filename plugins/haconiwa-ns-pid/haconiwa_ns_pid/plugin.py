"""PidNamespace: nothing beyond what all namespace kinds do."""

from haconiwa_core.namespace import namespace_hooks
from haconiwa_ns_pid import PidNamespace

haconiwa_feature, haconiwa_facts, haconiwa_steps, haconiwa_isolation = namespace_hooks(PidNamespace)
