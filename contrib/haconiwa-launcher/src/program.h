/* The form of a program, as haconiwa_core/launch/encoding.py writes it. Native byte order, 8-aligned. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { MAGIC = 0x31574348 /* "HCW1" */, ARGUMENTS = 6, ACCEPTS = 4, NO_SLOT = -1, MAXIMUM_SLOTS = 2048 };

enum kind { IMMEDIATE = 0, ADDRESS = 1, SLOT = 2 };

enum effect_type { RELOCATION = 0, EXPECTATION = 1, LOAD = 2 };

enum failure { OUTPUT_DIFFERS = -1, RESULT_DIFFERS = -2, SKIPPED = -1 };

struct header {
    uint32_t magic;
    uint32_t processes;    /* counts of the tables that follow, in this order */
    uint32_t instructions;
    uint32_t effects;
    uint32_t data;         /* bytes */
    uint32_t slots;
};

struct process {
    uint32_t end; /* one past its last instruction */
    uint32_t unused;
};

struct instruction {
    int64_t arguments[ARGUMENTS];
    uint8_t kinds[ARGUMENTS];
    uint8_t exact; /* `returns` is demanded */
    uint8_t unused;
    int64_t returns;
    int32_t number;
    int32_t result, when, unless; /* slots */
    int32_t accept[ACCEPTS];      /* error numbers; 0 is none */
    uint32_t effects;             /* first of its effects, and how many */
    uint32_t effect_count;
};

/* Relocation: write a value at `place` before the call. Expectation: `length` bytes at `place` must
 * equal those at `value` after it. Load: the 4 bytes at `place` go to slot `value`. */
struct effect {
    uint32_t type;
    uint32_t kind;
    uint32_t place;
    uint32_t length;
    int64_t value;
};

struct program {
    const struct header *header;
    const struct process *processes;
    const struct instruction *instructions;
    const struct effect *effects;
    unsigned char *data;
};

/* Find the tables of a program in `size` bytes; 0 if every index and offset lies within them. */
int check_program(struct program *program, unsigned char *bytes, size_t size);

/* Run instructions [first, end); -1 when all are done, else the index of the one that failed, with
 * its error number or enum failure in *code. */
long run_program(const struct program *program, int64_t *slots, uint32_t first, uint32_t end, int *code);

#endif
