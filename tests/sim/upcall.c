/* SPDX-License-Identifier: MIT */
/*
 * The upcall: a guest takes its pending events, as Linux does (two-level: selector, words,
 * bits; the FIFO layout is in fifo.c).
 * The guest's mapping of shared_info and vcpu_info is taken for granted: it writes them in place.
 */
#include "faults.h"
#include "gen.h"

#include <xen/xen.h>

static void word_take(struct actor *a, unsigned word)
{
    struct shared_info *s = a->domain->shared_info;
    uint64_t bits = s->evtchn_pending[word] & ~s->evtchn_mask[word];

    while (bits) {
        unsigned bit = __builtin_ctzl(bits);

        bits &= bits - 1;
        __atomic_fetch_and(&s->evtchn_pending[word], ~BIT(bit), __ATOMIC_SEQ_CST);
        port_model_take(a->domain, word * 64 + bit);
        trace_note(a, "event", word * 64 + bit, 0, 0);
    }
}

void sim_guest_event(struct sim_guest *g)
{
    struct vcpu *v = sim_guest_vcpu(g);
    struct actor a = {.guest = g,
                      .vcpu = v,
                      .domain = v->domain,
                      .model = model_of(v->domain),
                      .in_upcall = true};
    struct vcpu_info *info = v->info;
    uint64_t selector;

    faults_note_entry(&a);
    __atomic_store_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
    selector = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    if (v->domain->events.fifo) {
        fifo_take_events(&a);
        return;
    }
    while (selector) {
        unsigned word = __builtin_ctzl(selector);

        selector &= selector - 1;
        word_take(&a, word);
    }
}
