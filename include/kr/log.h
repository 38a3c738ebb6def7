/* SPDX-License-Identifier: MIT */
/*
 * The log: levels, the panic path and assertions.
 * Hypervisor messages obey `loglvl=`, messages about or from guests obey `guest_loglvl=`.
 * All may be called on any CPU in any context; they take the console lock (leaf).
 */
#pragma once

#include <kr/types.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

struct domain;

/* One line of text; a newline is added. Prefix `(XEN) `, which tools and people expect. */
void log_print(enum log_level level, const char *fmt, ...) __printf(2, 3);
/* The same whatever `loglvl=` says: what somebody has just asked for (debug keys). */
void log_always(const char *fmt, ...) __printf(1, 2);
/* The same about a domain: the line starts with `d<id>: `. `d` may be NULL. */
void log_guest(enum log_level level, const struct domain *d, const char *fmt, ...) __printf(3, 4);

#define log_error(...)   log_print(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_print(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_print(LOG_DEBUG, __VA_ARGS__)

/* Our own bug, or the machine's refusal at boot: explain, show the state, obey `noreboot`. */
void panic(const char *fmt, ...) __printf(1, 2) __noreturn;
/* A refusal at boot: prints one clear line (`Krypton cannot start: …`) and stops; no register dump.
 */
void boot_refuse(const char *fmt, ...) __printf(1, 2) __noreturn;

/* The end of every crash, ours or dom0's: reboots in five seconds, or halts with `noreboot`. */
void machine_restart_after_crash(void) __noreturn;

void assert_fail(const char *expr, const char *file, int line, const char *func) __noreturn;
/* Our own invariants only, never a guest's input. Always compiled in. */
#define ASSERT(e) (likely(e) ? (void)0 : assert_fail(#e, __FILE__, __LINE__, __func__))
