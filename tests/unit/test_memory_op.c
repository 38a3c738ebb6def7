/* SPDX-License-Identifier: MIT */
/* SOURCES: core/memory.c core/memory_op.c core/page.c tests/unit/fake/memory.c */
/* SOURCES: tests/unit/fake/heap.c tests/unit/fake/lock.c tests/unit/fake/log.c */
/*
 * memory_op: populate, decrease, increase, exchange, claims and questions, right and wrong, with
 * the frame table recounted after each test. Guest memory is the test's own; a bad address faults.
 */
#include "unit.h"
#include <stdlib.h>
#include <string.h>

#include "fake/heap.h"
#include "fake/memory.h"

#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/errno.h>
#include <kr/hypercall.h>
#include <kr/memory.h>

#include <xen/domctl.h>
#include <xen/memory.h>

#define RAM_FIRST 0x400
#define RAM_COUNT 0x800
#define BAD_ADDR  0x1000UL

_Thread_local struct cpu fake_cpu;
static struct domain dom0, guest;
static struct vcpu vcpu0, guest_vcpu;
static uint64_t m2p[RAM_FIRST + RAM_COUNT];
static unsigned yield_every, yield_calls, accesses_left;

/* ---- stand-ins --------------------------------------------------------------------------------
 */

static bool access_faults(uint64_t addr)
{
    return addr < 0x10000 || accesses_left-- == 0;
}

int arch_guest_read(void *dst, uint64_t addr, size_t size)
{
    if (access_faults(addr))
        return -EFAULT;
    memcpy(dst, (const void *)addr, size);
    return 0;
}

int arch_guest_write(uint64_t addr, const void *src, size_t size)
{
    if (access_faults(addr))
        return -EFAULT;
    memcpy((void *)addr, src, size);
    return 0;
}

void arch_frame_given_up(mfn_t mfn)
{
}

void arch_frame_set_gfn(mfn_t mfn, uint64_t gfn)
{
    m2p[mfn] = gfn;
}

long arch_memory_op(unsigned op, struct hypercall_args *args)
{
    return -ENOSYS;
}

uint64_t arch_domain_max_gfn(struct domain *d)
{
    return 0xabcd;
}

bool hypercall_caller_is(enum hypercall_caller callers)
{
    return callers == ANYONE || fake_cpu.current->domain->is_privileged;
}

bool hypercall_should_yield(void)
{
    return yield_every && ++yield_calls % yield_every == 0;
}

struct domain *domain_get_by_guest_id(uint16_t id)
{
    struct domain *d = id == DOMAIN_ID_SELF ? fake_cpu.current->domain
                       : id == 0            ? &dom0
                       : id == 1            ? &guest
                                            : NULL;

    if (d)
        d->refs++;
    return d;
}

void domain_put(struct domain *d)
{
    d->refs--;
}

uint32_t grant_frame_limit(struct domain *d, bool status)
{
    return status ? 0 : 4;
}

int grant_frame_get(struct domain *d, bool status, uint32_t index, mfn_t *mfn)
{
    *mfn = 0x7000 + index;
    return index < 4 ? 0 : -EINVAL;
}

/* ---- the frame of a test ----------------------------------------------------------------------
 */

static void domain_start(struct domain *d, struct vcpu *v, uint16_t id)
{
    memset(d, 0, sizeof(*d));
    d->id = id;
    d->is_privileged = id == 0;
    domain_memory_init(&d->memory, id, 1000);
    memory_fake_domain(&d->memory);
    v->domain = d;
}

static int setup(void **state)
{
    memory_fake_start(RAM_FIRST + RAM_COUNT);
    page_range_add(RAM_FIRST, RAM_COUNT, PAGE_RANGE_FREE);
    domain_start(&dom0, &vcpu0, 0);
    domain_start(&guest, &guest_vcpu, 1);
    fake_cpu.current = &vcpu0;
    memset(m2p, 0x5a, sizeof(m2p));
    yield_every = yield_calls = 0;
    accesses_left = ~0U;
    return 0;
}

static int teardown(void **state)
{
    memory_claim_drop(&dom0);
    memory_claim_drop(&guest);
    assert_int_equal(memory_claimed_total(), 0);
    assert_int_equal(dom0.refs + guest.refs, 0);
    assert_int_equal(fake_locks_held, 0);
    memory_fake_check();
    memory_fake_stop();
    return 0;
}

