/* A program that tries, one by one, what it is asked to try.
 *
 * Its standard input is a socket of packets. A request is a number of four bytes, and words that end in NUL: the name
 * of an attempt and its arguments. An answer is that number, the signal that has ended the attempt or 0, the attempt's
 * result (-errno where a system call has failed), and what the attempt has found. */
#ifndef PROBE_H
#define PROBE_H

#include "syscall.h"
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <stddef.h>
#include <stdint.h>

enum { WORDS = 8, FOUND = 1024, NOBODY = 65534 };

/* Executed by this name, the program ends at once; its exit status says whether it is root. */
#define ASKED_WHO "haconiwa-who"
enum { GAINED = 200 };

/* What goes back. */
struct answer {
    int32_t number, signal;
    int64_t result;
    char found[FOUND];
    size_t length; /* of what was found; not sent */
};

/* An attempt has a process of its own. Its words are its arguments, "" those that are missing. */
typedef long attempt(char *const *words, struct answer *answer);

/* network.c */
attempt find_interface, connect_to_port, connect_to_name;
/* processes.c */
attempt send_signal, trace, become_root, gain_by_set_user_id;
/* files.c */
attempt read_file, open_to_write, append_to_file, read_by_handle, read_above_chroot, leave_group;
/* mounts.c */
attempt mount_something, remount_root, unmount_root, pivot_root, make_user_namespace;
/* privileges.c */
attempt make_device, raise_limit, tell_host_name, set_host_name, set_clock, load_module, type_ahead;
/* kernel.c */
attempt make_bpf_map, count_events, handle_faults, make_ring;
/* shared.c; what is added and made is for the others to find */
attempt find_key, add_key, remove_key, read_shared_memory, make_shared_memory, remove_shared_memory;
/* limits.c */
attempt open_files, take_memory, make_processes;

/* text.c */
size_t length_of(const char *text);
int is_same(const char *first, const char *second);
uint64_t number_of(const char *text);
/* The text ends in as many NUL as the number has digits, and one more. */
void append_number(char *text, uint64_t number);
size_t bytes_of(const char *hexadecimal, void *bytes, size_t most);

/* Note what an attempt has found, as much of it as there is room for. */
void found(struct answer *answer, const void *bytes, size_t length);

/* The first folder in which something can be made, as the attempt tries it; the best of the answers. */
long in_some_folder(long (*make)(int folder, char *const *words), char *const *words);

/* Whether a call has been refused for want of rights. */
int is_refused(long result);

/* Make another process, as fork(2) does. */
long fork_process(void);

/* Make a file system in memory that is mounted nowhere; its root directory. */
long detached_tmpfs(void);

/* Have mounts of one's own, which nobody else sees; 0 if so. */
long own_mounts(void);

#endif
