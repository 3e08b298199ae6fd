/* What capabilities are for. */
#include "probe.h"
#include <asm/ioctls.h>
#include <linux/resource.h>
#include <linux/stat.h>
#include <linux/utsname.h>

int is_refused(long result)
{
    return result == -EPERM || result == -EACCES || result == -ENOSYS || result == -EROFS;
}

long in_some_folder(long (*make)(int folder, char *const *words), char *const *words)
{
    static const char *const folders[] = {"/tmp", "/dev/shm", "/var/tmp", "/run", "/dev", "/"};
    long best = -ENOENT;

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        long folder = call(openat, AT_FDCWD, folders[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        long result = folder < 0 ? folder : make((int)folder, words);
        if (result >= 0)
            return result;
        if (best == -ENOENT || !is_refused(result))
            best = result;
    }
    return best;
}

/* Opened, it may have no driver: that is told when all rights have been looked at. */
static long open_device(int folder, char *const *words)
{
    static const char name[] = "haconiwa-verify-device";
    uint64_t major = number_of(words[0]), minor = number_of(words[1]);
    long result = call(mknodat, folder, name, S_IFCHR | 0600, (minor & 0xff) | major << 8 | (minor & ~0xffUL) << 12);

    if (result < 0)
        return result;
    result = call(openat, folder, name, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    call(unlinkat, folder, name, 0);
    return result == -ENXIO ? 0 : result;
}

/* The major and the minor number of a character device. */
long make_device(char *const *words, struct answer *answer)
{
    long folder = detached_tmpfs(), result = folder < 0 ? folder : open_device((int)folder, words);

    (void)answer;
    return result >= 0 ? result : in_some_folder(open_device, words);
}

long raise_limit(char *const *words, struct answer *answer)
{
    struct rlimit64 limit;

    (void)words, (void)answer;
    for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
        /* That of open files has another bound, too. */
        if (resource == RLIMIT_NOFILE || call(prlimit64, 0, resource, NULL, &limit) < 0 ||
            limit.rlim_max == RLIM64_INFINITY)
            continue;
        limit.rlim_max++;
        return call(prlimit64, 0, resource, &limit, NULL);
    }
    return -ENODATA;
}

/* It is found. */
long tell_host_name(char *const *words, struct answer *answer)
{
    struct new_utsname names = {0};
    long result = call(uname, &names);

    (void)words;
    found(answer, names.nodename, length_of(names.nodename));
    return result;
}

/* To what it is, which is found. */
long set_host_name(char *const *words, struct answer *answer)
{
    tell_host_name(words, answer);
    return call(sethostname, answer->found, answer->length);
}

/* To nothing, when rights have been looked at. */
long set_clock(char *const *words, struct answer *answer)
{
    (void)words, (void)answer;
    return call(settimeofday, NULL, NULL);
}

/* Nothing is no module; rights are looked at before that. */
long load_module(char *const *words, struct answer *answer)
{
    (void)words, (void)answer;
    return call(init_module, NULL, 0, "");
}

long type_ahead(char *const *words, struct answer *answer)
{
    (void)answer;
    return call(ioctl, 2, TIOCSTI, words[0]);
}
