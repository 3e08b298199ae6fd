/* Serve a supervisor: each message on descriptor 0 is a start, each start one child of the supervisor. */
#include "program.h"
#include "syscall.h"

enum { SOCKET = 0, NOTHING = 1, DESCRIPTORS = 253, MAXIMUM_SIZE = 1 << 24, FAILED = 125, UMASK = 022 };
enum { SOL_SOCKET = 1, SCM_RIGHTS = 1, MSG_CTRUNC = 8, MSG_CMSG_CLOEXEC = 0x40000000, MSG_NOSIGNAL = 0x4000 };
enum { PR_SET_DUMPABLE = 4 };
enum { PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2, SEEK_END = 2, EPROTO = 71 };

struct part { void *base; size_t length; };

struct message {
    void *name;
    uint32_t name_length;
    struct part *parts;
    size_t part_count;
    void *control;
    size_t control_length;
    int flags;
};

struct control {
    size_t length;
    int32_t level, type;
    int32_t descriptors[DESCRIPTORS];
};

/* What the supervisor is told: (process, pid) with a pidfd, or (instruction, code of its failure). */
struct record { int32_t number, code; };

/* Which slots take what clone returns, its pidfd, and the descriptors after the first, which is the program. */
struct request { int32_t clone, pidfd, slots[DESCRIPTORS]; };

static void send_record(int channel, int32_t number, int32_t code, int32_t pidfd)
{
    struct record record = {number, code};
    struct part part = {&record, sizeof record};
    struct {
        size_t length;
        int32_t level, type, descriptor;
    } control = {offsetof(struct control, descriptors) + sizeof pidfd, SOL_SOCKET, SCM_RIGHTS, pidfd};
    struct message message = {.parts = &part, .part_count = 1};

    if (pidfd >= 0) {
        message.control = &control;
        message.control_length = control.length;
    }
    syscall6(SYS_sendmsg, channel, (long)&message, MSG_NOSIGNAL, 0, 0, 0);
}

static __attribute__((noreturn)) void leave(int status)
{
    for (;;)
        syscall6(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

/* Run each process in the clone of the one before; returns in the launcher itself only. */
static void run_processes(const struct program *program, const struct request *request, int64_t *slots, int channel)
{
    uint32_t start = 0;
    for (uint32_t process = 0; process < program->header->processes; process++) {
        uint32_t end = program->processes[process].end;
        int code = 0;
        long failed = run_program(program, slots, start, start + 1, &code);

        if (failed < 0 && slots[request->clone] > 0) {
            send_record(channel, (int32_t)process, (int32_t)slots[request->clone], (int32_t)slots[request->pidfd]);
            if (process)
                leave(0);
            syscall6(SYS_close, slots[request->pidfd], 0, 0, 0, 0, 0);
            return;
        }
        if (failed < 0) {
            /* Not closed: whatever the program opens next would become the container's descriptor 0. */
            if (!process)
                syscall6(SYS_dup3, NOTHING, SOCKET, 0, 0, 0, 0);
            failed = run_program(program, slots, start + 1, end, &code);
        }
        if (failed >= 0) {
            send_record(channel, (int32_t)failed, code, -1);
            if (process || !slots[request->clone])
                leave(FAILED);
            return;
        }
        start = end;
    }
    leave(FAILED); /* a program that does not end in exec */
}

static int fill_slots(const struct request *request, size_t count, const struct control *control,
                      const struct header *header, int64_t *slots)
{
    for (uint32_t i = 0; i < header->slots; i++)
        slots[i] = -1;
    if (request->clone < 0 || (uint32_t)request->clone >= header->slots)
        return -1;
    if (request->pidfd < 0 || (uint32_t)request->pidfd >= header->slots)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (request->slots[i] < 0 || (uint32_t)request->slots[i] >= header->slots)
            return -1;
        slots[request->slots[i]] = control->descriptors[i + 1];
    }
    return 0;
}

/* The first descriptor is the program in a sealed memory file, the second the channel. */
static void start(const struct request *request, size_t count, const struct control *control)
{
    int64_t slots[MAXIMUM_SLOTS];
    struct program program;
    int channel = control->descriptors[1];
    long size = syscall6(SYS_lseek, control->descriptors[0], 0, SEEK_END, 0, 0, 0);
    long memory = -1;

    if (size > 0 && size <= MAXIMUM_SIZE)
        memory = syscall6(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, control->descriptors[0], 0);
    if (memory < 0 && memory > -4096) {
        send_record(channel, 0, EPROTO, -1);
        return;
    }
    if (check_program(&program, (unsigned char *)memory, (size_t)size) == 0
        && fill_slots(request, count, control, program.header, slots) == 0)
        run_processes(&program, request, slots, channel);
    else
        send_record(channel, 0, EPROTO, -1);
    syscall6(SYS_munmap, memory, size, 0, 0, 0, 0);
}

/* Serve until the supervisor closes its end. */
static void serve(void)
{
    for (;;) {
        struct request request;
        struct control control;
        struct part part = {&request, sizeof request};
        struct message message = {.parts = &part, .part_count = 1, .control = &control, .control_length = sizeof control};
        long size = syscall6(SYS_recvmsg, SOCKET, (long)&message, MSG_CMSG_CLOEXEC, 0, 0, 0);
        size_t count = 0;

        if (size <= 0)
            leave(0);
        if (message.control_length >= offsetof(struct control, descriptors) && control.type == SCM_RIGHTS)
            count = (control.length - offsetof(struct control, descriptors)) / sizeof(int32_t);
        /* Two numbers and a slot for each descriptor but the program's: anything else is no request. */
        if (count >= 2 && !(message.flags & MSG_CTRUNC) && (size_t)size == (count + 1) * sizeof(int32_t))
            start(&request, count - 1, &control);
        for (size_t i = 0; i < count; i++)
            syscall6(SYS_close, control.descriptors[i], 0, 0, 0, 0, 0);
    }
}

__attribute__((noreturn)) ENTRY void _start(void)
{
    /* Whatever else the supervisor's program has left open is not this one's to keep, nor where it works. */
    syscall6(SYS_close_range, SOCKET + 3, ~0U, 0, 0, 0, 0);
    syscall6(SYS_chdir, (long)"/", 0, 0, 0, 0, 0);
    syscall6(SYS_umask, UMASK, 0, 0, 0, 0, 0);
    /* Nobody without CAP_SYS_PTRACE may look into it. An ordinary user's stays open until the ids of
     * its child are mapped, for that is done through files of /proc. */
    if (syscall6(SYS_geteuid, 0, 0, 0, 0, 0, 0) == 0)
        syscall6(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
    serve();
    leave(0);
}
