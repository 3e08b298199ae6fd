/* Ways out of a container, each tried and taken back. */
#include "probe.h"
#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

static int is_host_root(void)
{
    struct stat status;
    char text[64];

    if (stat("/", &status))
        return 0;
    snprintf(text, sizeof text, "%lu:%lu", (unsigned long)status.st_dev, (unsigned long)status.st_ino);
    return strcmp(text, argument("root")) == 0;
}

static void second_chroot(void)
{
    if (!*argument("root") || is_host_root()) {
        skipped("the root is the host's already");
        return;
    }
    /* The working directory stays above the new root. */
    if (chdir("/") || chroot("/tmp")) {
        closed("%s", strerror(errno));
        return;
    }
    for (int i = 0; i < 64; i++)
        if (chdir(".."))
            break;
    if (chroot(".") == 0 && is_host_root())
        opened("the host's root");
}

/* The root of ext4 and its like is inode 2, whatever is mounted of it. */
static void by_file_handle(void)
{
    struct {
        struct file_handle head;
        unsigned char bytes[8];
    } handle = {{8, 1}, {2, 0, 0, 0, 0, 0, 0, 0}};
    int mount = open("/", O_RDONLY), root = open_by_handle_at(mount, &handle.head, O_RDONLY);

    if (root < 0 && (errno == EPERM || errno == ENOSYS))
        closed("%s", strerror(errno));
    else if (root < 0 || fchdir(root) || chroot(".") || !is_host_root())
        skipped("permitted, but another file system's root");
    else
        opened("the host's root");
}

static void make_device(mode_t kind, dev_t device, int flags)
{
    const char *path = "/tmp/probe-device";
    int file;

    if (mknod(path, kind | 0600, device)) {
        closed("mknod: %s", strerror(errno));
        return;
    }
    file = open(path, flags);
    if (file >= 0)
        opened("made and opened");
    else
        closed("made; open: %s", strerror(errno));
    unlink(path);
}

static void block_device(void)
{
    unsigned major, minor;

    if (sscanf(argument("block"), "%u:%u", &major, &minor) != 2)
        skipped("the host has none that can be opened");
    else
        make_device(S_IFBLK, makedev(major, minor), O_RDONLY);
}

static void null_device(void)
{
    make_device(S_IFCHR, makedev(1, 3), O_WRONLY);
}

static void try_mount(const char *kind, const char *options)
{
    long result = mount("probe", "/tmp", kind, 0, options);

    refused_or_open(result);
    if (result == 0)
        umount2("/tmp", MNT_DETACH);
}

static void mount_tmpfs(void)
{
    leave_mounts_alone();
    try_mount("tmpfs", NULL);
}

/* A new proc or sysfs has no masks. */
static void mount_proc(void)
{
    leave_mounts_alone();
    try_mount("proc", NULL);
}

static void mount_sysfs(void)
{
    leave_mounts_alone();
    try_mount("sysfs", NULL);
}

static int has_pids_of_version_1(void)
{
    int found = strstr(contents("/proc/self/cgroup"), ":pids:") != NULL;

    if (!found)
        skipped("the controller pids is not of version 1");
    return found;
}

static void mount_cgroup(void)
{
    if (!has_pids_of_version_1())
        return;
    leave_mounts_alone();
    try_mount("cgroup", "pids");
}

/* Being root of a new user namespace, whatever one is outside. */
static int in_user_namespace(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP)) {
        closed("unshare: %s", strerror(errno));
        return 0;
    }
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    return 1;
}

static void mount_cgroup_in_user_namespace(void)
{
    if (has_pids_of_version_1() && in_user_namespace())
        try_mount("cgroup", "pids");
}

/* The kernel executes its content on the host when a group becomes empty. */
static void release_agent(void)
{
    if (!has_pids_of_version_1())
        return;
    leave_mounts_alone();
    if (mount("probe", "/tmp", "cgroup", 0, "pids")) {
        closed("mount: %s", strerror(errno));
        return;
    }
    if (open("/tmp/release_agent", O_WRONLY) >= 0)
        opened("opened");
    umount2("/tmp", MNT_DETACH);
}

