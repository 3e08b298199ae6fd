/* What the kernel shows of the host, and what of it can be written. Files are opened for writing, never written. */
#include "probe.h"
#include <dirent.h>
#include <ftw.h>

static void hidden(const char *path)
{
    char bytes[64];
    int file = open(path, O_RDONLY | O_NONBLOCK);
    DIR *listing = file < 0 ? NULL : fdopendir(file);
    struct dirent *entry;

    if (file < 0 && errno == ENOENT)
        skipped("there is none");
    else if (file < 0)
        closed("%s", strerror(errno));
    else if (!listing && read(file, bytes, sizeof bytes) > 0)
        opened("can be read");
    while (listing && (entry = readdir(listing)))
        if (entry->d_name[0] != '.')
            opened("has %s", entry->d_name);
    closed("empty");
}

static int try_to_write(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)place;
    if (kind == FTW_F && S_ISREG(status->st_mode) && open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY) >= 0) {
        opened("%s", path);
        return 1;
    }
    return 0;
}

static void protected(const char *path)
{
    if (access(path, F_OK) && errno == ENOENT)
        skipped("there is none");
    else
        nftw(path, try_to_write, 16, FTW_PHYS);
    closed("nothing of it can be opened");
}

void check_files(void)
{
    static const char *const masked[] = {
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
        "/sys/devices/virtual/powercap"};
    static const char *const read_only[] = {
        "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
        "/proc/sysrq-trigger", "/proc/sys/fs/binfmt_misc", "/sys/kernel/uevent_helper", "/sys"};

    for (size_t i = 0; i < sizeof masked / sizeof *masked; i++)
        check_path("masked.", masked[i], hidden);
    for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++)
        check_path("read-only.", read_only[i], protected);
}
