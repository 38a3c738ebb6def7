/* SPDX-License-Identifier: MIT */
/*
 * The control domain as a toolstack: makes domains by the calls that libxc makes, page by page
 * through mappings of the new domain's frames, and destroys them. It may stop in the middle.
 */
#include "gen_control.h"
#include "run.h"

#include <kr/errno.h>
#include <kr/page.h>
#include <x86/pte.h>

#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/xen.h>

#include <string.h>

#define DOMAINS_MAX 5
#define WINDOW_SLOT 384 /* of dom0's L1 table: one for each vCPU, for foreign pages */
#define STOP_ONE_IN 40

struct building {
    struct actor *a;
    uint16_t id;
    unsigned vcpus, page_count;
    xen_pfn_t frames[SIM_PAGES_MAX];
};

long domctl(struct actor *a, uint32_t cmd, uint16_t id, struct xen_domctl *op)
{
    op->cmd = cmd;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = id;
    long rc = call(a, __HYPERVISOR_domctl, args_put(a, 0, op, sizeof(*op)), 0, 0, 0, 0);

    trace_note(a, "domctl op", cmd, id, rc);
    return args_get(a, 0, op, sizeof(*op)) ? rc : -EFAULT;
}

static bool domain_make(struct building *b)
{
    struct xen_domctl op = {.u.createdomain = {.max_vcpus = b->vcpus,
                                               .max_evtchn_port = pick_range(
                                                   b->a, 31, pick_one_in(b->a, 3) ? 140 : 4000),
                                               .max_grant_frames = pick_range(b->a, 1, 6),
                                               .max_maptrack_frames = pick(b->a, 6),
                                               .grant_opts = 1 + pick(b->a, 2)}};

    if (domctl(b->a, XEN_DOMCTL_createdomain, 0, &op) != 0)
        return false;
    b->id = op.domain;
    memset(&op.u, 0, sizeof(op.u));
    op.u.max_vcpus.max = b->vcpus;
    if (domctl(b->a, XEN_DOMCTL_max_vcpus, b->id, &op) != 0)
        return false;
    memset(&op.u, 0, sizeof(op.u));
    op.u.max_mem.max_memkb = (b->page_count + pick(b->a, 64)) * 4;
    return domctl(b->a, XEN_DOMCTL_max_mem, b->id, &op) == 0;
}

/* Frames for the first pages, an extent list of half a page at a time. */
static bool memory_give(struct building *b)
{
    const unsigned at_once = 48;

    for (unsigned pfn = 0; pfn < b->page_count; pfn += at_once) {
        unsigned count = MIN(at_once, b->page_count - pfn);
        struct xen_memory_reservation r = {.nr_extents = count, .domid = b->id};
        xen_pfn_t list[48];

        for (unsigned i = 0; i < count; i++)
            list[i] = pfn + i;
        r.extent_start.p = (void *)args_put(b->a, 1, list, count * sizeof(list[0]));
        if (call_struct(b->a, __HYPERVISOR_memory_op, XENMEM_populate_physmap, &r, sizeof(r)) !=
                (long)count ||
            !args_get(b->a, 1, list, count * sizeof(list[0])))
            return false;
        memcpy(&b->frames[pfn], list, count * sizeof(list[0]));
        frames_note(b->id, b->frames, pfn + count);
    }
    return true;
}

static uint64_t window_va(struct actor *a)
{
    return SIM_VIRT_BASE + ((uint64_t)(WINDOW_SLOT + a->vcpu->id) << PAGE_SHIFT);
}

static bool window_set(struct building *b, uint64_t entry)
{
    return call(b->a, __HYPERVISOR_update_va_mapping_otherdomain, window_va(b->a), entry,
                UVMF_INVLPG | UVMF_LOCAL, entry ? b->id : DOMID_SELF, 0) == 0;
}

static bool page_write(struct building *b, unsigned pfn, const void *contents)
{
    bool done = window_set(b, pte_make(b->frames[pfn], PTE_P | PTE_RW | PTE_US)) &&
                sim_guest_write(b->a->guest, window_va(b->a), contents, PAGE_SIZE);

    window_set(b, 0);
    return done;
}

