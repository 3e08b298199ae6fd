/* Refuse a malformed program before anything of it runs. */
#include "program.h"

static int inside(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

static int is_value(const struct header *header, uint32_t kind, int64_t value)
{
    if (kind == ADDRESS)
        return value >= 0 && inside((uint64_t)value, 0, header->data);
    if (kind == SLOT)
        return value >= 0 && value < header->slots;
    return kind == IMMEDIATE;
}

static int is_slot(const struct header *header, int32_t slot)
{
    return slot == NO_SLOT || (slot >= 0 && (uint32_t)slot < header->slots);
}

static int is_effect(const struct header *header, const struct effect *effect)
{
    if (effect->type == RELOCATION)
        return inside(effect->place, 8, header->data) && is_value(header, effect->kind, effect->value);
    if (effect->type == EXPECTATION)
        return inside(effect->place, effect->length, header->data) && effect->value >= 0
               && inside((uint64_t)effect->value, effect->length, header->data);
    return effect->type == LOAD && inside(effect->place, 4, header->data)
           && is_value(header, SLOT, effect->value);
}

static int is_instruction(const struct header *header, const struct instruction *instruction)
{
    for (int i = 0; i < ARGUMENTS; i++)
        if (!is_value(header, instruction->kinds[i], instruction->arguments[i]))
            return 0;
    return is_slot(header, instruction->result) && is_slot(header, instruction->when)
           && is_slot(header, instruction->unless)
           && inside(instruction->effects, instruction->effect_count, header->effects);
}

int check_program(struct program *program, unsigned char *bytes, size_t size)
{
    const struct header *header = (const struct header *)bytes;
    uint64_t offset = sizeof *header;

    if (size < sizeof *header || header->magic != MAGIC || !header->processes
        || header->slots > MAXIMUM_SLOTS)
        return -1;
    program->header = header;
    program->processes = (const struct process *)(bytes + offset);
    offset += (uint64_t)header->processes * sizeof *program->processes;
    program->instructions = (const struct instruction *)(bytes + offset);
    offset += (uint64_t)header->instructions * sizeof *program->instructions;
    program->effects = (const struct effect *)(bytes + offset);
    offset += (uint64_t)header->effects * sizeof *program->effects;
    program->data = bytes + offset;
    if (offset + header->data != size)
        return -1;

    uint32_t start = 0;
    for (uint32_t i = 0; i < header->processes; i++) {
        uint32_t end = program->processes[i].end;
        if (end <= start || end > header->instructions)
            return -1;
        start = end;
    }
    if (start != header->instructions)
        return -1;
    for (uint32_t i = 0; i < header->instructions; i++)
        if (!is_instruction(header, &program->instructions[i]))
            return -1;
    for (uint32_t i = 0; i < header->effects; i++)
        if (!is_effect(header, &program->effects[i]))
            return -1;
    return 0;
}
