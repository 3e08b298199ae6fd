/* Watch /proc for processes that enter this container, and print what of them can be opened before they
 * execute /bin/busybox.
 *
 *     watcher all|common      with all capabilities that the container has, or the common ones
 *
 * "exe" and "written" are about the program that enters: readable, and writable once it has gone. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAXIMUM = 64 };
static const unsigned COMMON = 0xa80425fb;

static struct stat busybox;
static int programs[MAXIMUM], program_count;

static void say(const char *what, const char *detail)
{
    char line[512];
    int length = snprintf(line, sizeof line, "%s %s\n", what, detail);
    if (write(1, line, (size_t)length) < 0)
        exit(1);
}

/* Keep what containers commonly have. CAP_PERFMON and CAP_SYS_ADMIN alone let a process read others' memory. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &header, data))
        exit(1);
    data[0].effective &= COMMON, data[0].permitted &= COMMON, data[0].inheritable = 0;
    data[1].effective = data[1].permitted = data[1].inheritable = 0;
    if (syscall(SYS_capset, &header, data))
        exit(1);
}

/* Whether the process still is the one that enters: its name is not yet that of its command. */
static int is_entering(int process)
{
    char text[64] = "";
    int file = openat(process, "comm", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, text, sizeof text - 1);

    if (file >= 0)
        close(file);
    return length > 0 && strcmp(text, "busybox\n") != 0;
}

static void try_file(int process, const char *name, int flags)
{
    int file = openat(process, name, flags | O_CLOEXEC);
    char byte;
    /* Of a process that ends, which has no memory any more, there is nothing to read. */
    if (file >= 0 && pread(file, &byte, 1, 0) != 0 && is_entering(process))
        say(name, "");
    if (file >= 0)
        close(file);
}

static void try_program(int process)
{
    int file = openat(process, "exe", O_RDONLY | O_CLOEXEC);
    struct stat now;

    if (file < 0)
        return;
    if (fstat(file, &now) == 0 && (now.st_ino != busybox.st_ino || now.st_dev != busybox.st_dev)) {
        say("exe", "");
        if (program_count < MAXIMUM) {
            programs[program_count++] = file;
            return;
        }
    }
    close(file);
}

/* A directory that the entering process has open must not lead out of this root. */
static void try_descriptors(int process)
{
    int folder = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = folder < 0 ? NULL : fdopendir(folder);
    struct dirent *entry;

    while (listing && (entry = readdir(listing))) {
        int file = entry->d_name[0] == '.' ? -1 : openat(dirfd(listing), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (file >= 0 && is_entering(process) && faccessat(file, "etc/passwd", F_OK, 0) == 0)
            say("directory", entry->d_name);
        if (file >= 0)
            close(file);
    }
    if (listing)
        closedir(listing);
}

static void try_to_write_programs(void)
{
    for (int i = 0; i < program_count; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", programs[i]);
        int file = open(path, O_RDWR | O_CLOEXEC);
        char byte;
        /* What is written is what stands there already. */
        if (file >= 0 && pread(file, &byte, 1, 0) == 1 && pwrite(file, &byte, 1, 0) == 1)
            say("written", path);
        if (file >= 0)
            close(file);
    }
}

int main(int count, char **arguments)
{
    if (count != 2 || stat("/bin/busybox", &busybox))
        return 2;
    if (strcmp(arguments[1], "common") == 0)
        drop_capabilities();
    say("watching", "");
    for (;;) {
        DIR *processes = opendir("/proc");
        struct dirent *entry;
        while ((entry = readdir(processes))) {
            int process, pid = atoi(entry->d_name);
            if (pid <= 1 || (process = openat(dirfd(processes), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
                continue;
            if (is_entering(process))
                say("seen", "");
            try_file(process, "mem", O_RDWR);
            try_file(process, "environ", O_RDONLY);
            try_program(process);
            try_descriptors(process);
            close(process);
        }
        closedir(processes);
        try_to_write_programs();
    }
}
