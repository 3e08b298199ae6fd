"""IpcNamespace: nothing beyond what all namespace kinds do."""

from haconiwa_core.namespace import namespace_hooks
from haconiwa_ns_ipc import IpcNamespace

haconiwa_feature, haconiwa_facts, haconiwa_steps, haconiwa_isolation = namespace_hooks(IpcNamespace)
