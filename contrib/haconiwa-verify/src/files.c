/* Files that are not the container's. */
#include "probe.h"
#include <linux/stat.h>

static long read_open(long file, struct answer *answer)
{
    char bytes[FOUND];
    long length = file < 0 ? file : call(read, file, bytes, sizeof bytes);

    if (length > 0)
        found(answer, bytes, (size_t)length);
    return length;
}

static long open_to_read(const char *path)
{
    return call(openat, AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

/* A path; what the file holds is found. */
long read_file(char *const *words, struct answer *answer)
{
    return read_open(open_to_read(words[0]), answer);
}

/* A path; nothing is written. */
long open_to_write(char *const *words, struct answer *answer)
{
    (void)answer;
    return call(openat, AT_FDCWD, words[0], O_WRONLY | O_NONBLOCK | O_NOCTTY);
}

/* A path and a text. */
long append_to_file(char *const *words, struct answer *answer)
{
    long file = call(openat, AT_FDCWD, words[0], O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);

    (void)answer;
    return file < 0 ? file : call(write, file, words[1], length_of(words[1]));
}

/* The type of a handle, its bytes, and paths of which one may lie on its file system (open_by_handle_at(2)). */
long read_by_handle(char *const *words, struct answer *answer)
{
    struct {
        uint32_t size;
        int32_t type;
        unsigned char bytes[128];
    } handle = {0, (int32_t)number_of(words[0]), {0}};
    long result = -ENOENT;

    handle.size = (uint32_t)bytes_of(words[1], handle.bytes, sizeof handle.bytes);
    for (size_t i = 2; i < WORDS && *words[i] && result <= 0; i++) {
        long mount = open_to_read(words[i]);
        if (mount < 0)
            continue;
        result = read_open(call(open_by_handle_at, mount, &handle, O_RDONLY), answer);
        if (is_refused(result))
            return result;
    }
    return result;
}

/* A path, which is looked for above the root. The working directory stays outside of a second one (chroot(2)). */
long read_above_chroot(char *const *words, struct answer *answer)
{
    static const char *const folders[] = {"/tmp", "/dev", "/proc", "/etc", "/usr", "/bin", "/run"};
    long result = call(chdir, "/");

    for (size_t i = 0; i < sizeof folders / sizeof *folders && result >= 0; i++) {
        result = call(chroot, folders[i]);
        if (result >= 0 || is_refused(result))
            break;
        result = 0;
    }
    for (int i = 0; i < 64 && result >= 0; i++)
        result = call(chdir, "..");
    if (result >= 0)
        result = call(chroot, ".");
    return result < 0 ? result : read_open(open_to_read(words[0]), answer);
}

/* The directory of a control group, and its inode: this process goes there, and ends. */
long leave_group(char *const *words, struct answer *answer)
{
    struct statx status = {0};
    long folder = call(openat, AT_FDCWD, words[0], O_PATH | O_DIRECTORY), file;

    (void)answer;
    if (folder < 0)
        return folder;
    call(statx, folder, "", AT_EMPTY_PATH, STATX_INO, &status);
    if (status.stx_ino != number_of(words[1]))
        return -ENOENT;
    file = call(openat, folder, "cgroup.procs", O_WRONLY);
    return file < 0 ? file : call(write, file, "0", 1);
}
