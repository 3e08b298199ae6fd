/* Stands for syscall(3) in a process that valgrind runs: calls that it does not know (it would answer ENOSYS)
   are made by the process at the other end of the socket whose number is in the environment variable OUTSIDE.
   Loaded with LD_PRELOAD; see cold.py. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct request {
    long number;
    long flags;
    char bytes[4096]; /* what the call's pointer points to: a path, a struct mount_attr, or a signal's number */
};

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr alignment;
};

static long outside(const struct request *request, int descriptor)
{
    const char *channel = getenv("OUTSIDE");
    union control control;
    struct iovec part = {(void *)request, sizeof *request};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int result = 0;
    struct cmsghdr *header;

    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof descriptor);
        memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    if (!channel || sendmsg(atoi(channel), &message, 0) < 0)
        return -1;
    part = (struct iovec){&result, sizeof result};
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    if (recvmsg(atoi(channel), &message, MSG_CMSG_CLOEXEC) != sizeof result)
        return -1;
    header = CMSG_FIRSTHDR(&message);
    if (header)
        memcpy(&result, CMSG_DATA(header), sizeof result);
    if (result >= 0)
        return result;
    errno = -result;
    return -1;
}

static long inside(long number, const long *a)
{
    register long r10 __asm__("r10") = a[3];
    register long r8 __asm__("r8") = a[4];
    register long r9 __asm__("r9") = a[5];
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    if (result >= 0 || result < -4095)
        return result;
    errno = (int)-result;
    return -1;
}

long syscall(long number, ...)
{
    struct request request = {.number = number};
    long a[6];
    va_list list;

    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    switch (number) {
    case SYS_open_tree:
        request.flags = a[2];
        strncpy(request.bytes, (const char *)a[1], sizeof request.bytes - 1);
        return outside(&request, (int)a[0]);
    case SYS_mount_setattr:
        if (*(const char *)a[1]) /* by path: no host step does so */
            break;
        request.flags = a[2];
        memcpy(request.bytes, (const void *)a[3], (size_t)a[4]);
        return outside(&request, (int)a[0]);
    case SYS_landlock_create_ruleset: /* which is asked for its version only */
        request.flags = a[2];
        return outside(&request, -1);
    case SYS_pidfd_send_signal:
        request.flags = a[3];
        request.bytes[0] = (char)a[1];
        return outside(&request, (int)a[0]);
    }
    return inside(number, a);
}
