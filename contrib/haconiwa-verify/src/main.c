/* Take requests, try each in a process of its own, and answer. */
#include "probe.h"
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/time.h>
#include <linux/wait.h>

#define ANSWER_HEAD offsetof(struct answer, found)

enum { SECONDS = 10 };

static const struct {
    const char *name;
    attempt *try;
} attempts[] = {
    {"find-interface", find_interface},
    {"connect-to-port", connect_to_port},
    {"connect-to-name", connect_to_name},
    {"send-signal", send_signal},
    {"trace", trace},
    {"become-root", become_root},
    {"gain-by-set-user-id", gain_by_set_user_id},
    {"read-file", read_file},
    {"open-to-write", open_to_write},
    {"append-to-file", append_to_file},
    {"read-by-handle", read_by_handle},
    {"read-above-chroot", read_above_chroot},
    {"leave-group", leave_group},
    {"mount", mount_something},
    {"remount", remount_root},
    {"unmount", unmount_root},
    {"pivot-root", pivot_root},
    {"make-user-namespace", make_user_namespace},
    {"make-device", make_device},
    {"raise-limit", raise_limit},
    {"tell-host-name", tell_host_name},
    {"set-host-name", set_host_name},
    {"set-clock", set_clock},
    {"load-module", load_module},
    {"type-ahead", type_ahead},
    {"make-bpf-map", make_bpf_map},
    {"count-events", count_events},
    {"handle-faults", handle_faults},
    {"make-ring", make_ring},
    {"find-key", find_key},
    {"read-shared-memory", read_shared_memory},
    {"open-files", open_files},
    {"take-memory", take_memory},
    {"make-processes", make_processes},
    {"add-key", add_key},
    {"remove-key", remove_key},
    {"make-shared-memory", make_shared_memory},
    {"remove-shared-memory", remove_shared_memory},
};

/* It stays where it is until the next one comes, for others to find it in this process's memory. */
static struct {
    int32_t number;
    char text[4096];
} request;

long fork_process(void)
{
    return call(clone, SIGCHLD);
}

/* Of the last request's second word. */
static long tell_address(char *const *words, struct answer *answer)
{
    uint64_t address = (uint64_t)words[0];

    found(answer, &address, sizeof address);
    return 0;
}

static void answer_with(const struct answer *answer)
{
    /* Filters that deny sockets let files be read and written. */
    if (call(write, 0, answer, ANSWER_HEAD + answer->length) < 0)
        call(exit_group, 1);
}

static attempt *attempt_of(const char *name)
{
    if (is_same(name, "tell-address"))
        return tell_address;
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
        if (is_same(attempts[i].name, name))
            return attempts[i].try;
    return NULL;
}

static void try(struct answer *answer, size_t length)
{
    struct __kernel_old_itimerval limit = {{0, 0}, {SECONDS, 0}};
    char *words[WORDS + 1];
    size_t count = 0;
    attempt *chosen = attempt_of(request.text);

    for (size_t at = 0; count <= WORDS; count++) {
        words[count] = request.text + at;
        if (at < length)
            at += length_of(request.text + at) + 1;
    }
    call(setitimer, 0, &limit, NULL);
    answer->result = chosen ? chosen(words + 1, answer) : -EOPNOTSUPP;
    answer_with(answer);
}

static void serve(size_t length)
{
    struct answer answer = {.number = request.number};
    int status = 0;
    long child;

    request.text[length] = 0;
    child = fork_process();
    if (child == 0) {
        try(&answer, length);
        call(exit_group, 0);
    }
    if (child < 0)
        answer.result = child;
    else
        call(wait4, child, &status, __WALL, NULL);
    answer.signal = status & 0x7f;
    /* Otherwise the attempt has answered itself, so that whose answer it is, the socket tells. */
    if (child < 0 || answer.signal)
        answer_with(&answer);
    else if (status)
        call(exit_group, 1);
    /* Who has come here from attempts that were ended. */
    while (call(wait4, -1, NULL, __WALL | WNOHANG, NULL) > 0)
        continue;
}

/* The kernel does not call: the number of arguments and the arguments lie on the stack. */
#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall begin");
#else
__asm__(".globl _start\n_start: mov x0, sp\nbl begin");
#endif

__attribute__((noreturn, used)) static void begin(const uintptr_t *stack)
{
    long length, user = call(geteuid);

    /* As a set-user-ID program it does nothing but say who it has become, and so it does by that name. */
    if (call(getuid) != user || is_same((const char *)stack[1], ASKED_WHO))
        call(exit_group, user == 0 ? GAINED : 0);
    while ((length = call(read, 0, &request, sizeof request - 1)) > (long)sizeof request.number)
        serve((size_t)length - sizeof request.number);
    for (;;)
        call(exit_group, 0);
}
