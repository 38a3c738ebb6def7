/* SPDX-License-Identifier: MIT */
/* Fibres: flows of control with a stack each, which one thread switches between by hand. The
 * sanitizers are told of every switch. */
#pragma once

#include <kr/types.h>

struct fibre {
    void *sp;
    void *stack; /* lowest byte; NULL: the thread's own */
    size_t stack_bytes;
    void (*fn)(void *argument);
    void *argument;
    void *fake_stack; /* AddressSanitizer's */
    void *tsan;       /* ThreadSanitizer's */
};

/* The calling thread's own flow becomes one that can be switched from and to. */
void fibre_of_thread(struct fibre *f);
/* `fn` starts with the first switch and must never return. */
void fibre_create(struct fibre *f, size_t stack_bytes, void (*fn)(void *), void *argument);
/* It does not run and never will again. Harmless for one that was never created. */
void fibre_destroy(struct fibre *f);
/* Goes on in `to`; returns when somebody switches back. */
void fibre_switch(struct fibre *from, struct fibre *to);
