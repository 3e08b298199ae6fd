"""Numbers of the kernel's interfaces, under the kernel's names (uapi headers)."""

from enum import IntEnum, IntFlag


class Mode(int):
    """File mode bits; printed in octal."""

    def __repr__(self) -> str:
        return f"0o{self:03o}"


class CloneFlag(IntFlag):
    """Kinds of namespaces (clone3(2), unshare(2), setns(2))."""

    CLONE_NEWTIME = 0x00000080
    CLONE_NEWNS = 0x00020000
    CLONE_NEWCGROUP = 0x02000000
    CLONE_NEWUTS = 0x04000000
    CLONE_NEWIPC = 0x08000000
    CLONE_NEWUSER = 0x10000000
    CLONE_NEWPID = 0x20000000
    CLONE_NEWNET = 0x40000000


class FilesystemType(IntEnum):
    """Types of file systems (statfs(2), f_type)."""

    PROC_SUPER_MAGIC = 0x9FA0
    SYSFS_MAGIC = 0x62656572


class LimitValue(IntEnum):
    """Values of a resource limit that are no quantity (prlimit(2))."""

    RLIM_INFINITY = 0xFFFFFFFFFFFFFFFF


class MountAttribute(IntFlag):
    """Attributes of a mount (mount_setattr(2))."""

    MOUNT_ATTR_RDONLY = 0x01
    MOUNT_ATTR_NOSUID = 0x02
    MOUNT_ATTR_NODEV = 0x04
    MOUNT_ATTR_NOEXEC = 0x08


AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

# open(2), openat2(2); the two that differ are arm64's only in O_DIRECTORY and O_NOFOLLOW, which
# the os module supplies for the running machine.
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

# clone3(2), unshare(2), setns(2)
CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
CLONE_INTO_CGROUP = 0x200000000
CLONE_NEWTIME = CloneFlag.CLONE_NEWTIME
CLONE_NEWNS = CloneFlag.CLONE_NEWNS
CLONE_NEWCGROUP = CloneFlag.CLONE_NEWCGROUP
CLONE_NEWUTS = CloneFlag.CLONE_NEWUTS
CLONE_NEWIPC = CloneFlag.CLONE_NEWIPC
CLONE_NEWUSER = CloneFlag.CLONE_NEWUSER
CLONE_NEWPID = CloneFlag.CLONE_NEWPID
CLONE_NEWNET = CloneFlag.CLONE_NEWNET

# mount(2), umount2(2), mount_setattr(2), open_tree(2), move_mount(2), fsopen(2), fsconfig(2)
MS_PRIVATE = 0x40000
MNT_DETACH = 2
MOUNT_ATTR_RDONLY = MountAttribute.MOUNT_ATTR_RDONLY
MOUNT_ATTR_NOSUID = MountAttribute.MOUNT_ATTR_NOSUID
MOUNT_ATTR_NODEV = MountAttribute.MOUNT_ATTR_NODEV
MOUNT_ATTR_NOEXEC = MountAttribute.MOUNT_ATTR_NOEXEC
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = 0o2000000
MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_EMPTY_PATH = 0x40
FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6

# statfs(2)
PROC_SUPER_MAGIC = FilesystemType.PROC_SUPER_MAGIC
SYSFS_MAGIC = FilesystemType.SYSFS_MAGIC

# statx(2)
STATX_TYPE = 1

# prctl(2), keyctl(2), rt_sigaction(2), waitid(2)
PR_SET_DUMPABLE = 4
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_GET_SECUREBITS = 27
PR_SET_SECUREBITS = 28
PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_IS_SET = 1
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4
KEYCTL_JOIN_SESSION_KEYRING = 1
SIG_SETMASK = 2
SIGNALS = 64
WALL = 0x40000000
PIDFD_SIGNAL_PROCESS_GROUP = 4
PIDFD_GET_INFO = 0xC040FF0B
PIDFD_INFO_EXIT = 8
PIDFD_INFO_SIZE = 64
PIDFD_INFO_EXIT_CODE = 60

# close_range(2)
CLOSE_RANGE_CLOEXEC = 4
ALL_DESCRIPTORS = 0xFFFFFFFF

# netdevice(7)
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1
IFF_LOOPBACK = 0x8
IFF_RUNNING = 0x40
IFNAMSIZ = 16
IFREQ_SIZE = 40

# prlimit(2)
RLIM_INFINITY = LimitValue.RLIM_INFINITY

# landlock_create_ruleset(2)
LANDLOCK_CREATE_RULESET_VERSION = 1

# uname(2): each field of struct utsname has this many bytes
UTSNAME_FIELD = 65

# capabilities(7), capset(2)
LINUX_CAPABILITY_VERSION_3 = 0x20080522
CAP_SETGID = 6
CAP_SETUID = 7
CAP_SETPCAP = 8
CAP_SYS_CHROOT = 18
CAP_SYS_ADMIN = 21
CAP_SYS_NICE = 23
CAP_SYS_RESOURCE = 24