/* Issues the call until it is done, as the entry path does. */
static long memory_op(unsigned op, void *arg)
{
    struct hypercall_args args = {{op, (uint64_t)arg}};
    long rc;

    do
        rc = do_memory_op(&args);
    while (rc == -ERESTART);
    return rc;
}

static long change(unsigned op, uint16_t domid, uint64_t *list, uint64_t count, unsigned order)
{
    struct xen_memory_reservation r = {.nr_extents = count, .extent_order = order, .domid = domid};

    set_xen_guest_handle(r.extent_start, list);
    return memory_op(op, &r);
}

static long populate(uint64_t *list, uint64_t first_gfn, uint64_t count, unsigned order)
{
    for (uint64_t i = 0; i < count; i++)
        list[i] = first_gfn + (i << order);
    return change(XENMEM_populate_physmap, DOMAIN_ID_SELF, list, count, order);
}

/* ---- reservations -----------------------------------------------------------------------------
 */

static void populated_pages_come_zeroed_with_their_numbers(void **state)
{
    static const char zero[PAGE_SIZE];
    uint64_t list[8];

    assert_int_equal(populate(list, 0x100, 8, 2), 8);
    assert_int_equal(dom0.memory.page_count, 32);
    for (unsigned i = 0; i < 32; i++) {
        mfn_t mfn = list[i / 4] + i % 4;

        assert_int_equal(list[i / 4] % 4, 0);
        assert_int_equal(m2p[mfn], 0x100 + i);
        assert_memory_equal(frame_to_virt(mfn), zero, PAGE_SIZE);
        assert_int_equal(page_of(mfn)->owner, 0);
    }
}

static void what_was_given_can_be_taken_back(void **state)
{
    uint64_t free_before = page_free_count(), list[16];

    assert_int_equal(populate(list, 0, 16, 0), 16);
    assert_int_equal(change(XENMEM_decrease_reservation, DOMAIN_ID_SELF, list, 16, 0), 16);
    assert_int_equal(dom0.memory.page_count, 0);
    assert_int_equal(page_free_count(), free_before);
    assert_int_equal(m2p[list[3]], MEMORY_GFN_INVALID);
    /* Twice does not work, nor do frames that are not RAM, or nobody's. */
    assert_int_equal(change(XENMEM_decrease_reservation, DOMAIN_ID_SELF, list, 16, 0), 0);
    list[0] = RAM_FIRST + RAM_COUNT;
    assert_int_equal(change(XENMEM_decrease_reservation, DOMAIN_ID_SELF, list, 1, 0), 0);
    list[0] = ~0UL;
    assert_int_equal(change(XENMEM_decrease_reservation, DOMAIN_ID_SELF, list, 1, 0), 0);
}

static void a_page_in_use_is_free_only_after_its_user(void **state)
{
    uint64_t free_before = page_free_count(), list[1];

    assert_int_equal(populate(list, 7, 1, 0), 1);
    assert_true(page_get(page_of(list[0]), 0));
    assert_int_equal(change(XENMEM_decrease_reservation, DOMAIN_ID_SELF, list, 1, 0), 1);
    assert_int_equal(dom0.memory.dying_count, 1);
    assert_int_equal(page_free_count(), free_before - 1);
    page_put(page_of(list[0]));
    assert_int_equal(page_free_count(), free_before);
}

static void others_pages_stay_theirs(void **state)
{
    uint64_t list[2];

    assert_int_equal(populate(list, 0, 2, 0), 2);
    fake_cpu.current = &guest_vcpu;
    assert_int_equal(change(XENMEM_decrease_reservation, DOMAIN_ID_SELF, list, 2, 0), 0);
    assert_int_equal(change(XENMEM_decrease_reservation, 0, list, 2, 0), -EPERM);
    assert_int_equal(change(XENMEM_populate_physmap, 0, list, 2, 0), -EPERM);
    assert_int_equal(dom0.memory.page_count, 2);
    /* The control domain may, for the other. */
    fake_cpu.current = &vcpu0;
    assert_int_equal(change(XENMEM_populate_physmap, 1, list, 2, 0), 2);
    assert_int_equal(guest.memory.page_count, 2);
    assert_int_equal(change(XENMEM_populate_physmap, 5, list, 2, 0), -ESRCH);
}

