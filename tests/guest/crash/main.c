/* SPDX-License-Identifier: MIT */
/*
 * Mistakes that a guest cannot survive: the domain ends with a line in the log that says so, and
 * the machine resets in good order. Each run makes one.
 */
/* RUN: name=no-handler args="no-handler" expect="[Dd]om.*crash" */
/* RUN: name=no-user-root args="no-user-root" expect="[Dd]om.*crash" */
/* RUN: name=bad-stack args="bad-stack" expect="[Dd]om.*crash" */
/* RUN: name=bad-iret-stack args="bad-iret-stack" expect="[Dd]om.*crash" */
/* RUN: name=no-tables args="no-tables" expect="[Dd]om.*crash" */
/* RUN: name=shutdown-crash args="shutdown-crash" expect="[Dd]om.*crash" */
#include "guest.h"
#include "user.h"
#include <xen/sched.h>

static void no_handler(void)
{
    set_trap_table(NULL);
    __asm__ volatile("ud2");
}

static void no_user_root(void)
{
    struct trap_frame frame;

    user_init();
    user_frame(&frame, "", 0, 2);
    mmuext(MMUEXT_NEW_USER_BASEPTR, 0);
    trap_resume(&frame);
}

/* The frame of the exception has nowhere to go. */
static void bad_stack(void)
{
    __asm__ volatile("movq %0, %%rsp; ud2" ::"r"(0x5000UL));
}

static void bad_iret_stack(void)
{
    __asm__ volatile("movq %0, %%rsp; movl $23, %%eax; syscall" ::"r"(0x5000UL));
}

/* The kernel takes its own mapping away. */
static void no_tables(void)
{
    pte_write(pt_entry_machine(boot_stack, 4), 0);
    mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0);
}

static void shutdown_crash(void)
{
    struct sched_shutdown how = {.reason = SHUTDOWN_crash};

    sched_op(SCHEDOP_shutdown, &how);
}

TEST("crash")
{
    static const struct {
        const char *name;
        void (*run)(void);
    } ways[] = {
        {"no-handler", no_handler}, {"no-user-root", no_user_root},
        {"bad-stack", bad_stack},   {"bad-iret-stack", bad_iret_stack},
        {"no-tables", no_tables},   {"shutdown-crash", shutdown_crash},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(ways); i++)
        if (option_given(ways[i].name))
            ways[i].run();
    CHECK(!"the kernel lives");
}
