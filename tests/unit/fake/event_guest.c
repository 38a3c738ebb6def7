/* SPDX-License-Identifier: MIT */
/* See event_guest.h. */
#include <assert.h>
#include <string.h>

#include <kr/cpu.h>
#include <kr/errno.h>
#include <kr/hypercall.h>

#include <xen/xen.h>

#include <xen/event_channel.h>

#include "domains.h"
#include "event_guest.h"

#define PENDING  (1U << EVTCHN_FIFO_PENDING)
#define MASKED   (1U << EVTCHN_FIFO_MASKED)
#define LINKED   (1U << EVTCHN_FIFO_LINKED)
#define BUSY     (1U << EVTCHN_FIFO_BUSY)
#define PER_PAGE (PAGE_SIZE / sizeof(uint32_t))

static struct guest {
    uint32_t *pages[128];
    unsigned page_count;
    struct guest_vcpu {
        struct evtchn_fifo_control_block *control;
        uint32_t head[EVTCHN_FIFO_MAX_QUEUES];
        uint32_t ready;
    } vcpus[DOMAINS_FAKE_VCPU];
} guests[DOMAINS_FAKE_MAX];

static struct guest_vcpu *guest_vcpu(struct vcpu *v)
{
    return &guests[v->domain->id].vcpus[v->id];
}

static bool is_fifo(struct domain *d)
{
    return d->events.fifo != NULL;
}

static uint32_t *fifo_word(struct domain *d, uint32_t port)
{
    assert(port / PER_PAGE < guests[d->id].page_count);
    return guests[d->id].pages[port / PER_PAGE] + port % PER_PAGE;
}

static uint64_t *bits_2l(struct domain *d, bool mask)
{
    return (uint64_t *)(mask ? d->shared_info->evtchn_mask : d->shared_info->evtchn_pending);
}

static int hypercall_as(struct vcpu *v, unsigned cmd, void *arg)
{
    struct hypercall_args args = {.arg = {cmd, (uint64_t)arg}};
    struct vcpu *before = current_vcpu();
    int rc;

    domains_fake_run(v);
    rc = do_event_channel_op(&args);
    domains_fake_run(before);
    return rc;
}

/* ---- FIFO setup ------------------------------------------------------------------------------ */

int event_guest_control(struct vcpu *v, uint32_t offset)
{
    struct evtchn_init_control op = {
        .control_gfn = domains_fake_page(v->domain), .offset = offset, .vcpu = v->id};
    int rc = hypercall_as(v, EVTCHNOP_init_control, &op);

    if (rc == 0) {
        memset(guest_vcpu(v), 0, sizeof(*guest_vcpu(v)));
        guest_vcpu(v)->control = (void *)((char *)frame_to_virt(op.control_gfn) + offset);
        assert(op.link_bits == EVTCHN_FIFO_LINK_BITS);
    }
    return rc;
}

mfn_t event_guest_control_frame(struct vcpu *v)
{
    return virt_to_frame(guest_vcpu(v)->control);
}

int event_guest_expand(struct domain *d)
{
    struct guest *g = &guests[d->id];
    mfn_t mfn = domains_fake_page(d);
    struct evtchn_expand_array op = {.array_gfn = mfn};
    int rc = hypercall_as(d->vcpus[0], EVTCHNOP_expand_array, &op);

    if (rc == 0)
        g->pages[g->page_count++] = frame_to_virt(mfn);
    return rc;
}

void event_guest_forget(struct domain *d)
{
    memset(&guests[d->id], 0, sizeof(guests[d->id]));
    memset(bits_2l(d, false), 0, 512);
    for (unsigned i = 0; i < d->vcpu_max; i++)
        if (d->vcpus[i] != NULL)
            d->vcpus[i]->info->evtchn_upcall_pending = 0;
}

/* ---- masks ----------------------------------------------------------------------------------- */

