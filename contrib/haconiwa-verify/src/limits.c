/* More than there may be. */
#include "probe.h"
#include <linux/mman.h>
#include <linux/resource.h>
#include <linux/wait.h>

enum { PAGE = 4096 };

/* How many; they are closed when this process ends. */
long open_files(char *const *words, struct answer *answer)
{
    struct rlimit64 limit;
    long result = call(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);

    (void)answer;
    if (result >= 0) {
        limit.rlim_cur = limit.rlim_max;
        result = call(prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);
    }
    for (uint64_t count = number_of(words[0]); count > 0 && result >= 0; count--)
        result = call(dup, 0);
    return result;
}

/* How many bytes. */
long take_memory(char *const *words, struct answer *answer)
{
    size_t size = number_of(words[0]);
    long file = call(openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY), result;
    char *block;

    (void)answer;
    /* If somebody has to be ended for it, then this process. */
    if (file >= 0)
        call(write, file, "1000", 4);
    result = call(mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (result < 0 && result > -PAGE)
        return result;
    block = (char *)result;
    for (size_t at = 0; at < size; at += PAGE)
        ((volatile char *)block)[at] = 1;
    return 0;
}

/* How many. They wait for the end of a pipe, which comes with the end of this process, whatever ends it. */
long make_processes(char *const *words, struct answer *answer)
{
    int ends[2];
    char byte;
    long result = call(pipe2, ends, 0);

    (void)answer;
    for (uint64_t count = number_of(words[0]); count > 0 && result >= 0; count--) {
        result = fork_process();
        if (result == 0) {
            call(close, ends[1]);
            call(read, ends[0], &byte, 1);
            call(exit_group, 0);
        }
    }
    call(close, ends[1]);
    while (call(wait4, -1, NULL, __WALL, NULL) > 0)
        continue;
    return result;
}
