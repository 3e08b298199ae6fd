/* The loop between a plan and the kernel. It knows no system call. */
#include "program.h"
#include "syscall.h"

static int64_t value_of(const struct program *program, const int64_t *slots, uint32_t kind, int64_t value)
{
    if (kind == ADDRESS)
        return (int64_t)(program->data + value);
    return kind == SLOT ? slots[value] : value;
}

static int is_skipped(const struct instruction *instruction, const int64_t *slots)
{
    if (instruction->when != NO_SLOT && slots[instruction->when] < 0)
        return 1;
    return instruction->unless != NO_SLOT && slots[instruction->unless] >= 0;
}

static int is_accepted(const struct instruction *instruction, long error)
{
    for (int i = 0; i < ACCEPTS; i++)
        if (instruction->accept[i] == error)
            return 1;
    return 0;
}

static void relocate(const struct program *program, const struct instruction *instruction, const int64_t *slots)
{
    const struct effect *effect = program->effects + instruction->effects;
    for (uint32_t i = 0; i < instruction->effect_count; i++, effect++)
        if (effect->type == RELOCATION) {
            int64_t value = value_of(program, slots, effect->kind, effect->value);
            __builtin_memcpy(program->data + effect->place, &value, sizeof value);
        }
}

/* Load outputs into slots; 0 if one of them is not what the plan expects. */
static int take_outputs(const struct program *program, const struct instruction *instruction, int64_t *slots)
{
    const struct effect *effect = program->effects + instruction->effects;
    for (uint32_t i = 0; i < instruction->effect_count; i++, effect++) {
        if (effect->type == LOAD) {
            int32_t loaded;
            __builtin_memcpy(&loaded, program->data + effect->place, sizeof loaded);
            slots[effect->value] = loaded;
        }
        for (uint32_t j = 0; effect->type == EXPECTATION && j < effect->length; j++)
            if (program->data[effect->place + j] != program->data[effect->value + j])
                return 0;
    }
    return 1;
}

long run_program(const struct program *program, int64_t *slots, uint32_t first, uint32_t end, int *code)
{
    for (uint32_t index = first; index < end; index++) {
        const struct instruction *instruction = &program->instructions[index];
        int64_t arguments[ARGUMENTS];
        long result = SKIPPED;
        int skipped = is_skipped(instruction, slots);

        if (!skipped) {
            relocate(program, instruction, slots);
            for (int i = 0; i < ARGUMENTS; i++)
                arguments[i] = value_of(program, slots, instruction->kinds[i], instruction->arguments[i]);
            result = syscall6(instruction->number, arguments[0], arguments[1], arguments[2], arguments[3],
                              arguments[4], arguments[5]);
        }
        if (instruction->result != NO_SLOT)
            slots[instruction->result] = result;
        if (skipped || (result < 0 && is_accepted(instruction, -result)))
            continue;
        *code = result < 0 ? (int)-result : 0;
        if (!*code && instruction->exact && result != instruction->returns)
            *code = RESULT_DIFFERS;
        if (!*code && !take_outputs(program, instruction, slots))
            *code = OUTPUT_DIFFERS;
        if (*code)
            return index;
    }
    return -1;
}
