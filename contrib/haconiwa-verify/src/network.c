/* What a network namespace divides. */
#include "probe.h"
#include <linux/if.h>
#include <linux/in.h>
#include <linux/sockios.h>
#include <linux/un.h>
#include <sys/socket.h>

enum { HARDWARE_ADDRESS = 6 };

/* The name of an interface; its hardware address is found. */
long find_interface(char *const *words, struct answer *answer)
{
    struct ifreq request = {0};
    long socket = call(socket, AF_INET, SOCK_DGRAM, 0), result;

    if (socket < 0)
        return socket;
    for (size_t i = 0; i < IFNAMSIZ - 1 && words[0][i]; i++)
        request.ifr_name[i] = words[0][i];
    result = call(ioctl, socket, SIOCGIFHWADDR, &request);
    if (result >= 0)
        found(answer, request.ifr_hwaddr.sa_data, HARDWARE_ADDRESS);
    return result;
}

static long send_to(int family, const void *address, size_t length, const char *text)
{
    long socket = call(socket, family, SOCK_STREAM, 0), result;

    if (socket < 0)
        return socket;
    result = call(connect, socket, address, length);
    return result < 0 ? result : call(sendto, socket, text, length_of(text), MSG_NOSIGNAL);
}

/* A port of the loopback interface, and a text to send. */
long connect_to_port(char *const *words, struct answer *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    uint16_t port = (uint16_t)number_of(words[0]);

    (void)answer;
    address.sin_port = (uint16_t)(port << 8 | port >> 8);
    bytes_of("7f000001", &address.sin_addr, sizeof address.sin_addr);
    return send_to(AF_INET, &address, sizeof address, words[1]);
}

/* The name of an abstract socket, and a text to send. */
long connect_to_name(char *const *words, struct answer *answer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = 0;

    (void)answer;
    for (; words[0][length] && length < sizeof address.sun_path - 1; length++)
        address.sun_path[length + 1] = words[0][length];
    return send_to(AF_UNIX, &address, offsetof(struct sockaddr_un, sun_path) + 1 + length, words[1]);
}
