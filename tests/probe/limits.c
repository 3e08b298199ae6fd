/* Limits of a process, and of all processes of the container. */
#include "probe.h"
#include <sys/mman.h>
#include <sys/resource.h>

static void at_most(const char *name, int resource)
{
    char wanted[32];
    const char *at;
    struct rlimit limit;

    snprintf(wanted, sizeof wanted, "%s:", name);
    at = strstr(argument("limits"), wanted);
    if (!at)
        skipped("not asked for");
    else if (getrlimit(resource, &limit) || limit.rlim_max > strtoull(at + strlen(wanted), NULL, 10))
        opened("%llu", (unsigned long long)limit.rlim_max);
}

static void open_files(void) { at_most("nofile", RLIMIT_NOFILE); }
static void core_size(void) { at_most("core", RLIMIT_CORE); }

/* Processes that wait, until there may be no more, or more than there should be. */
static void processes(void)
{
    enum { MAXIMUM = 1024 };
    static pid_t made[MAXIMUM];
    int limit = atoi(argument("pids")), count = 0;

    if (limit <= 0 || limit >= MAXIMUM) {
        skipped("not asked for");
        return;
    }
    while (count <= limit && (made[count] = fork()) > 0)
        count++;
    if (count <= limit && made[count] == 0) {
        pause();
        _exit(0);
    }
    if (count > limit)
        opened("%d of them", count);
    for (int i = 0; i < count; i++) {
        kill(made[i], SIGKILL);
        waitpid(made[i], NULL, 0);
    }
    closed("%d of them", count);
}

/* More memory than there may be; the kernel then ends the process that wants it. */
static void memory(void)
{
    size_t limit = strtoull(argument("memory"), NULL, 10), size = limit + limit / 2;
    char *block;

    if (limit == 0) {
        skipped("not asked for");
        return;
    }
    block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
        closed("%s", strerror(errno));
        return;
    }
    for (size_t at = 0; at < size; at += 4096)
        block[at] = 1;
    opened("%zu bytes", size);
}

void check_limits(void)
{
    check("limit.nofile", open_files);
    check("limit.core", core_size);
    check("limit.processes", processes);
    check("limit.memory", memory);
}
