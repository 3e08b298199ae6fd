"""The vocabulary of steps: what Haconiwa can ask of the kernel.

Functions that *lower* yield system calls and run in the child or on the host; those of `host`
and `undo` act when they are called, in the supervising process only.
"""

from haconiwa_core.linux.cgroups import (
    kill_cgroup as kill_cgroup,
    make_cgroup as make_cgroup,
    open_cgroup as open_cgroup,
    remove_cgroup as remove_cgroup,
    remove_own_cgroup as remove_own_cgroup,
)
from haconiwa_core.linux.handshake import (
    note_time as note_time,
    report_exec as report_exec,
    wait_at_gate as wait_at_gate,
)
from haconiwa_core.linux.host import (
    bind_handle as bind_handle,
    create_own_file as create_own_file,
    duplicate as duplicate,
    kill_process as kill_process,
    open_log as open_log,
    open_namespace as open_namespace,
    open_process as open_process,
    open_root as open_root,
    set_oom_score_adj as set_oom_score_adj,
    start_time as start_time,
    write_id_maps as write_id_maps,
)
from haconiwa_core.linux.id_mapped import (
    map_tree_ids as map_tree_ids,
    open_user_namespace as open_user_namespace,
)
from haconiwa_core.linux.id_maps import write_id_maps_by_helpers as write_id_maps_by_helpers
from haconiwa_core.linux.mounts import (
    attach_below_root as attach_below_root,
    attach_in as attach_in,
    attach_over_root as attach_over_root,
    bind_console as bind_console,
    change_root as change_root,
    detach_over_root as detach_over_root,
    enter_directory as enter_directory,
    make_directory_in as make_directory_in,
    make_filesystem as make_filesystem,
    make_path_read_only as make_path_read_only,
    make_symlink as make_symlink,
    make_tree_private as make_tree_private,
    mask as mask,
    open_directory as open_directory,
    open_tree as open_tree,
    pivot_root as pivot_root,
    set_tree_attributes as set_tree_attributes,
    verify_filesystem as verify_filesystem,
)
from haconiwa_core.linux.namespaces import (
    become_root as become_root,
    bring_link_up as bring_link_up,
    clone as clone,
    join_namespace as join_namespace,
    set_domain_name as set_domain_name,
    set_host_name as set_host_name,
    unshare as unshare,
)
from haconiwa_core.linux.netlink import send_own_messages as send_own_messages
from haconiwa_core.linux.process import (
    change_directory as change_directory,
    clear_ambient_set as clear_ambient_set,
    close_descriptors_on_exec as close_descriptors_on_exec,
    execute as execute,
    execute_open_file as execute_open_file,
    install_stream as install_stream,
    new_session as new_session,
    new_session_keyring as new_session_keyring,
    open_file as open_file,
    open_file_inside as open_file_inside,
    reset_signals as reset_signals,
    set_dumpable as set_dumpable,
    set_file_mode_mask as set_file_mode_mask,
    set_gid as set_gid,
    set_groups as set_groups,
    set_limit as set_limit,
    set_uid as set_uid,
    write_kernel_file as write_kernel_file,
)
from haconiwa_core.linux.processes import (
    end_own_process as end_own_process,
    own_process_log as own_process_log,
    start_own_process as start_own_process,
)
from haconiwa_core.linux.shares import leave_share as leave_share
from haconiwa_core.linux.terminals import (
    control_terminal as control_terminal,
    hand_over_terminal as hand_over_terminal,
    open_slave as open_slave,
    open_terminal as open_terminal,
    open_terminal_inside as open_terminal_inside,
    own_terminal as own_terminal,
)
from haconiwa_core.linux.undo import (
    UNDO as UNDO,
    remove_handle as remove_handle,
    remove_own_file as remove_own_file,
    remove_own_handle as remove_own_handle,
)
