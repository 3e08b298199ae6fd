"""The default profile: what ordinary programs need, and what capabilities add to it.

A call that stands nowhere here is denied. Those that some people miss, and why they are missing:

- io_uring_*: does the work of denied calls without asking the filter.
- keyctl, add_key, request_key: keys are not divided into namespaces.
- userfaultfd, bpf, perf_event_open, kexec_*, *_module: what attacks on the kernel are made of.
- unshare, setns, clone with new namespaces: give rights in which mistakes of the kernel have been found.
- mount, move_mount, pivot_root, open_by_handle_at: lead out of the root.
- process_vm_*, pidfd_getfd, kcmp: look into other processes.
- vmsplice: maps memory of one process into pipes of another; splice and tee are there.
- modify_ldt, uselib, ustat, sysfs, vm86: of no use to what has been built in this century.

Names of both architectures stand side by side; what a machine does not have is left out of its filter.
"""

from __future__ import annotations

from haconiwa_seccomp import Arg, Rule

ANYBODY = {
    "files and directories by name": """
        access chdir chmod chown creat faccessat faccessat2 fchmodat fchmodat2 fchownat futimesat getcwd lchown link
        linkat lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 readlink readlinkat rename renameat
        renameat2 rmdir stat statfs statx symlink symlinkat truncate umask unlink unlinkat utime utimensat utimes
        """,
    "extended attributes": """
        fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr
        lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat
        """,
    "open files": """
        cachestat close close_range copy_file_range dup dup2 dup3 fadvise64 fallocate fchdir fchmod fchown fcntl
        fdatasync flock fstat fstatfs fsync ftruncate getdents getdents64 ioctl lseek pipe pipe2 pread64 preadv preadv2
        pwrite64 pwritev pwritev2 read readahead readv sendfile splice sync sync_file_range syncfs tee write writev
        """,
    "asynchronous input and output": """
        io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit
        """,
    "mounts, looked at": """
        listmount statmount
        """,
    "events": """
        epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 fanotify_mark
        inotify_add_watch inotify_init inotify_init1 inotify_rm_watch poll ppoll pselect6 select signalfd signalfd4
        """,
    "memory": """
        brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mprotect
        mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease
        remap_file_pages
        """,
    "processes and threads": """
        arch_prctl execve execveat exit exit_group fork futex futex_requeue futex_wait futex_waitv futex_wake
        get_robust_list getpgid getpgrp getpid getppid getsid gettid pidfd_open pidfd_send_signal prctl ptrace
        restart_syscall rseq set_robust_list set_tid_address setpgid setsid vfork wait4 waitid
        """,
    "signals": """
        kill pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
        rt_sigtimedwait rt_tgsigqueueinfo sigaltstack tgkill tkill
        """,
    "users, groups, capabilities": """
        capget capset getegid geteuid getgid getgroups getresgid getresuid getuid setfsgid setfsuid setgid setgroups
        setregid setresgid setresuid setreuid setuid
        """,
    "scheduling and limits": """
        getcpu getpriority getrlimit getrusage ioprio_get ioprio_set prlimit64 sched_get_priority_max
        sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
        sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
        setpriority setrlimit
        """,
    "time": """
        adjtimex alarm clock_adjtime clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep
        setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create
        timerfd_gettime timerfd_settime times
        """,
    "network": """
        accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg
        sendmsg sendto setsockopt shutdown socketpair
        """,
    "communication of processes": """
        mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd semctl
        semget semop semtimedop shmat shmctl shmdt shmget
        """,
    "the machine": """
        getrandom sysinfo uname
        """,
    "less rights": """
        landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp
        """,
}
"""Subjects, and what anybody may call of them."""

WITH_CAPABILITY = {
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYSLOG": "syslog",
    "CAP_SYS_ADMIN": """
        bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lsm_get_self_attr lsm_list_modules
        lsm_set_self_attr mount mount_setattr move_mount name_to_handle_at open_tree perf_event_open quotactl
        quotactl_fd setdomainname sethostname setns syslog umount2 unshare
        """,
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev",
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime settimeofday",
    "CAP_SYS_TTY_CONFIG": "vhangup",
}
"""What a container may call that has a capability: the kernel decides what comes of it."""

_NEW_NAMESPACES = 0x7E020000
"""The CLONE_NEW* bits that clone(2) takes; that of time is not among them."""

_AF_CAIF = 37

_PERSONALITIES = (0x00000000, 0x00000008, 0x00020000, 0x00020008, 0xFFFFFFFF)
"""PER_LINUX and PER_LINUX32, each also with UNAME26, and the question what it is."""

_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_LOW = 0xFFFFFFFF
"""The bits of an int: the kernel ignores the others."""

_REFUSED = tuple(
    Rule(("ioctl",), "errno", args=(Arg(1, "==", request, mask=_LOW),)) for request in (_TIOCSTI, _TIOCLINUX)
)
"""What puts words into the mouth of whoever shares a terminal with the container."""

_BY_ARGUMENT = (
    # The families after that are those of the kernel's cryptography, of hypervisors, and of hardware.
    Rule(("socket",), "allow", args=(Arg(0, "<=", _AF_CAIF),)),
    *(Rule(("personality",), "allow", args=(Arg(0, "==", value),)) for value in _PERSONALITIES),
)

_WITHOUT_ADMINISTRATION = (
    Rule(("clone",), "allow", args=(Arg(0, "==", 0, mask=_NEW_NAMESPACES),)),
    # Its flags lie in memory, where no filter can see them; a C library that is told so takes clone.
    Rule(("clone3",), "errno", "ENOSYS"),
)


def rules(capabilities: frozenset[str]) -> tuple[Rule, ...]:
    """Return the rules of a container that has some capabilities."""
    names = [name for group in ANYBODY.values() for name in group.split()]
    for capability, group in WITH_CAPABILITY.items():
        names += group.split() if capability in capabilities else ()
    more = () if "CAP_SYS_ADMIN" in capabilities else _WITHOUT_ADMINISTRATION
    return (*_REFUSED, Rule(tuple(names), "allow"), *_BY_ARGUMENT, *more)
