/* Arguments, checks and their lines. */
#include "probe.h"
#include <sched.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/mount.h>

enum verdict { NONE, OPEN, CLOSED, SKIP };

static struct {
    enum verdict verdict;
    char detail[400];
} *outcome;

static char **arguments;

const char *argument(const char *name)
{
    size_t length = strlen(name);

    for (char **each = arguments; *each; each++)
        if (strncmp(*each, name, length) == 0 && (*each)[length] == '=')
            return *each + length + 1;
    return "";
}

static void found(enum verdict verdict, const char *format, va_list values)
{
    if (outcome->verdict != NONE)
        return;
    vsnprintf(outcome->detail, sizeof outcome->detail, format, values);
    outcome->verdict = verdict;
}

#define DEFINE(function, verdict)                                                                                      \
    void function(const char *format, ...)                                                                             \
    {                                                                                                                  \
        va_list values;                                                                                                \
        va_start(values, format);                                                                                      \
        found(verdict, format, values);                                                                                \
        va_end(values);                                                                                                \
    }
DEFINE(opened, OPEN)
DEFINE(closed, CLOSED)
DEFINE(skipped, SKIP)

void refused_or_open(long result)
{
    if (result >= 0)
        opened("succeeded");
    else if (errno == EPERM || errno == EACCES || errno == ENOSYS || errno == EROFS)
        closed("%s", strerror(errno));
    else
        opened("permitted; %s", strerror(errno));
}

void leave_mounts_alone(void)
{
    if (unshare(CLONE_NEWNS) == 0)
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

const char *contents(const char *path)
{
    static char text[1 << 16];
    int file = open(path, O_RDONLY);
    size_t length = 0;
    ssize_t part = 0;

    while (file >= 0 && length < sizeof text - 1 && (part = read(file, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)part;
    if (file >= 0)
        close(file);
    text[length] = 0;
    return text;
}

static void print(const char *name, const char *path)
{
    static const char *const words[] = {"closed", "open", "closed", "skip"};

    printf("{\"check\": \"%s%s\", \"verdict\": \"%s\", \"detail\": \"", name, path, words[outcome->verdict]);
    for (const char *at = outcome->detail; *at; at++)
        putchar(*at < ' ' || *at > '~' || *at == '"' || *at == '\\' ? '?' : *at);
    puts("\"}");
    fflush(stdout);
}

static void run(const char *name, const char *path, void (*function)(void), void (*with_path)(const char *))
{
    int status = 0;
    pid_t child;

    memset(outcome, 0, sizeof *outcome);
    child = fork();
    if (child == 0) {
        if (function)
            function();
        else
            with_path(path);
        _exit(0);
    }
    if (child < 0)
        skipped("no process for it: %s", strerror(errno));
    else if (waitpid(child, &status, 0) == child && WIFSIGNALED(status))
        closed("ended by signal %d", WTERMSIG(status));
    print(name, path);
}

void check(const char *name, void (*function)(void))
{
    run(name, "", function, NULL);
}

void check_path(const char *prefix, const char *path, void (*function)(const char *path))
{
    run(prefix, path, NULL, function);
}

/* NAME=VALUE, all of them optional:
 *
 *     capabilities=HEX                     what may be permitted, of user 0
 *     ns-KIND=LINK, hostname=TEXT          the host's
 *     root=DEV:INO, block=MAJOR:MINOR      the host's root directory; a block device of it that can be opened
 *     process=PID                          of the caller
 *     streams=DEV:INO,DEV:INO,DEV:INO      the files that are to be the standard streams
 *     directory=PATH                       the working directory
 *     user=NUMBER                          of the user and the group
 *     environment=NAMES                    variables that are to be there, divided by commas
 *     limits=NAME:VALUE,...                of nofile and core, at most
 *     pids=NUMBER, memory=BYTES            of all processes of the container
 *     suid=PATH                            this program, with another owner and his set-user-ID bit
 *     ipc-key=NUMBER, socket=NAME, key=DESCRIPTION     of the caller: shared memory, an abstract socket, a key
 *
 * With "effective-user" instead it succeeds as user 0, with "wait" it waits for ever. */
int main(int count, char **values)
{
    (void)count;
    if (values[1] && strcmp(values[1], "effective-user") == 0)
        return geteuid() == 0 ? 0 : 1;
    while (values[1] && strcmp(values[1], "wait") == 0)
        pause();
    arguments = values + 1;
    outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcome == MAP_FAILED)
        return 1;
    check_process();
    check_capabilities();
    check_namespaces();
    check_mounts();
    check_given();
    check_files();
    check_limits();
    check_escapes();
    check_calls();
    puts("{\"end\": true}");
    return 0;
}