void event_guest_mask(struct domain *d, uint32_t port)
{
    if (is_fifo(d))
        __atomic_fetch_or(fifo_word(d, port), MASKED, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_or(&bits_2l(d, true)[port / 64], 1UL << port % 64, __ATOMIC_SEQ_CST);
}

bool event_guest_unmask_quietly(struct domain *d, uint32_t port)
{
    if (is_fifo(d)) {
        uint32_t *word = fifo_word(d, port), old = *word;

        /* Not while the hypervisor has set BUSY. */
        do {
            old &= ~BUSY;
        } while (!__atomic_compare_exchange_n(word, &old, old & ~MASKED, false, __ATOMIC_SEQ_CST,
                                              __ATOMIC_SEQ_CST));
    } else {
        __atomic_fetch_and(&bits_2l(d, true)[port / 64], ~(1UL << port % 64), __ATOMIC_SEQ_CST);
    }
    return event_guest_is_pending(d, port);
}

void event_guest_clear(struct domain *d, uint32_t port)
{
    if (is_fifo(d))
        __atomic_fetch_and(fifo_word(d, port), ~PENDING, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&bits_2l(d, false)[port / 64], ~(1UL << port % 64), __ATOMIC_SEQ_CST);
}

bool event_guest_is_pending(struct domain *d, uint32_t port)
{
    if (is_fifo(d))
        return __atomic_load_n(fifo_word(d, port), __ATOMIC_SEQ_CST) & PENDING;
    return __atomic_load_n(&bits_2l(d, false)[port / 64], __ATOMIC_SEQ_CST) >> port % 64 & 1;
}

bool event_guest_is_masked(struct domain *d, uint32_t port)
{
    if (is_fifo(d))
        return __atomic_load_n(fifo_word(d, port), __ATOMIC_SEQ_CST) & MASKED;
    return __atomic_load_n(&bits_2l(d, true)[port / 64], __ATOMIC_SEQ_CST) >> port % 64 & 1;
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* Takes the port out of its queue; the one behind it. */
static uint32_t unlink_word(uint32_t *word)
{
    uint32_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST);

    while (!__atomic_compare_exchange_n(word, &old, old & ~(LINKED | EVTCHN_FIFO_LINK_MASK), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    return old & EVTCHN_FIFO_LINK_MASK;
}

bool event_guest_step(struct vcpu *v, uint32_t *port)
{
    struct guest_vcpu *gv = guest_vcpu(v);
    unsigned q;
    uint32_t *word;

    gv->ready |= __atomic_exchange_n(&gv->control->ready, 0, __ATOMIC_SEQ_CST);
    if (gv->ready == 0)
        return false;
    q = __builtin_ctz(gv->ready);
    *port = gv->head[q];
    if (*port == 0)
        *port = __atomic_load_n(&gv->control->head[q], __ATOMIC_SEQ_CST);
    word = fifo_word(v->domain, *port);
    gv->head[q] = unlink_word(word);
    if (gv->head[q] == 0)
        gv->ready &= ~(1U << q);
    if (!(__atomic_load_n(word, __ATOMIC_SEQ_CST) & PENDING) ||
        event_guest_is_masked(v->domain, *port))
        *port = 0;
    return true;
}

static unsigned take_fifo(struct vcpu *v, uint32_t *ports, unsigned max)
{
    unsigned count = 0;
    uint32_t port;

    if (guest_vcpu(v)->control == NULL)
        return 0;
    while (event_guest_step(v, &port)) {
        if (port == 0)
            continue;
        assert(count < max);
        ports[count++] = port;
        event_guest_clear(v->domain, port);
    }
    return count;
}

void event_guest_for_each_2l(struct vcpu *v, void (*handle)(uint32_t port))
{
    uint64_t selected = __atomic_exchange_n(&v->info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

    for (uint32_t port = 0; port < 4096; port++)
        if ((selected >> port / 64 & 1) && event_guest_is_pending(v->domain, port) &&
            !event_guest_is_masked(v->domain, port))
            handle(port);
}

static uint32_t *taken;
static unsigned taken_count, taken_max;
static struct domain *taken_domain;

static void take_one(uint32_t port)
{
    assert(taken_count < taken_max);
    taken[taken_count++] = port;
    event_guest_clear(taken_domain, port);
}

static unsigned take_2l(struct vcpu *v, uint32_t *ports, unsigned max)
{
    taken = ports;
    taken_count = 0;
    taken_max = max;
    taken_domain = v->domain;
    event_guest_for_each_2l(v, take_one);
    return taken_count;
}

unsigned event_guest_take(struct vcpu *v, uint32_t *ports, unsigned max)
{
    __atomic_store_n(&v->info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
    return is_fifo(v->domain) ? take_fifo(v, ports, max) : take_2l(v, ports, max);
}

/* ---- against the rules ----------------------------------------------------------------------- */

void event_guest_scribble(struct domain *d, uint32_t port, uint32_t word)
{
    *fifo_word(d, port) = word;
}

void event_guest_scribble_control(struct vcpu *v, uint32_t junk)
{
    struct evtchn_fifo_control_block *control = guest_vcpu(v)->control;

    control->ready = junk;
    control->head[junk % EVTCHN_FIFO_MAX_QUEUES] = junk * 7;
}