static void limits_end_a_list_early(void **state)
{
    uint64_t list[64];

    dom0.memory.max_page_count = 10;
    assert_int_equal(populate(list, 0, 64, 0), 10);
    assert_int_equal(populate(list, 0, 1, 3), 0);
    dom0.memory.max_page_count = 1000;
    assert_int_equal(populate(list, 0, 1, MEMORY_EXCHANGE_ORDER + 1), 0);
    fake_cpu.current = &guest_vcpu;
    assert_int_equal(populate(list, 0, 1, 10), 0);
    memory_fake_fail_after(3);
    assert_int_equal(populate(list, 0, 5, 0), 3);
    memory_fake_fail_after(~0U);
}

static void long_lists_go_on_where_they_stopped(void **state)
{
    uint64_t list[100];

    yield_every = 3;
    assert_int_equal(populate(list, 0x50, 100, 0), 100);
    assert_int_equal(dom0.memory.page_count, 100);
    assert_int_equal(m2p[list[99]], 0x50 + 99);
    assert_int_equal(change(XENMEM_decrease_reservation, DOMAIN_ID_SELF, list, 100, 0), 100);
    assert_int_equal(dom0.memory.page_count, 0);
}

static void bad_lists_are_refused(void **state)
{
    struct hypercall_args args = {{XENMEM_populate_physmap | 50 << 6, 0}};
    uint64_t list[4] = {1, 2, 3, 4};
    struct xen_memory_reservation r = {.nr_extents = 4, .domid = DOMAIN_ID_SELF};

    assert_int_equal(memory_op(XENMEM_populate_physmap, (void *)BAD_ADDR), -EFAULT);
    assert_int_equal(change(XENMEM_populate_physmap, DOMAIN_ID_SELF, (uint64_t *)BAD_ADDR, 4, 0),
                     0);
    assert_int_equal(change(XENMEM_populate_physmap, DOMAIN_ID_SELF, list, UINT64_MAX >> 6, 40), 0);
    assert_int_equal(change(XENMEM_populate_physmap, DOMAIN_ID_SELF, list, UINT64_MAX, 0), -EINVAL);
    /* Further than the list is long. */
    set_xen_guest_handle(r.extent_start, list);
    args.arg[1] = (uint64_t)&r;
    assert_int_equal(do_memory_op(&args), -EINVAL);
    assert_int_equal(dom0.memory.page_count, 0);
}

/* When the answer cannot be written, nothing was given. */
static void an_unwritable_list_gets_nothing(void **state)
{
    uint64_t free_before = page_free_count(), list[4] = {1, 2, 3, 4};

    accesses_left = 2; /* the structure and the first entry can be read */
    assert_int_equal(change(XENMEM_populate_physmap, DOMAIN_ID_SELF, list, 4, 0), 0);
    accesses_left = ~0U;
    assert_int_equal(dom0.memory.page_count, 0);
    assert_int_equal(page_free_count(), free_before);
}

static void increase_tells_or_not(void **state)
{
    uint64_t list[3] = {0};

    assert_int_equal(change(XENMEM_increase_reservation, DOMAIN_ID_SELF, list, 3, 1), 3);
    assert_int_equal(page_of(list[2])->owner, 0);
    assert_int_equal(m2p[list[2]], MEMORY_GFN_INVALID);
    assert_int_equal(change(XENMEM_increase_reservation, DOMAIN_ID_SELF, NULL, 2, 0), 2);
    assert_int_equal(dom0.memory.page_count, 8);
}

/* ---- exchange ---------------------------------------------------------------------------------
 */

static long exchange(struct xen_memory_exchange *x, uint64_t *in, uint64_t in_count,
                     unsigned in_order, uint64_t *out, uint64_t out_count, unsigned out_order)
{
    *x = (struct xen_memory_exchange){
        .in = {.nr_extents = in_count, .extent_order = in_order, .domid = DOMAIN_ID_SELF},
        .out = {.nr_extents = out_count, .extent_order = out_order, .domid = DOMAIN_ID_SELF},
    };
    set_xen_guest_handle(x->in.extent_start, in);
    set_xen_guest_handle(x->out.extent_start, out);
    return memory_op(XENMEM_exchange, x);
}

