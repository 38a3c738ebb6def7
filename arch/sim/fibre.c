/* SPDX-License-Identifier: MIT */
/* Fibres (sim/fibre.h). Stacks are kept for the next fibre: a run makes many. */
#include <sim/fibre.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef HAS_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* fibre_switch.S */
void fibre_switch_stacks(void **save_sp, void *load_sp);

/* Whoever was switched from last on this thread: its stack is what the next one returns to. */
static _Thread_local struct fibre *switched_from;
/* And who was switched to. */
static _Thread_local struct fibre *starting;

struct kept_stack {
    struct kept_stack *next;
    size_t bytes;
};
static _Thread_local struct kept_stack *kept;

static void *stack_take(size_t bytes)
{
    struct kept_stack *k = kept;
    void *stack;

    if (k && k->bytes == bytes) {
        kept = k->next;
        return k;
    }
    stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
    if (stack == MAP_FAILED) {
        perror("fibre stack");
        abort();
    }
    return stack;
}

static void stack_give(void *stack, size_t bytes)
{
    struct kept_stack *k = stack;

#ifdef HAS_ASAN
    __asan_unpoison_memory_region(stack, bytes); /* frames that were left in the middle */
#endif
    k->next = kept;
    k->bytes = bytes;
    kept = k;
}

__attribute__((noinline)) static void switch_begin(struct fibre *from, struct fibre *to)
{
    switched_from = from;
    starting = to;
#ifdef HAS_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->stack_bytes);
#endif
#ifdef HAS_TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/* Runs on the new stack, and perhaps on another thread than what was before: whatever belongs to a
 * thread must be looked up anew. */
__attribute__((noinline)) static void switch_end(struct fibre *self)
{
#ifdef HAS_ASAN
    const void *bottom;
    size_t bytes;

    __sanitizer_finish_switch_fiber(self->fake_stack, &bottom, &bytes);
    if (switched_from->stack_bytes == 0) { /* the thread's own stack: known only now */
        switched_from->stack = (void *)bottom;
        switched_from->stack_bytes = bytes;
    }
#endif
}

static void fibre_main(void)
{
    struct fibre *self = starting;

    switch_end(self);
    self->fn(self->argument);
    abort();
}

void fibre_of_thread(struct fibre *f)
{
    memset(f, 0, sizeof(*f));
#ifdef HAS_TSAN
    f->tsan = __tsan_get_current_fiber();
#endif
}

void fibre_create(struct fibre *f, size_t stack_bytes, void (*fn)(void *), void *argument)
{
    void **top;

    memset(f, 0, sizeof(*f));
    f->stack = stack_take(stack_bytes);
    f->stack_bytes = stack_bytes;
    f->fn = fn;
    f->argument = argument;
    /* What fibre_switch_stacks() pops: six registers, then the address to return to; fibre_main()
     * finds the stack as after a call. */
    top = (void **)((char *)f->stack + stack_bytes - 64);
    *--top = NULL;
    *--top = (void *)fibre_main;
    for (unsigned i = 0; i < 6; i++)
        *--top = NULL;
    f->sp = top;
#ifdef HAS_TSAN
    f->tsan = __tsan_create_fiber(0);
#endif
}

void fibre_destroy(struct fibre *f)
{
    if (!f->fn)
        return;
#ifdef HAS_TSAN
    __tsan_destroy_fiber(f->tsan);
#endif
    stack_give(f->stack, f->stack_bytes);
    memset(f, 0, sizeof(*f));
}

void fibre_switch(struct fibre *from, struct fibre *to)
{
    switch_begin(from, to);
    fibre_switch_stacks(&from->sp, to->sp);
    switch_end(from);
}
