/* Words and what is found. */
#include "probe.h"

size_t length_of(const char *text)
{
    size_t length = 0;

    while (text[length])
        length++;
    return length;
}

int is_same(const char *first, const char *second)
{
    while (*first && *first == *second)
        first++, second++;
    return *first == *second;
}

uint64_t number_of(const char *text)
{
    uint64_t number = 0;

    while (*text >= '0' && *text <= '9')
        number = number * 10 + (uint64_t)(*text++ - '0');
    return number;
}

void append_number(char *text, uint64_t number)
{
    if (number > 9)
        append_number(text, number / 10);
    text[length_of(text)] = (char)('0' + number % 10);
}

static unsigned digit_of(char letter)
{
    return (unsigned)(letter <= '9' ? letter - '0' : letter - 'a' + 10) & 15;
}

size_t bytes_of(const char *hexadecimal, void *bytes, size_t most)
{
    size_t length = 0;

    for (; length < most && hexadecimal[0] && hexadecimal[1]; hexadecimal += 2)
        ((unsigned char *)bytes)[length++] = (unsigned char)(digit_of(hexadecimal[0]) << 4 | digit_of(hexadecimal[1]));
    return length;
}

void found(struct answer *answer, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length && answer->length < FOUND; i++)
        answer->found[answer->length++] = ((const char *)bytes)[i];
}

/* The compiler may make calls of these of what it is given. */
void *memset(void *bytes, int value, size_t length)
{
    for (volatile char *at = bytes; length--; at++)
        *at = (char)value;
    return bytes;
}

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}