static void single_pages_become_contiguous(void **state)
{
    struct xen_memory_exchange x;
    uint64_t in[64], out[1] = {0x200}, free_before;

    assert_int_equal(populate(in, 0x200, 64, 0), 64);
    free_before = page_free_count();
    memset(frame_to_virt(in[5]), 0xee, PAGE_SIZE);
    assert_int_equal(exchange(&x, in, 64, 0, out, 1, 6), 0);
    assert_int_equal(x.nr_exchanged, 64);
    assert_int_equal(out[0] % 64, 0);
    assert_int_equal(dom0.memory.page_count, 64);
    assert_int_equal(page_free_count(), free_before);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(m2p[out[0] + i], 0x200 + i);
        assert_int_equal(((char *)frame_to_virt(out[0] + i))[7], 0);
    }
}

static void contiguous_ones_become_single(void **state)
{
    struct xen_memory_exchange x;
    uint64_t in[4], out[16];

    assert_int_equal(populate(in, 0, 4, 2), 4);
    for (unsigned i = 0; i < 16; i++)
        out[i] = 0x900 + i;
    yield_every = 1;
    assert_int_equal(exchange(&x, in, 4, 2, out, 16, 0), 0);
    assert_int_equal(x.nr_exchanged, 4);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(m2p[out[i]], 0x900 + i);
    assert_int_equal(dom0.memory.page_count, 16);
}

static void a_busy_page_stops_it_whole(void **state)
{
    struct xen_memory_exchange x;
    uint64_t in[16], out[2] = {0, 8}, free_before;

    assert_int_equal(populate(in, 0, 16, 0), 16);
    free_before = page_free_count();
    assert_true(page_get(page_of(in[13]), 0));
    assert_int_equal(exchange(&x, in, 16, 0, out, 2, 3), -EBUSY);
    /* The first piece went, the second one is untouched. */
    assert_int_equal(x.nr_exchanged, 8);
    assert_int_equal(out[1], 8);
    for (unsigned i = 8; i < 16; i++) {
        assert_int_equal(page_of(in[i])->owner, 0);
        assert_int_equal(page_state(page_of(in[i])), PAGE_GUEST);
        assert_int_equal(m2p[in[i]], i);
    }
    page_put(page_of(in[13]));
    assert_int_equal(dom0.memory.page_count, 16);
    assert_int_equal(page_free_count(), free_before);
}

static void without_memory_nothing_changes(void **state)
{
    struct xen_memory_exchange x;
    uint64_t in[8], out[1] = {0};

    assert_int_equal(populate(in, 0, 8, 0), 8);
    memory_fake_fail_after(0);
    assert_int_equal(exchange(&x, in, 8, 0, out, 1, 3), -ENOMEM);
    memory_fake_fail_after(~0U);
    fake_heap_fail_after(0);
    assert_int_equal(exchange(&x, in, 8, 0, out, 1, 3), -ENOMEM);
    fake_heap_fail_after(~0U);
    assert_int_equal(x.nr_exchanged, 0);
    assert_int_equal(m2p[in[7]], 7);
    assert_int_equal(dom0.memory.page_count, 8);
}

static void uneven_exchanges_are_refused(void **state)
{
    struct xen_memory_exchange x;
    uint64_t in[8], out[2] = {0, 0};

    assert_int_equal(populate(in, 0, 8, 0), 8);
    assert_int_equal(exchange(&x, in, 7, 0, out, 1, 3), -EINVAL);
    assert_int_equal(exchange(&x, in, 8, 0, out, 2, 3), -EINVAL);
    assert_int_equal(exchange(&x, in, 1, 13, out, 1, 13), -EINVAL);
    assert_int_equal(exchange(&x, in, 1UL << 63, 1, out, 0, 0), -EINVAL);
    /* Not ours, not there. */
    in[3] = RAM_FIRST + RAM_COUNT + 5;
    assert_int_equal(exchange(&x, in, 8, 0, out, 1, 3), -EINVAL);
    assert_int_equal(x.nr_exchanged, 0);
    assert_int_equal(dom0.memory.page_count, 8);
}

