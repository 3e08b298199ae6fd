/* System calls without a C library: numbers and the one instruction that makes them. */
#ifndef SYSCALL_H
#define SYSCALL_H

#if defined(__x86_64__)
#define ENTRY __attribute__((force_align_arg_pointer)) /* the kernel does not call, so nothing was pushed */
enum { SYS_close = 3, SYS_dup3 = 292, SYS_lseek = 8, SYS_mmap = 9, SYS_munmap = 11, SYS_sendmsg = 46, SYS_recvmsg = 47, SYS_chdir = 80,
       SYS_umask = 95, SYS_geteuid = 107, SYS_prctl = 157, SYS_exit_group = 231, SYS_close_range = 436 };

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
#define ENTRY
enum { SYS_close = 57, SYS_dup3 = 24, SYS_lseek = 62, SYS_mmap = 222, SYS_munmap = 215, SYS_sendmsg = 211, SYS_recvmsg = 212, SYS_chdir = 49,
       SYS_umask = 166, SYS_geteuid = 175, SYS_prctl = 167, SYS_exit_group = 94, SYS_close_range = 436 };

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
#else
#error "this launcher is made for x86-64 and arm64"
#endif
#endif
