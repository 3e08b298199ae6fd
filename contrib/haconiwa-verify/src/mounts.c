/* What is mounted. Nothing is changed that anybody else sees. */
#include "probe.h"
#include <linux/mount.h>
#include <linux/sched.h>

enum { MNT_EXPIRE = 4, OWN_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC };

long own_mounts(void)
{
    long result = call(unshare, CLONE_NEWNS);

    return result < 0 ? result : call(mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

long detached_tmpfs(void)
{
    long context = call(fsopen, "tmpfs", 0), result;

    if (context < 0)
        return context;
    result = call(fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    return result < 0 ? result : call(fsmount, context, 0, 0);
}

long mount_something(char *const *words, struct answer *answer)
{
    (void)words, (void)answer;
    if (own_mounts() == 0)
        return call(mount, "haconiwa-verify", "/", "tmpfs", 0, NULL);
    /* Nothing is not moved; rights are looked at before that. */
    return call(mount, NULL, "/", NULL, MS_MOVE, NULL);
}

/* Without flags it can be written, set-user-ID files count, and so do devices. */
long remount_root(char *const *words, struct answer *answer)
{
    unsigned long flags = 0;

    (void)words, (void)answer;
    /* Where others would see it, the flags stay as they are. */
    if (own_mounts() < 0) {
        uint64_t status[15] = {0}; /* struct statfs, whose flags are the eleventh word */
        call(statfs, "/", status);
        flags = status[10] & OWN_FLAGS;
    }
    return call(mount, NULL, "/", NULL, MS_REMOUNT | MS_BIND | flags, NULL);
}

/* One's own root does not expire; rights are looked at before that. */
long unmount_root(char *const *words, struct answer *answer)
{
    (void)words, (void)answer;
    return call(umount2, "/", MNT_EXPIRE);
}

/* The root cannot take its own place; rights are looked at before that. */
long pivot_root(char *const *words, struct answer *answer)
{
    (void)words, (void)answer;
    return call(pivot_root, "/", "/");
}

long make_user_namespace(char *const *words, struct answer *answer)
{
    (void)words, (void)answer;
    return call(unshare, CLONE_NEWUSER);
}
