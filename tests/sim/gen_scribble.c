/* SPDX-License-Identifier: MIT */
/* Guests write what they like to the memory that they share with the hypervisor, also while it
 * reads there. The control domain does so seldom: it has to live on. */
#include "gen.h"

#include <xen/xen.h>

#include <string.h>

#define DOM0_ONE_IN 40

static bool may_scribble(struct actor *a)
{
    return !a->domain->is_privileged || pick_one_in(a, DOM0_ONE_IN);
}

static void words_scribble(struct actor *a, const char *what, void *memory, size_t size_bytes)
{
    uint64_t *words = memory;

    for (unsigned left = pick_range(a, 1, 6); left > 0; left--)
        words[pick(a, size_bytes / sizeof(*words))] = pick_word(a);
    trace_note(a, what, 0, 0, 0);
}

static void scribble_shared_info(struct actor *a)
{
    if (may_scribble(a))
        words_scribble(a, "scribbles on shared_info", a->domain->shared_info,
                       sizeof(struct shared_info));
}

static void scribble_bitmaps(struct actor *a)
{
    struct shared_info *s = a->domain->shared_info;

    if (may_scribble(a))
        words_scribble(a, "scribbles on event bits",
                       pick_one_in(a, 2) ? s->evtchn_pending : s->evtchn_mask,
                       sizeof(s->evtchn_mask));
}

/* The page that v->info is in belongs to the guest as long as the vCPU is there. */
static void scribble_vcpu_info(struct actor *a)
{
    if (may_scribble(a))
        words_scribble(a, "scribbles on vcpu_info", a->vcpu->info, sizeof(struct vcpu_info));
}

static void page_scribble(struct actor *a, const char *what, uint64_t va)
{
    uint64_t *words = sim_guest_word(a->guest, va);

    if (words)
        words_scribble(a, what, words, PAGE_SIZE);
}

/* Not where its own frame numbers are, half a page on. */
static void scribble_start_info(struct actor *a)
{
    uint64_t *words = sim_guest_word(a->guest, sim_page_va(SIM_PFN_START_INFO));

    if (words && may_scribble(a))
        words_scribble(a, "scribbles on start_info", words, PAGE_SIZE / 2);
}

/* Another vCPU's arguments, perhaps while a hypercall of it is under way. */
static void scribble_arguments(struct actor *a)
{
    unsigned vcpu = pick(a, a->domain->vcpu_max);

    page_scribble(a, "scribbles on arguments",
                  sim_page_va(SIM_PFN_ARGS + 2 * (vcpu % SIM_VCPU_MAX) + pick(a, 2)));
}

static void scribble_memory(struct actor *a)
{
    page_scribble(a, "scribbles on a page", sim_page_va(pick_pfn(a)));
}

const struct operation scribble_operations[] = {
    {"scribble shared_info", GROUP_SCRIBBLE, 2, false, scribble_shared_info},
    {"scribble event bits", GROUP_SCRIBBLE, 3, false, scribble_bitmaps},
    {"scribble vcpu_info", GROUP_SCRIBBLE, 2, false, scribble_vcpu_info},
    {"scribble start_info", GROUP_SCRIBBLE, 1, false, scribble_start_info},
    {"scribble arguments", GROUP_SCRIBBLE, 4, false, scribble_arguments},
    {"scribble memory", GROUP_SCRIBBLE, 2, false, scribble_memory},
    {0},
};
