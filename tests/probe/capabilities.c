/* The five sets and the secure bits (capabilities(7)). */
#include "probe.h"
#include <linux/capability.h>
#include <sys/prctl.h>

typedef unsigned long long mask;

static mask allowed(void)
{
    return strtoull(argument("capabilities"), NULL, 16);
}

static void at_most(mask set, mask most)
{
    if (set & ~most)
        opened("%016llx, of which %016llx should not be there", set, set & ~most);
    else
        closed("%016llx", set);
}

/* Another user than 0 has none. */
static mask of_the_user(void)
{
    return geteuid() == 0 ? allowed() : 0;
}

static void process_sets(mask *effective, mask *permitted, mask *inheritable)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &header, data))
        _exit(1);
    *effective = data[0].effective | (mask)data[1].effective << 32;
    *permitted = data[0].permitted | (mask)data[1].permitted << 32;
    *inheritable = data[0].inheritable | (mask)data[1].inheritable << 32;
}

static void effective(void)
{
    mask effective, permitted, inheritable;
    process_sets(&effective, &permitted, &inheritable);
    at_most(effective, of_the_user());
}

static void permitted(void)
{
    mask effective, permitted, inheritable;
    process_sets(&effective, &permitted, &inheritable);
    at_most(permitted, of_the_user());
}

static void inheritable(void)
{
    mask effective, permitted, inheritable;
    process_sets(&effective, &permitted, &inheritable);
    at_most(inheritable, 0);
}

static mask by_number(int option, unsigned long second)
{
    mask set = 0;

    for (unsigned long number = 0; number < 64; number++) {
        int answer = option == PR_CAPBSET_READ ? prctl(option, number, 0, 0, 0) : prctl(option, second, number, 0, 0);
        set |= (mask)(answer == 1) << number;
    }
    return set;
}

static void bounding(void)
{
    at_most(by_number(PR_CAPBSET_READ, 0), allowed());
}

static void ambient(void)
{
    at_most(by_number(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET), 0);
}

static void secure_bits(void)
{
    int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);

    if (bits)
        opened("%#x", bits);
}

void check_capabilities(void)
{
    check("capabilities.effective", effective);
    check("capabilities.permitted", permitted);
    check("capabilities.inheritable", inheritable);
    check("capabilities.bounding", bounding);
    check("capabilities.ambient", ambient);
    check("capabilities.securebits", secure_bits);
}
