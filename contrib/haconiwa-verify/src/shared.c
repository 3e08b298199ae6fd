/* What the kernel keeps for users and namespaces: keys (keyrings(7)), System V shared memory (shmget(2)). */
#include "probe.h"
#include <linux/ipc.h>
#include <linux/keyctl.h>
#include <linux/shm.h>

enum { SIZE = 4096 };

static long attached(const char *key, int flags, char **memory)
{
    long segment = call(shmget, number_of(key), SIZE, flags), address;

    if (segment < 0)
        return segment;
    address = call(shmat, segment, NULL, flags ? 0 : SHM_RDONLY);
    *memory = (char *)address;
    return address < 0 && address > -SIZE ? address : segment;
}

/* The key of a segment; what it holds is found. */
long read_shared_memory(char *const *words, struct answer *answer)
{
    char *memory;
    long segment = attached(words[0], 0, &memory);

    if (segment >= 0)
        found(answer, memory, length_of(memory));
    return segment;
}

/* A key, and a text for the segment to hold. */
long make_shared_memory(char *const *words, struct answer *answer)
{
    char *memory;
    long segment = attached(words[0], IPC_CREAT | IPC_EXCL | 0666, &memory);

    (void)answer;
    for (size_t i = 0; segment >= 0 && words[1][i]; i++)
        memory[i] = words[1][i];
    return segment;
}

long remove_shared_memory(char *const *words, struct answer *answer)
{
    long segment = call(shmget, number_of(words[0]), SIZE, 0);

    (void)answer;
    return segment < 0 ? segment : call(shmctl, segment, IPC_RMID, NULL);
}

static long keyring_of(const char *name)
{
    if (is_same(name, "session"))
        return KEY_SPEC_SESSION_KEYRING;
    /* Whoever has a link to a keyring possesses what is in it; this one ends with the attempt. */
    call(keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    call(keyctl, KEYCTL_LINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_SESSION_KEYRING);
    return KEY_SPEC_USER_KEYRING;
}

/* "session" or "user", and the description of a key there; what it holds is found. */
long find_key(char *const *words, struct answer *answer)
{
    char bytes[FOUND];
    long key = call(keyctl, KEYCTL_SEARCH, keyring_of(words[0]), "user", words[1], 0), length;

    if (key < 0)
        return key;
    length = call(keyctl, KEYCTL_READ, key, bytes, sizeof bytes);
    if (length > 0)
        found(answer, bytes, (size_t)length < sizeof bytes ? (size_t)length : sizeof bytes);
    return length;
}

/* The same, and what the key holds. It is forgotten after a while, whatever happens. */
long add_key(char *const *words, struct answer *answer)
{
    long key = call(add_key, "user", words[1], words[2], length_of(words[2]), keyring_of(words[0]));

    (void)answer;
    return key < 0 ? key : call(keyctl, KEYCTL_SET_TIMEOUT, key, 600);
}

long remove_key(char *const *words, struct answer *answer)
{
    long keyring = keyring_of(words[0]), key = call(keyctl, KEYCTL_SEARCH, keyring, "user", words[1], 0);

    (void)answer;
    return key < 0 ? key : call(keyctl, KEYCTL_UNLINK, key, keyring);
}
