/* What is mounted, and how (proc_pid_mountinfo(5)). */
#include "probe.h"
#include <sys/statvfs.h>

struct mount {
    char where[512], options[256], tags[128], kind[64];
};

static void for_each_mount(void (*function)(const struct mount *mount))
{
    FILE *file = fopen("/proc/self/mountinfo", "r");
    char line[4096];

    if (!file)
        skipped("no /proc");
    while (file && fgets(line, sizeof line, file)) {
        struct mount mount = {"", "", "", ""};
        char *divider = strstr(line, " - "), *tags;
        if (!divider || sscanf(line, "%*s %*s %*s %*s %511s %255s", mount.where, mount.options) != 2)
            continue;
        *divider = 0;
        sscanf(divider + 3, "%63s", mount.kind);
        tags = strstr(line, mount.options) + strlen(mount.options);
        snprintf(mount.tags, sizeof mount.tags, "%.127s", tags);
        function(&mount);
    }
}

static int has(const struct mount *mount, const char *option)
{
    size_t length = strlen(option);
    const char *at = mount->options;

    for (; (at = strstr(at, option)); at += length)
        if ((at == mount->options || at[-1] == ',') && (at[length] == ',' || !at[length]))
            return 1;
    return 0;
}

/* A device that is bound is no place for files. */
static int is_device(const struct mount *mount)
{
    struct stat status;

    return stat(mount->where, &status) == 0 && S_ISCHR(status.st_mode);
}

static void shares(const struct mount *mount)
{
    if (strstr(mount->tags, "shared:") || strstr(mount->tags, "master:"))
        opened("%s:%s", mount->where, mount->tags);
}

static void gives_ids(const struct mount *mount)
{
    if (!has(mount, "nosuid") && !is_device(mount))
        opened("%s: %s", mount->where, mount->options);
}

static void gives_devices(const struct mount *mount)
{
    if (!has(mount, "nodev") && !is_device(mount) && strcmp(mount->kind, "devpts") != 0)
        opened("%s: %s", mount->where, mount->options);
}

static void can_be_written(const struct mount *mount)
{
    static const char *const own[] = {"tmpfs", "devpts", "mqueue", "proc"};

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(mount->kind, own[i]) == 0)
            return;
    if (has(mount, "rw"))
        opened("%s is %s, %s", mount->where, mount->kind, mount->options);
}

static void is_cgroup(const struct mount *mount)
{
    char path[600];
    int file;

    if (strncmp(mount->kind, "cgroup", 6) != 0)
        return;
    snprintf(path, sizeof path, "%s/cgroup.procs", mount->where);
    file = open(path, O_WRONLY);
    if (file >= 0)
        opened("%s", path);
}

static void has_release_agent(const struct mount *mount)
{
    char path[600];

    snprintf(path, sizeof path, "%s/release_agent", mount->where);
    if (strcmp(mount->kind, "cgroup") == 0 && open(path, O_WRONLY) >= 0)
        opened("%s", path);
}

static void propagation(void) { for_each_mount(shares); }
static void set_user_id(void) { for_each_mount(gives_ids); }
static void devices(void) { for_each_mount(gives_devices); }
static void written(void) { for_each_mount(can_be_written); }
static void cgroups(void) { for_each_mount(is_cgroup); }
static void release_agent(void)
{
    for_each_mount(has_release_agent);
    closed("there is none");
}

static void root_is_read_only(void)
{
    struct statvfs status;

    if (statvfs("/", &status))
        skipped("%s", strerror(errno));
    else if (!(status.f_flag & ST_RDONLY))
        opened("can be written");
}

static void root_is_own(void)
{
    struct stat status;
    char text[64];

    if (!*argument("root") || stat("/", &status)) {
        skipped("the host's is not known");
        return;
    }
    snprintf(text, sizeof text, "%lu:%lu", (unsigned long)status.st_dev, (unsigned long)status.st_ino);
    if (strcmp(text, argument("root")) == 0)
        opened("the host's");
}

void check_mounts(void)
{
    check("mount.propagation", propagation);
    check("mount.nosuid", set_user_id);
    check("mount.nodev", devices);
    check("mount.written", written);
    check("mount.cgroup", cgroups);
    check("mount.release-agent", release_agent);
    check("mount.root-read-only", root_is_read_only);
    check("mount.root-own", root_is_own);
}
