/* What a process has from whoever started it. */
#include "probe.h"
#include <grp.h>
#include <linux/keyctl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

extern char **environ;

static void descriptors(void)
{
    for (int number = 3; number < 4096; number++)
        if (fcntl(number, F_GETFD) >= 0)
            opened("%d is open", number);
}

static void streams(void)
{
    const char *wanted = argument("streams");
    struct stat status;

    for (int number = 0; number < 3; number++, wanted += strcspn(wanted, ","), wanted += *wanted == ',') {
        char text[64];
        if (fstat(number, &status)) {
            opened("%d: %s", number, strerror(errno));
            return;
        }
        snprintf(text, sizeof text, "%lu:%lu", (unsigned long)status.st_dev, (unsigned long)status.st_ino);
        if (strlen(text) != strcspn(wanted, ",") || strncmp(text, wanted, strlen(text)) != 0)
            opened("%d is another file", number);
    }
}

static void groups(void)
{
    gid_t list[64];
    int count = getgroups(64, list);

    if (count > 0)
        opened("%d of them, the first is %u", count, list[0]);
}

static void ids(void)
{
    uid_t user[3];
    gid_t group[3];

    getresuid(user, user + 1, user + 2);
    getresgid(group, group + 1, group + 2);
    if (user[0] != user[1] || user[1] != user[2] || group[0] != group[1] || group[1] != group[2])
        opened("real, effective and saved differ");
    else if (user[0] != (uid_t)atoi(argument("user")) || group[0] != user[0])
        opened("user %u with the group %u", user[0], group[0]);
}

static void blocked_signals(void)
{
    sigset_t set;

    sigprocmask(SIG_BLOCK, NULL, &set);
    for (int number = 1; number < 65; number++)
        if (sigismember(&set, number) == 1)
            opened("signal %d", number);
}

static void ignored_signals(void)
{
    struct sigaction action;

    for (int number = 1; number < 65; number++)
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
            opened("signal %d", number);
}

static void file_mode_mask(void)
{
    mode_t mask = umask(0);

    if ((mask & 022) != 022)
        opened("%03o", mask);
}

static void session(void)
{
    /* The check is in a child of the process that it is about. */
    if (getsid(0) != getppid())
        opened("another process leads it");
}

static void terminal(void)
{
    int file = open("/dev/tty", O_RDWR | O_NOCTTY);

    if (file >= 0)
        opened("there is one");
    else if (errno == ENOENT)
        skipped("no /dev/tty");
    else
        closed("%s", strerror(errno));
}

static void push_into_terminal(void)
{
    if (!isatty(0))
        skipped("standard input is no terminal");
    else if (ioctl(0, TIOCSTI, "x") == 0)
        opened("pushed");
    else
        closed("%s", strerror(errno));
}

static void session_keyring(void)
{
    if (!*argument("key"))
        skipped("no key of the caller");
    else if (syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", argument("key"), 0) >= 0)
        opened("the caller's key is in it");
}

static void environment(void)
{
    for (char **each = environ; *each; each++) {
        size_t length = strcspn(*each, "=");
        const char *list = argument("environment");
        int known = 0;
        while (*list && !known) {
            size_t width = strcspn(list, ",");
            known = width == length && strncmp(list, *each, length) == 0;
            list += width + (list[width] == ',');
        }
        if (!known)
            opened("%.*s", (int)length, *each);
    }
}

static void working_directory(void)
{
    char path[4096];

    if (syscall(SYS_getcwd, path, sizeof path) < 0)
        opened("%s", strerror(errno));
    else if (strcmp(path, argument("directory")) != 0)
        opened("%s", path);
}

static void oom_score(void)
{
    const char *text = contents("/proc/self/oom_score_adj");

    if (!*text)
        skipped("no /proc");
    else if (strcmp(text, "0\n") != 0)
        opened("%s", text);
}

static void no_new_privileges(void)
{
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        opened("not set");
}

static void filter_mode(void)
{
    int mode = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);

    if (mode != 2)
        opened("mode %d", mode);
}

static void filter_count(void)
{
    const char *line = strstr(contents("/proc/self/status"), "Seccomp_filters:");

    if (!line)
        skipped("no /proc");
    else if (atoi(line + strlen("Seccomp_filters:")) < 1)
        opened("none");
}

void check_process(void)
{
    check("process.streams", streams);
    check("process.descriptors", descriptors);
    check("process.groups", groups);
    check("process.ids", ids);
    check("process.blocked-signals", blocked_signals);
    check("process.ignored-signals", ignored_signals);
    check("process.umask", file_mode_mask);
    check("process.session", session);
    check("process.terminal", terminal);
    check("process.tiocsti", push_into_terminal);
    check("process.session-keyring", session_keyring);
    check("process.environment", environment);
    check("process.working-directory", working_directory);
    check("process.oom-score", oom_score);
    check("process.no-new-privs", no_new_privileges);
    check("process.seccomp-mode", filter_mode);
    check("process.seccomp-filters", filter_count);
}
