/* System calls that a container has no need of. Each is made so that nothing changes where it is permitted. */
#include "probe.h"
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <linux/quota.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/utsname.h>

static void unshare_user(void) { refused_or_open(unshare(CLONE_NEWUSER)); }
static void unshare_mount(void) { refused_or_open(unshare(CLONE_NEWNS)); }
static void unshare_time(void) { refused_or_open(unshare(CLONE_NEWTIME)); }

static void made_child(long result)
{
    if (result == 0)
        _exit(0);
    refused_or_open(result);
}

static void clone_user(void) { made_child(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }

static void clone3_user(void)
{
    /* flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls */
    unsigned long long arguments[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    made_child(syscall(SYS_clone3, arguments, sizeof arguments));
}

static void fsopen_tmpfs(void) { refused_or_open(syscall(SYS_fsopen, "tmpfs", 0)); }
static void open_tree(void) { refused_or_open(syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE)); }
static void move_mount(void) { refused_or_open(syscall(SYS_move_mount, -1, "", -1, "", 0)); }
static void setattr(void) { refused_or_open(syscall(SYS_mount_setattr, -1, "x", 0, NULL, 0)); }

static void keyctl(void) { refused_or_open(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1)); }
static void add_key(void) { refused_or_open(syscall(SYS_add_key, "user", "probe", "x", 1, KEY_SPEC_PROCESS_KEYRING)); }

static void io_uring(void)
{
    char parameters[120] = "";
    refused_or_open(syscall(SYS_io_uring_setup, 1, parameters));
}

/* 1 is UFFD_USER_MODE_ONLY, which needs no rights. */
static void userfault(void) { refused_or_open(syscall(SYS_userfaultfd, 1)); }

static void bpf(void)
{
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.map_type = BPF_MAP_TYPE_ARRAY;
    attributes.key_size = attributes.value_size = 4;
    attributes.max_entries = 1;
    refused_or_open(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}

static void perf(void)
{
    struct perf_event_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.size = sizeof attributes;
    attributes.config = PERF_COUNT_SW_TASK_CLOCK;
    attributes.exclude_kernel = attributes.exclude_hv = 1;
    refused_or_open(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}

static void kexec(void) { refused_or_open(syscall(SYS_kexec_load, 0, 0, NULL, ~0UL)); }
static void module(void) { refused_or_open(syscall(SYS_init_module, NULL, 0, "")); }
static void execution_domain(void) { refused_or_open(personality(ADDR_NO_RANDOMIZE)); }
static void hypervisor_socket(void) { refused_or_open(socket(AF_VSOCK, SOCK_STREAM, 0)); }
static void cryptography_socket(void) { refused_or_open(socket(AF_ALG, SOCK_SEQPACKET, 0)); }
static void packet_socket(void) { refused_or_open(socket(AF_PACKET, SOCK_RAW, 0)); }
static void raw_socket(void) { refused_or_open(socket(AF_INET, SOCK_RAW, 1)); }
static void compare(void) { refused_or_open(syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0)); }

static void read_memory(void)
{
    char from = 'x', to = 0;
    struct iovec local = {&to, 1}, remote = {&from, 1};
    refused_or_open(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
}

static void take_descriptor(void)
{
    refused_or_open(syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, getpid(), 0), 1, 0));
}

static void swap(void) { refused_or_open(syscall(SYS_swapon, "/no/such/file", 0)); }

/* Its magic numbers are wrong, which is looked at after the permission. */
static void restart(void) { refused_or_open(syscall(SYS_reboot, 0, 0, 0, NULL)); }

static void set_time(void) { refused_or_open(syscall(SYS_settimeofday, NULL, NULL)); }

static void adjust_time(void)
{
    struct timex now = {.modes = 0};
    if (adjtimex(&now) < 0) {
        skipped("cannot be read: %s", strerror(errno));
        return;
    }
    now.modes = ADJ_TICK;
    refused_or_open(adjtimex(&now));
}

static void host_name(void)
{
    struct utsname name;
    uname(&name);
    refused_or_open(sethostname(name.nodename, strlen(name.nodename)));
}

static void accounting(void) { refused_or_open(syscall(SYS_acct, "/no/such/file")); }
static void quota(void) { refused_or_open(syscall(SYS_quotactl, Q_SYNC << 8, NULL, 0, NULL)); }

static void kernel_log(void)
{
    char text[16];
    /* SYSLOG_ACTION_READ_ALL */
    refused_or_open(syscall(SYS_syslog, 3, text, sizeof text));
}

static void watch_everything(void) { refused_or_open(syscall(SYS_fanotify_init, 4, 0)); }

#ifdef __x86_64__
static void ports(void) { refused_or_open(syscall(SYS_ioperm, 0x80, 1, 1)); }
static void x32(void) { refused_or_open(syscall(0x40000000 | SYS_getpid)); }

static void i386(void)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
    errno = (int)-result;
    refused_or_open(result < 0 ? -1 : result);
}
#endif

void check_calls(void)
{
    check("call.unshare-user", unshare_user);
    check("call.unshare-mount", unshare_mount);
    check("call.unshare-time", unshare_time);
    check("call.clone-user", clone_user);
    check("call.clone3-user", clone3_user);
    check("call.fsopen", fsopen_tmpfs);
    check("call.open_tree", open_tree);
    check("call.move_mount", move_mount);
    check("call.mount_setattr", setattr);
    check("call.keyctl", keyctl);
    check("call.add_key", add_key);
    check("call.io_uring_setup", io_uring);
    check("call.userfaultfd", userfault);
    check("call.bpf", bpf);
    check("call.perf_event_open", perf);
    check("call.kexec_load", kexec);
    check("call.init_module", module);
    check("call.personality", execution_domain);
    check("call.socket-vsock", hypervisor_socket);
    check("call.socket-alg", cryptography_socket);
    check("call.socket-packet", packet_socket);
    check("call.socket-raw", raw_socket);
    check("call.kcmp", compare);
    check("call.process_vm_readv", read_memory);
    check("call.pidfd_getfd", take_descriptor);
    check("call.swapon", swap);
    check("call.reboot", restart);
    check("call.settimeofday", set_time);
    check("call.adjtimex", adjust_time);
    check("call.sethostname", host_name);
    check("call.acct", accounting);
    check("call.quotactl", quota);
    check("call.syslog", kernel_log);
    check("call.fanotify_init", watch_everything);
#ifdef __x86_64__
    check("call.ioperm", ports);
    check("call.x32", x32);
    check("call.i386", i386);
#endif
}
