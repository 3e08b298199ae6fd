/* Run mutated programs through the checks and the loop, on a kernel that answers at random.
 * Built with sanitizers: whatever passes the checks must stay within its bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSCALL_H
static unsigned long state = 88172645463325252UL;

static unsigned long next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    (void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return next() % 4 ? (long)(next() % 64) : -(long)(next() % 64);
}

#include "check.c"
#include "run.c"

enum { MAXIMUM = 1 << 20 };

int main(int count, char **arguments)
{
    static unsigned char original[MAXIMUM];
    FILE *file = fopen(arguments[1], "rb");
    size_t size = file ? fread(original, 1, sizeof original, file) : 0;
    long accepted = 0, rounds = atol(arguments[2]);

    if (count != 3 || !size)
        return 2;
    state += strtoul(arguments[2], NULL, 10);
    for (long round = 0; round < rounds; round++) {
        size_t cut = next() % 8 ? size : next() % (size + 1);
        unsigned char *bytes = malloc(cut ? cut : 1); /* exact, so that a byte too far is seen */
        struct program program;

        memcpy(bytes, original, cut);
        for (unsigned long changes = next() % 4; cut && changes; changes--)
            bytes[next() % (next() % 2 && cut > 512 ? 512 : cut)] = (unsigned char)next();
        if (check_program(&program, bytes, cut) == 0) {
            int64_t *slots = calloc(program.header->slots ? program.header->slots : 1, sizeof *slots);
            uint32_t start = 0;
            int code = 0;
            accepted++;
            for (uint32_t i = 0; slots && i < program.header->processes && i < 8; i++) {
                run_program(&program, slots, start, program.processes[i].end, &code);
                start = program.processes[i].end;
            }
            free(slots);
        }
        free(bytes);
    }
    printf("%ld of %ld accepted\n", accepted, rounds);
    return 0;
}
