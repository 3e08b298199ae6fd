/* Parts of the kernel that hardly any program needs. */
#include "probe.h"
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>

long make_bpf_map(char *const *words, struct answer *answer)
{
    union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

    (void)words, (void)answer;
    return call(bpf, BPF_MAP_CREATE, &attributes, sizeof attributes);
}

long count_events(char *const *words, struct answer *answer)
{
    struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE,
                                         .size = sizeof attributes,
                                         .config = PERF_COUNT_SW_TASK_CLOCK,
                                         .exclude_kernel = 1,
                                         .exclude_hv = 1};

    (void)words, (void)answer;
    return call(perf_event_open, &attributes, 0, -1, -1, 0);
}

/* Of its own, for which nobody needs rights. */
long handle_faults(char *const *words, struct answer *answer)
{
    (void)words, (void)answer;
    return call(userfaultfd, UFFD_USER_MODE_ONLY);
}

long make_ring(char *const *words, struct answer *answer)
{
    struct io_uring_params parameters = {0};

    (void)words, (void)answer;
    return call(io_uring_setup, 1, &parameters);
}
