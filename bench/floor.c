/* The kernel's own time for one start: clone3, the same mounts, pivot_root and exec, in a loop of plain C.
 *
 *     floor ROOT ROUNDS [net]
 *
 * Prints the microseconds of each round. What it does is what the plan of bench/start.py's container does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(call) ((long)(call) < 0 ? (perror(#call), _exit(1), 0) : 0)

static void bring_lo_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(ioctl(socket_, SIOCSIFFLAGS, &request));
    close(socket_);
}

static void child(const char *root, int tree, int net)
{
    struct rlimit limit = {1024, 1024};
    char *arguments[] = {"/true", NULL}, *environment[] = {"PATH=/", NULL};
    int proc, context, target;

    (void)root;
    if (net)
        bring_lo_up();
    CHECK(unshare(CLONE_NEWCGROUP));
    CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    target = open("/", O_PATH | O_CLOEXEC);
    CHECK(syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
    context = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
    CHECK(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    proc = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    target = openat(tree, "proc", O_PATH | O_CLOEXEC);
    CHECK(syscall(SYS_move_mount, proc, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
    CHECK(fchdir(tree));
    CHECK(syscall(SYS_pivot_root, ".", "."));
    CHECK(umount2(".", MNT_DETACH));
    CHECK(setsid());
    CHECK(sethostname("bench", 5));
    CHECK(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK(chdir("/"));
    CHECK(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC));
    execve("/true", arguments, environment);
    _exit(127);
}

int main(int count, char **arguments)
{
    int net = count > 3;
    uint64_t flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | (net ? CLONE_NEWNET : 0);

    if (count < 3)
        return 2;
    for (long round = 0, rounds = atol(arguments[2]); round < rounds; round++) {
        struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, .propagation = MS_PRIVATE};
        struct clone_args clone = {.flags = flags, .exit_signal = SIGCHLD};
        struct timespec begin, end;
        siginfo_t info = {0};
        int tree;
        long pid;

        clock_gettime(CLOCK_MONOTONIC, &begin);
        tree = (int)syscall(SYS_open_tree, AT_FDCWD, arguments[1], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        CHECK(tree);
        CHECK(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes));
        pid = syscall(SYS_clone3, &clone, sizeof clone);
        CHECK(pid);
        if (pid == 0)
            child(arguments[1], tree, net);
        close(tree);
        CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED));
        clock_gettime(CLOCK_MONOTONIC, &end);
        if (info.si_code != CLD_EXITED || info.si_status)
            return 1;
        printf("%.1f\n", (double)(end.tv_sec - begin.tv_sec) * 1e6 + (double)(end.tv_nsec - begin.tv_nsec) / 1e3);
    }
    return 0;
}