static void random_traffic_keeps_the_books(void **state)
{
    static uint64_t have[512];
    unsigned count = 0;

    srand(11);
    for (unsigned step = 0; step < 3000; step++) {
        unsigned n = rand() % 16 + 1;

        if (rand() % 3 == 0 && count >= 8) {
            struct xen_memory_exchange x;
            uint64_t out[1] = {step};

            if (exchange(&x, &have[count - 8], 8, 0, out, 1, 3) == 0)
                for (unsigned i = 0; i < 8; i++)
                    have[count - 8 + i] = out[0] + i;
        } else if (rand() % 2 && count >= n) {
            assert_int_equal(
                change(XENMEM_decrease_reservation, DOMAIN_ID_SELF, &have[count - n], n, 0), n);
            count -= n;
        } else if (count + n <= ARRAY_SIZE(have)) {
            count += populate(&have[count], count, n, 0);
        }
        assert_int_equal(dom0.memory.page_count, count);
        if (step % 100 == 0)
            memory_fake_check();
    }
}

/* ---- claims and questions ---------------------------------------------------------------------
 */

static long claim(uint16_t domid, uint64_t pages)
{
    struct xen_memory_reservation r = {.nr_extents = pages, .domid = domid};

    return memory_op(XENMEM_claim_pages, &r);
}

static void claimed_memory_is_kept_for_its_domain(void **state)
{
    uint64_t list[1] = {0}, free_count = page_free_count();

    guest.memory.max_page_count = dom0.memory.max_page_count = 100000;
    assert_int_equal(claim(1, 200000), -EINVAL);
    assert_int_equal(claim(1, free_count + 1), -ENOMEM);
    assert_int_equal(claim(1, free_count - 4), 0);
    assert_int_equal(claim(1, 10), -EINVAL);
    assert_int_equal(claim(0, 5), -ENOMEM);
    assert_int_equal(populate(list, 0, 1, 3), 0);
    assert_int_equal(populate(list, 0, 1, 2), 1);
    list[0] = 0;
    assert_int_equal(change(XENMEM_populate_physmap, 1, list, 1, 3), 1);
    assert_int_equal(memory_claimed(&guest), free_count - 4 - 8);
    /* Attempts that fail cost nothing of it. */
    memory_fake_fail_after(0);
    assert_int_equal(change(XENMEM_populate_physmap, 1, list, 1, 3), 0);
    memory_fake_fail_after(~0U);
    guest.memory.max_page_count = guest.memory.page_count;
    assert_int_equal(change(XENMEM_populate_physmap, 1, list, 1, 0), 0);
    guest.memory.max_page_count = 100000;
    assert_int_equal(memory_claimed(&guest), free_count - 4 - 8);
    assert_int_equal(claim(1, 0), 0);
    assert_int_equal(memory_claimed_total(), 0);
    fake_cpu.current = &guest_vcpu;
    assert_int_equal(claim(1, 5), -EPERM);
}

static void questions_are_answered(void **state)
{
    struct xen_memory_domain about = {.domid = DOMAIN_ID_SELF};
    struct xen_pod_target pod = {.domid = 1, .target_pages = 5};
    uint64_t list[3];

    assert_int_equal(populate(list, 0, 3, 0), 3);
    assert_int_equal(memory_op(XENMEM_maximum_ram_page, NULL), RAM_FIRST + RAM_COUNT - 1);
    assert_int_equal(memory_op(XENMEM_current_reservation, &about), 3);
    assert_int_equal(memory_op(XENMEM_maximum_reservation, &about), 1000);
    dom0.memory.max_page_count = UINT64_MAX;
    assert_int_equal(memory_op(XENMEM_maximum_reservation, &about), 0xffffffffL);
    assert_int_equal(memory_op(XENMEM_maximum_gpfn, &about), 0xabcd);
    about.domid = 1;
    assert_int_equal(memory_op(XENMEM_current_reservation, &about), 0);
    assert_int_equal(memory_op(XENMEM_get_sharing_freed_pages, NULL), 0);
    assert_int_equal(memory_op(XENMEM_get_sharing_shared_pages, NULL), 0);
    assert_int_equal(memory_op(XENMEM_set_pod_target, &pod), -EINVAL);
    guest.create_flags = XEN_DOMCTL_CDF_hvm;
    assert_int_equal(memory_op(XENMEM_set_pod_target, &pod), 0);
    assert_int_equal(memory_op(XENMEM_get_vnumainfo, NULL), -EOPNOTSUPP);
    assert_int_equal(memory_op(63, NULL), -ENOSYS);
    fake_cpu.current = &guest_vcpu;
    about.domid = 0;
    assert_int_equal(memory_op(XENMEM_current_reservation, &about), -EPERM);
}

