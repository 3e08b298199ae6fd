/* What is divided into namespaces, and whether the host's part of it is in reach (namespaces(7)). */
#include "probe.h"
#include <stddef.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>

static void differs(const char *kind)
{
    char path[64], name[32], link[64] = "";

    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    snprintf(name, sizeof name, "ns-%s", kind);
    if (readlink(path, link, sizeof link - 1) < 0 && access("/proc/1", F_OK) == 0)
        opened("/proc does not know this process");
    else if (!*link)
        skipped("no /proc");
    else if (strcmp(link, argument(name)) == 0)
        opened("the host's");
    else
        closed("%s", link);
}

static void host_name(void)
{
    struct utsname name;

    uname(&name);
    if (strcmp(name.nodename, argument("hostname")) == 0)
        opened("the host's");
}

static void shared_memory(void)
{
    if (!*argument("ipc-key"))
        skipped("no shared memory of the host");
    else if (shmget((key_t)strtol(argument("ipc-key"), NULL, 0), 0, 0) >= 0)
        opened("the host's");
    else
        closed("%s", strerror(errno));
}

static void abstract_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *name = argument("socket");
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));

    if (!*name) {
        skipped("no socket of the host");
        return;
    }
    strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
    if (connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, length) == 0)
        opened("connected");
    else
        closed("%s", strerror(errno));
}

/* A control group of the host has a name; seen from a namespace of its own, the container's is "/". */
static void cgroup_names(void)
{
    static char text[1 << 16];

    strcpy(text, contents("/proc/self/cgroup"));
    if (!*text)
        skipped("no /proc");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        const char *path = strchr(line, '/');
        int own = path && (strcmp(path, "/") == 0 || (strncmp(path, "/../", 4) == 0 && !strchr(path + 4, '/')));
        if (!own)
            opened("%s", line);
    }
}

void check_namespaces(void)
{
    static const char *const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        check_path("namespace.", kinds[i], differs);
    check("namespace.host-name", host_name);
    check("namespace.shared-memory", shared_memory);
    check("namespace.abstract-socket", abstract_socket);
    check("namespace.cgroup-names", cgroup_names);
}