static bool table_write(struct building *b, unsigned level, uint64_t slot)
{
    uint64_t table[PTES_PER_TABLE] = {0};

    table[slot] = pte_make(b->frames[SIM_PFN_TABLES + level + 1], PTE_P | PTE_RW | PTE_US);
    return page_write(b, SIM_PFN_TABLES + level, table);
}

static bool pages_fill(struct building *b)
{
    uint64_t page[PTES_PER_TABLE] = {0};

    sim_text_fill(page);
    if (!page_write(b, SIM_PFN_TEXT, page))
        return false;
    memset(page, 0, sizeof(page));
    memcpy((char *)page + PAGE_SIZE / 2, b->frames, b->page_count * sizeof(b->frames[0]));
    if (!page_write(b, SIM_PFN_START_INFO, page))
        return false;
    memset(page, 0, sizeof(page));
    for (unsigned pfn = 0; pfn < b->page_count; pfn++)
        page[pfn] =
            pte_make(b->frames[pfn], PTE_P | PTE_US | (sim_pfn_is_readonly(pfn) ? 0 : PTE_RW));
    return page_write(b, SIM_PFN_TABLES + 3, page) && table_write(b, 2, L2_SLOT(SIM_VIRT_BASE)) &&
           table_write(b, 1, L3_SLOT(SIM_VIRT_BASE)) && table_write(b, 0, L4_SLOT(SIM_VIRT_BASE));
}

static bool root_pin(struct building *b)
{
    struct mmuext_op op = {.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = b->frames[SIM_PFN_TABLES]};

    return call(b->a, __HYPERVISOR_mmuext_op, args_put(b->a, 0, &op, sizeof(op)), 1, 0, b->id, 0) ==
           0;
}

/* The other vCPUs are the kernel's to bring up (tests/sim/gen_vcpu.c). */
static bool context_set(struct building *b)
{
    struct xen_domctl op = {.u.vcpucontext.vcpu = 0};
    struct vcpu_guest_context c;

    context_fill(&c, 0, b->frames[SIM_PFN_TABLES]);
    c.flags |= VGCF_online;
    op.u.vcpucontext.ctxt.p = (void *)args_put(b->a, 2, &c, sizeof(c));
    return domctl(b->a, XEN_DOMCTL_setvcpucontext, b->id, &op) == 0;
}

static bool may_go_on(struct building *b)
{
    return !pick_one_in(b->a, STOP_ONE_IN);
}

bool domain_build(struct actor *a, uint16_t *id)
{
    struct building b = {
        .a = a, .vcpus = 1 + pick(a, 3), .page_count = SIM_PAGES_MIN + pick(a, 64)};
    struct xen_domctl op = {0};
    bool was_careful = a->is_careful, done;

    a->is_careful |= !pick_one_in(a, 8);
    done = domain_make(&b) && may_go_on(&b) && memory_give(&b) && may_go_on(&b) && pages_fill(&b) &&
           may_go_on(&b) && root_pin(&b) && context_set(&b);
    done = done && may_go_on(&b) && domctl(a, XEN_DOMCTL_unpausedomain, b.id, &op) == 0;
    a->is_careful = was_careful;
    trace_note(a, done ? "built domain" : "left domain half built", b.id, b.page_count, 0);
    *id = b.id;
    return done;
}

static void build(struct actor *a)
{
    uint16_t id;

    if (run.domain_count < DOMAINS_MAX)
        domain_build(a, &id);
}

static void destroy(struct actor *a)
{
    struct xen_domctl op = {0};

    domctl(a, XEN_DOMCTL_destroydomain, pick_domain(a), &op);
}

static void pause(struct actor *a)
{
    struct xen_domctl op = {0};

    domctl(a, XEN_DOMCTL_pausedomain, pick_domain(a), &op);
}

static void unpause(struct actor *a)
{
    struct xen_domctl op = {0};

    domctl(a, XEN_DOMCTL_unpausedomain, pick_domain(a), &op);
}

const struct operation build_operations[] = {
    {"build", GROUP_BUILD, 24, true, build},
    {"destroy", GROUP_BUILD, 3, true, destroy},
    {"pause", GROUP_CONTROL, 1, true, pause},
    {"unpause", GROUP_CONTROL, 2, true, unpause},
    {0},
};