static void grant_frames_are_acquired(void **state)
{
    struct xen_mem_acquire_resource r = {.domid = 1, .type = XENMEM_resource_grant_table};
    uint64_t frames[5] = {0};

    assert_int_equal(memory_op(XENMEM_acquire_resource, &r), 0);
    assert_int_equal(r.nr_frames, 4);
    set_xen_guest_handle(r.frame_list, frames);
    r.nr_frames = 2;
    r.frame = 1;
    assert_int_equal(memory_op(XENMEM_acquire_resource, &r), 0);
    assert_int_equal(frames[0], 0x7001);
    assert_int_equal(frames[1], 0x7002);
    assert_int_equal(frames[2], 0);
    r.frame = UINT64_MAX;
    assert_int_equal(memory_op(XENMEM_acquire_resource, &r), -EINVAL);
    r.frame = 0;
    r.nr_frames = 5;
    assert_int_equal(memory_op(XENMEM_acquire_resource, &r), -EINVAL);
    r.nr_frames = 1;
    r.pad = 1;
    assert_int_equal(memory_op(XENMEM_acquire_resource, &r), -EINVAL);
    r.pad = 0;
    r.id = 2;
    assert_int_equal(memory_op(XENMEM_acquire_resource, &r), -EINVAL);
    r.type = XENMEM_resource_ioreq_server; /* not of a PV domain */
    assert_int_equal(memory_op(XENMEM_acquire_resource, &r), -EINVAL);
    r.type = 9;
    assert_int_equal(memory_op(XENMEM_acquire_resource, &r), -EOPNOTSUPP);
    r = (struct xen_mem_acquire_resource){.domid = 1, .type = XENMEM_resource_grant_table};
    set_xen_guest_handle(r.frame_list, frames);
    assert_int_equal(memory_op(XENMEM_acquire_resource, &r), -EINVAL); /* none asked for */
    r.nr_frames = 4;
    yield_every = 1;
    assert_int_equal(memory_op(XENMEM_acquire_resource, &r), 0);
    assert_int_equal(frames[3], 0x7003);
    r.domid = 0;
    assert_int_equal(memory_op(XENMEM_acquire_resource, &r), -EPERM);
    r.domid = DOMID_SELF;
    assert_int_equal(memory_op(XENMEM_acquire_resource, &r), -ESRCH);
}

static void pv_domains_place_their_pages(void **state)
{
    struct xen_add_to_physmap add = {.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn};
    struct xen_add_to_physmap_batch batch = {.domid = 1, .space = XENMAPSPACE_grant_table};
    struct xen_remove_from_physmap remove = {.domid = 1};

    assert_int_equal(memory_op(XENMEM_add_to_physmap, &add), -EACCES);
    assert_int_equal(memory_op(XENMEM_add_to_physmap_batch, &batch), -EACCES);
    assert_int_equal(memory_op(XENMEM_remove_from_physmap, &remove), -EACCES);
    add.space = XENMAPSPACE_gmfn_foreign;
    assert_int_equal(memory_op(XENMEM_add_to_physmap, &add), -ENOSYS);
    batch.space = XENMAPSPACE_gmfn_range;
    assert_int_equal(memory_op(XENMEM_add_to_physmap_batch, &batch), -EOPNOTSUPP);
    remove.domid = 7;
    assert_int_equal(memory_op(XENMEM_remove_from_physmap, &remove), -ESRCH);
    assert_int_equal(memory_op(XENMEM_remove_from_physmap, (void *)BAD_ADDR), -EFAULT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(populated_pages_come_zeroed_with_their_numbers),
        TEST(what_was_given_can_be_taken_back),
        TEST(a_page_in_use_is_free_only_after_its_user),
        TEST(others_pages_stay_theirs),
        TEST(limits_end_a_list_early),
        TEST(long_lists_go_on_where_they_stopped),
        TEST(bad_lists_are_refused),
        TEST(an_unwritable_list_gets_nothing),
        TEST(increase_tells_or_not),
        TEST(single_pages_become_contiguous),
        TEST(contiguous_ones_become_single),
        TEST(a_busy_page_stops_it_whole),
        TEST(without_memory_nothing_changes),
        TEST(uneven_exchanges_are_refused),
        TEST(random_traffic_keeps_the_books),
        TEST(claimed_memory_is_kept_for_its_domain),
        TEST(questions_are_answered),
        TEST(grant_frames_are_acquired),
        TEST(pv_domains_place_their_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
