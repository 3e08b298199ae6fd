/* What the container is to have of its own: devices, file systems, the loopback interface. */
#include "probe.h"
#include <linux/magic.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static const struct device {
    const char *path;
    unsigned major, minor;
} devices[] = {
    {"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
    {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
};

static const struct filesystem {
    const char *path;
    unsigned long magic;
} filesystems[] = {
    {"/proc", PROC_SUPER_MAGIC},     {"/dev", TMPFS_MAGIC},     {"/tmp", TMPFS_MAGIC},
    {"/dev/pts", DEVPTS_SUPER_MAGIC}, {"/dev/shm", TMPFS_MAGIC},
};

static const char *const links[] = {"/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/ptmx"};

static void is_device(const char *path)
{
    struct stat status;

    for (const struct device *each = devices; each < devices + sizeof devices / sizeof *devices; each++)
        if (strcmp(each->path, path) == 0 && (stat(path, &status) || !S_ISCHR(status.st_mode) ||
                                              status.st_rdev != makedev(each->major, each->minor)))
            opened("it is none");
}

static void is_filesystem(const char *path)
{
    struct statfs status;

    for (const struct filesystem *each = filesystems; each < filesystems + sizeof filesystems / sizeof *filesystems;
         each++)
        if (strcmp(each->path, path) == 0 && (statfs(path, &status) || (unsigned long)status.f_type != each->magic))
            opened("it is another");
}

static void is_link(const char *path)
{
    struct stat status;

    if (lstat(path, &status) || !S_ISLNK(status.st_mode))
        opened("it is none");
}

static void loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};

    if (ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCGIFFLAGS, &request) || !(request.ifr_flags & IFF_UP))
        opened("it is down");
}

void check_given(void)
{
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        check_path("given.device-", devices[i].path, is_device);
    for (size_t i = 0; i < sizeof filesystems / sizeof *filesystems; i++)
        check_path("given.filesystem-", filesystems[i].path, is_filesystem);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        check_path("given.link-", links[i], is_link);
    check("given.loopback", loopback);
}
