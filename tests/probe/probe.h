/* A program that says, from inside a container, what of the host is open to it.
 *
 *     probe NAME=VALUE ...     what the host has, and what the container may have; see main.c
 *
 * Each check is one line of JSON: its name, a verdict, and a detail for people. "closed" is as it should be in
 * a container, "open" is not, "skip" is what cannot be told here. Nothing that succeeds outlives its check. */
#ifndef PROBE_H
#define PROBE_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The value of an argument, or "". */
const char *argument(const char *name);

/* What the check at hand has found; the first of them counts, and without any it is closed. */
void opened(const char *format, ...) __attribute__((format(printf, 1, 2)));
void closed(const char *format, ...) __attribute__((format(printf, 1, 2)));
void skipped(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same of the result of a system call. What is refused for another reason than missing rights is open. */
void refused_or_open(long result);

/* Make a check, in a process of its own, of which nothing is left. A signal that ends it is a refusal. */
void check(const char *name, void (*function)(void));
void check_path(const char *prefix, const char *path, void (*function)(const char *path));

/* Take mounts of one's own, if that is possible, so that what is mounted does not stay. */
void leave_mounts_alone(void);

/* The contents of a small file, "" if it cannot be read; good until the next call. */
const char *contents(const char *path);

/* One file each. */
void check_process(void);
void check_capabilities(void);
void check_namespaces(void);
void check_mounts(void);
void check_given(void);
void check_files(void);
void check_limits(void);
void check_escapes(void);
void check_calls(void);

#endif
