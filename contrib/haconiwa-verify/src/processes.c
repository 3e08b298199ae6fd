/* Other processes, and becoming somebody else. */
#include "probe.h"
#include <linux/ptrace.h>
#include <linux/signal.h>
#include <linux/wait.h>

/* A process and the number of a signal. */
long send_signal(char *const *words, struct answer *answer)
{
    (void)answer;
    return call(kill, number_of(words[0]), number_of(words[1]));
}

/* A process, an address in it, and a length: what is there is found. */
long trace(char *const *words, struct answer *answer)
{
    long pid = (long)number_of(words[0]), result = call(ptrace, PTRACE_SEIZE, pid, 0, 0);
    uint64_t address = number_of(words[1]), length = number_of(words[2]);

    if (result < 0)
        return result;
    result = call(ptrace, PTRACE_INTERRUPT, pid, 0, 0);
    if (result >= 0)
        result = call(wait4, pid, NULL, __WALL, NULL);
    for (uint64_t at = 0, word; at < length && result >= 0; at += sizeof word) {
        result = call(ptrace, PTRACE_PEEKDATA, pid, address + at, &word);
        if (result >= 0)
            found(answer, &word, sizeof word);
    }
    call(ptrace, PTRACE_DETACH, pid, 0, 0);
    return result;
}

/* Whose answer this is, the socket tells. */
long become_root(char *const *words, struct answer *answer)
{
    (void)words, (void)answer;
    call(setresgid, 0, 0, 0);
    return call(setresuid, 0, 0, 0);
}

/* Execute a program in a process of its own; 0 if that has become root by it, -EACCES if not. */
static long executed(int folder, const char *path, int flags)
{
    const char *const arguments[] = {ASKED_WHO, NULL}, *const environment[] = {NULL};
    int status = 0;
    long child = fork_process();

    if (child == 0) {
        long result = call(execveat, folder, path, arguments, environment, flags);
        call(exit_group, -result);
    }
    if (child < 0)
        return child;
    call(wait4, child, &status, __WALL, NULL);
    status = status >> 8 & 0xff;
    return status == GAINED ? 0 : status ? -status : -EACCES;
}

/* A file without a name that belongs to root and gives its rights to whoever executes it: its descriptor. */
static long set_user_id_file(int folder, char *const *words)
{
    char link[] = "/proc/self/fd/\0\0\0\0\0\0\0\0\0\0";
    long own = call(openat, AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC), file, result;

    (void)words;
    if (own < 0)
        return own;
    file = call(openat, folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0700);
    if (file < 0)
        return file;
    result = call(sendfile, file, own, NULL, 1 << 20);
    if (result >= 0)
        result = call(fchmod, file, 04755);
    if (result < 0)
        return result;
    /* Nothing is executed that somebody has open to write. */
    append_number(link, (uint64_t)file);
    result = call(openat, AT_FDCWD, link, O_RDONLY);
    call(close, file);
    return result;
}

/* The path of such a file. One is made where that is not there, by root alone. */
long gain_by_set_user_id(char *const *words, struct answer *answer)
{
    long made = -ENOENT, result;

    (void)answer;
    if (call(geteuid) == 0) {
        made = in_some_folder(set_user_id_file, words);
        if (call(setresgid, NOBODY, NOBODY, NOBODY) < 0 || call(setresuid, NOBODY, NOBODY, NOBODY) < 0)
            return -ENODATA;
    }
    result = executed(AT_FDCWD, words[0], 0);
    if (result != -ENOENT || made < 0)
        return result == -ENOENT ? -ENODATA : result;
    return executed((int)made, "", AT_EMPTY_PATH);
}