static void mount_in_user_namespace(void)
{
    if (in_user_namespace())
        try_mount("tmpfs", NULL);
}

static void remount_proc_sys(void)
{
    leave_mounts_alone();
    if (mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL) == 0) {
        opened("can be written");
        mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
    } else if (errno == EINVAL)
        skipped("it is no mount");
    else
        closed("%s", strerror(errno));
}

static void uncover(void)
{
    const char *path = "/proc/keys";

    leave_mounts_alone();
    if (umount2(path, MNT_DETACH) == 0) {
        opened("%s", path);
        mount("/dev/null", path, NULL, MS_BIND, NULL);
    } else if (errno == EINVAL)
        skipped("it is no mount");
    else
        closed("%s", strerror(errno));
}

static void pivot(void)
{
    leave_mounts_alone();
    /* Of one mount alone it is invalid, once it is permitted. */
    refused_or_open(syscall(SYS_pivot_root, "/tmp", "/tmp"));
}

/* Rights in a user namespace above one's own cannot be had, so that its kind is left out. */
static void join(const char *kind)
{
    char path[64], name[32], link[64] = "";
    int file;

    snprintf(path, sizeof path, "/proc/%s/ns/%s", argument("process"), kind);
    snprintf(name, sizeof name, "ns-%s", kind);
    if (readlink(path, link, sizeof link - 1) < 0)
        closed("%s", strerror(errno));
    else if (strcmp(link, argument(name)) != 0)
        closed("this process is not in the host's");
    else if ((file = open(path, O_RDONLY)) < 0)
        closed("%s", strerror(errno));
    else if (setns(file, 0) == 0)
        opened("joined the host's");
    else
        closed("%s", strerror(errno));
}

/* What may be opened so may be traced, too; tracing it would stop it. */
static void memory_of_others(void)
{
    char own[64] = "", link[64], path[300];
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    ssize_t length = readlink("/proc/self/ns/mnt", own, sizeof own - 1);

    if (!processes || length < 0)
        skipped("no /proc");
    while (processes && (entry = readdir(processes))) {
        int pid = atoi(entry->d_name);
        snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
        memset(link, 0, sizeof link);
        if (pid <= 0 || readlink(path, link, sizeof link - 1) < 0 || strcmp(link, own) == 0)
            continue;
        snprintf(path, sizeof path, "/proc/%d/mem", pid);
        if (open(path, O_RDWR) >= 0)
            opened("process %d, which is not the container's", pid);
    }
}

static void set_user_id_program(void)
{
    pid_t child;
    int status = 0;

    if (!*argument("suid")) {
        skipped("there is none");
        return;
    }
    if (geteuid() == 0 && (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))) {
        skipped("cannot become another user: %s", strerror(errno));
        return;
    }
    child = fork();
    if (child == 0) {
        execl(argument("suid"), "probe", "effective-user", (char *)NULL);
        _exit(1);
    }
    if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        opened("user 0");
}

static void become_root(void)
{
    if (geteuid() == 0)
        skipped("is root");
    else if (setresuid(0, 0, 0) == 0)
        opened("user 0");
    else
        closed("%s", strerror(errno));
}

void check_escapes(void)
{
    static const char *const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "uts"};

    check("escape.second-chroot", second_chroot);
    check("escape.file-handle", by_file_handle);
    check("escape.block-device", block_device);
    check("escape.null-device", null_device);
    check("escape.mount-tmpfs", mount_tmpfs);
    check("escape.mount-proc", mount_proc);
    check("escape.mount-sysfs", mount_sysfs);
    check("escape.mount-cgroup", mount_cgroup);
    check("escape.user-namespace-mount-tmpfs", mount_in_user_namespace);
    check("escape.user-namespace-mount-cgroup", mount_cgroup_in_user_namespace);
    check("escape.release-agent", release_agent);
    check("escape.remount", remount_proc_sys);
    check("escape.uncover", uncover);
    check("escape.pivot-root", pivot);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        check_path("escape.join-", kinds[i], join);
    check("escape.memory", memory_of_others);
    check("escape.set-user-id", set_user_id_program);
    check("escape.become-root", become_root);
}
