/* SPDX-License-Identifier: MIT */
/* Base types and the few macros every file uses. No state, no hypervisor knowledge. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096UL
#define PAGE_MASK  (~(PAGE_SIZE - 1))

#define KIB (1UL << 10)
#define MIB (1UL << 20)
#define GIB (1UL << 30)

#define BIT(n)                        (1UL << (n))
#define ARRAY_SIZE(a)                 (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a)                (((x) + (a)-1) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a)              ((x) & ~((__typeof__(x))(a)-1))
#define DIV_ROUND_UP(x, d)            (((x) + (d)-1) / (d))
#define MIN(a, b)                     ((a) < (b) ? (a) : (b))
#define MAX(a, b)                     ((a) > (b) ? (a) : (b))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

#define __printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define __packed            __attribute__((packed))
#define __noreturn          __attribute__((noreturn))
#define __aligned(n)        __attribute__((aligned(n)))
#define __used              __attribute__((used))
#define __must_check        __attribute__((warn_unused_result))
/* A function that prints what others change, without their locks: values may be old, not invalid.
 */
#define __reads_unlocked __attribute__((no_sanitize("thread")))
#define __section(s)     __attribute__((section(s)))
#define likely(x)        __builtin_expect(!!(x), 1)
#define unlikely(x)      __builtin_expect(!!(x), 0)

/* A machine frame number: physical address >> PAGE_SHIFT. */
typedef uint64_t mfn_t;
#define MFN_INVALID (~(mfn_t)0)
