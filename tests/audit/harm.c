/* One harm per word: exit status 0 if it is done, 1 with the reason if it is refused. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[1 << 16];

static void refused(const char *call) {
    perror(call);
    exit(1);
}

static long checked(const char *call, long result) {
    if (result < 0) refused(call);
    return result;
}

#define DO(call) checked(#call, call)

static void show(int file) {
    long size = DO(read(file, buffer, sizeof buffer));
    DO(write(1, buffer, size));
}

/* What a file says. */
static void read_file(char **words) { show(DO(open(words[0], O_RDONLY))); }

/* The same, from above a root that was changed by chroot(2). */
static void double_chroot(char **words) {
    mkdir("/tmp/inner", 0755);
    DO(chroot("/tmp/inner"));
    for (int i = 0; i < 64; i++) chdir("..");
    DO(chroot("."));
    read_file(words);
}

/* The same, from below a root that lies over the former one. */
static void uncover_root(char **words) {
    int mounts = DO(open("/proc/self/ns/mnt", O_RDONLY));
    DO(umount2("/", MNT_DETACH));
    DO(setns(mounts, CLONE_NEWNS));
    read_file(words);
}

/* The same, by the handle that name_to_handle_at(2) gives: its type and its bytes. */
static void by_handle(char **words) {
    struct {
        struct file_handle head;
        unsigned char bytes[128];
    } handle = {{strlen(words[1]) / 2, atoi(words[0])}, {0}};
    for (unsigned i = 0; i < handle.head.handle_bytes; i++) sscanf(words[1] + 2 * i, "%2hhx", &handle.bytes[i]);
    show(DO(open_by_handle_at(DO(open("/", O_RDONLY)), &handle.head, O_RDONLY)));
}

/* A byte of /dev/zero by a new device file. */
static void device(char **words) {
    DO(mknod("/tmp/device", S_IFCHR | 0600, makedev(1, 5)));
    DO(read(DO(open("/tmp/device", O_RDONLY)), buffer, 1));
}

static void end_process(char **words) { DO(kill(atoi(words[0]), SIGKILL)); }

/* A process's memory: its pid, the address, the size. */
static void peek(char **words) {
    struct iovec here = {buffer, atoi(words[2])}, there = {(void *)strtoul(words[1], NULL, 0), atoi(words[2])};
    DO(write(1, buffer, DO(process_vm_readv(atoi(words[0]), &here, 1, &there, 1, 0))));
}

/* A service on the loopback is told something. */
static void network(char **words) {
    struct sockaddr_in address = {AF_INET, htons(atoi(words[0])), {htonl(INADDR_LOOPBACK)}};
    int connection = DO(socket(AF_INET, SOCK_STREAM, 0));
    DO(connect(connection, (struct sockaddr *)&address, sizeof address));
    DO(write(connection, words[1], strlen(words[1])));
}

static void shared_memory(char **words) {
    void *segment = shmat(atoi(words[0]), NULL, SHM_RDONLY);
    if (segment == (void *)-1) refused("shmat");
    puts(segment);
}

static void host_name(char **words) { DO(sethostname(words[0], strlen(words[0]))); }

static void mount_over(char **words) { DO(mount("harm", words[0], "tmpfs", 0, NULL)); }

/* A key of the user: its number. */
static void key(char **words) {
    DO(syscall(SYS_keyctl, 8 /* KEYCTL_LINK */, -4 /* the user's keyring */, -3 /* the session's */));
    DO(write(1, buffer, DO(syscall(SYS_keyctl, 11 /* KEYCTL_READ */, atoi(words[0]), buffer, sizeof buffer))));
}

/* What the kernel shows of the keys. */
static void keys(char **words) { show(DO(open("/proc/keys", O_RDONLY))); }

/* Only for this are the rights of the file's owner needed. */
static void become_root(char **words) {
    if (geteuid() != 0) exit(1);
}

/* A setting of the host, as it is: nothing changes, but anything could. */
static void write_setting(char **words) {
    const char *path = "/proc/sys/kernel/core_pattern";
    long size = DO(read(DO(open(path, O_RDONLY)), buffer, sizeof buffer));
    DO(write(DO(open(path, O_WRONLY)), buffer, size));
}

static void uncover(char **words) {
    DO(umount2("/proc/sys", MNT_DETACH));
    write_setting(words);
}

/* Ahead by nothing. */
static void set_clock(char **words) {
    struct timex ahead = {.modes = ADJ_SETOFFSET};
    DO(adjtimex(&ahead));
}

static void kernel_log(char **words) { DO(klogctl(3 /* SYSLOG_ACTION_READ_ALL */, buffer, sizeof buffer)); }

/* That of the power-on self test. */
static void port(char **words) { DO(ioperm(0x80, 1, 1)); }

static void enter_user_namespace(void) {
    DO(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP));
    DO(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

static void mount_in_user_namespace(char **words) {
    enter_user_namespace();
    DO(mount("harm", "/tmp", "tmpfs", 0, NULL));
}

static void mount_groups(char **words) {
    enter_user_namespace();
    DO(mount("harm", "/tmp", "cgroup", 0, words[0]));
}

static void type_ahead(char **words) { DO(ioctl(0, TIOCSTI, "x")); }

/* So many at the same time. */
static void fork_many(char **words) {
    int wanted = atoi(words[0]), made = 0, reason = 0;
    for (; made < wanted; made++) {
        int child = fork();
        if (child == 0) {
            pause();
            _exit(0);
        }
        if (child < 0) {
            reason = errno;
            break;
        }
    }
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (wait(NULL) > 0);
    errno = reason;
    if (made < wanted) refused("fork");
}

static void use_memory(char **words) {
    long size = atol(words[0]);
    char *memory = malloc(size);
    if (memory == NULL) refused("malloc");
    memset(memory, 1, size);
    DO(write(1, memory + size - 1, 1));
}

static void queue_calls(char **words) {
    struct io_uring_params parameters = {0};
    DO(syscall(SYS_io_uring_setup, 1, &parameters));
}

static const struct {
    const char *word;
    void (*harm)(char **);
} HARMS[] = {
    {"read-file", read_file},
    {"double-chroot", double_chroot},
    {"uncover-root", uncover_root},
    {"by-handle", by_handle},
    {"device", device},
    {"end-process", end_process},
    {"peek", peek},
    {"network", network},
    {"shared-memory", shared_memory},
    {"host-name", host_name},
    {"mount-over", mount_over},
    {"key", key},
    {"keys", keys},
    {"become-root", become_root},
    {"write-setting", write_setting},
    {"uncover", uncover},
    {"set-clock", set_clock},
    {"kernel-log", kernel_log},
    {"port", port},
    {"mount-in-user-namespace", mount_in_user_namespace},
    {"mount-groups", mount_groups},
    {"type-ahead", type_ahead},
    {"fork-many", fork_many},
    {"use-memory", use_memory},
    {"queue-calls", queue_calls},
};

int main(int count, char **words) {
    for (unsigned i = 0; i < sizeof HARMS / sizeof *HARMS; i++) {
        if (count > 1 && strcmp(words[1], HARMS[i].word) == 0) {
            HARMS[i].harm(words + 2);
            return 0;
        }
    }
    return 2;
}
