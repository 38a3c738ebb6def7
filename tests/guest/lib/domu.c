/* SPDX-License-Identifier: MIT */
/* Tiny PV guests, built by the calls that a toolstack makes. */
#include "domu.h"
#include "guest.h"
#include <xen/domctl.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/sysctl.h>

/* Guest programs: RBX points at the data page, position does not matter. */
__asm__(".section .rodata\n"
        ".globl domu_calls, domu_counts, domu_crashes\n"
        "domu_calls:\n"
        "1: movq (%rbx), %rax; cmpq 8(%rbx), %rax; je 2f\n"
        "movq 16(%rbx), %rax; movq 24(%rbx), %rdi; movq 32(%rbx), %rsi; movq 40(%rbx), %rdx\n"
        "movq 48(%rbx), %r10; movq 56(%rbx), %r8; syscall; movq %rax, 64(%rbx)\n"
        "movq (%rbx), %rax; movq %rax, 8(%rbx); jmp 1b\n"
        "2: movl $29, %eax; xorl %edi, %edi; xorl %esi, %esi; syscall; jmp 1b\n"
        "domu_counts:\n"
        "incq 8(%rbx); jmp domu_counts\n"
        "domu_crashes:\n"
        "ud2\n"
        "domu_program_end:\n"
        ".text\n");
extern const uint8_t domu_program_end[];

struct domu_options domu_options = {.grant_version = 1,
                                    .grant_frames = 4,
                                    .maptrack_frames = 4,
                                    .port_max = 1023,
                                    .max_kib = 256,
                                    .data_place = DOMU_DATA};
struct xen_domctl domctl_op;

long domctl_do(uint32_t cmd, domid_t id)
{
    long err;

    domctl_op.cmd = cmd;
    domctl_op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    domctl_op.domain = id;
    do
        err = domctl(&domctl_op);
    while (err == -ERESTART);
    return err;
}

uint64_t free_pages(void)
{
    static struct xen_sysctl s;

    memset(&s, 0, sizeof(s));
    s.cmd = XEN_SYSCTL_physinfo;
    s.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    REQUIRE_EQ(sysctl(&s), 0);
    return s.u.physinfo.free_pages;
}

/* ---- building ---------------------------------------------------------------------------------
 */

static uint8_t *windows[DOMU_PLACES];

void *domu_map(unsigned i, domid_t id, mfn_t mfn)
{
    static uint64_t own[DOMU_PLACES];

    if (!windows[i]) {
        windows[i] = page_alloc();
        own[i] = pte_make(va_to_mfn(windows[i]), PTE_RW);
    }
    if (mfn == 0)
        REQUIRE_EQ(map_va(windows[i], own[i]), 0);
    else
        REQUIRE_EQ(hypercall4(__HYPERVISOR_update_va_mapping_otherdomain, windows[i],
                              pte_make(mfn, PTE_RW), UVMF_INVLPG | UVMF_LOCAL, id),
                   0);
    return windows[i];
}

static void tables_write(const struct domu *g)
{
    uint64_t *l4 = domu_map(DOMU_L4, g->id, g->mfns[DOMU_L4]),
             *l3 = domu_map(DOMU_L3, g->id, g->mfns[DOMU_L3]),
             *l2 = domu_map(DOMU_L2, g->id, g->mfns[DOMU_L2]),
             *l1 = domu_map(DOMU_L1, g->id, g->mfns[DOMU_L1]);

    l4[0] = pte_make(g->mfns[DOMU_L3], PTE_TABLE);
    l3[0] = pte_make(g->mfns[DOMU_L2], PTE_TABLE);
    l2[DOMU_BASE >> 21] = pte_make(g->mfns[DOMU_L1], PTE_TABLE);
    for (unsigned i = 0; i < DOMU_PAGES; i++)
        l1[i] = pte_make(g->mfns[i], i <= DOMU_CODE ? PTE_RO : PTE_RW);
    for (unsigned i = DOMU_L4; i <= DOMU_L1; i++)
        domu_map(i, 0, 0);
}

static struct vcpu_guest_context context;

long domu_context_set(const struct domu *g, const uint8_t *program)
{
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_IN_KERNEL | VGCF_online;
    context.user_regs.rip = DOMU_VA(DOMU_CODE) + (program - domu_calls);
    context.user_regs.rbx = DOMU_VA(DOMU_DATA);
    context.user_regs.rsp = DOMU_VA(DOMU_SPARE);
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = RFLAGS_IF;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = DOMU_VA(DOMU_SPARE);
    context.ctrlreg[0] = 0x80050033;
    context.ctrlreg[3] = g->mfns[DOMU_L4] << PAGE_SHIFT;
    memset(&domctl_op, 0, sizeof(domctl_op));
    set_xen_guest_handle(domctl_op.u.vcpucontext.ctxt, (vcpu_guest_context_t *)&context);
    return domctl_do(XEN_DOMCTL_setvcpucontext, g->id);
}

long domu_pin(const struct domu *g, unsigned cmd, mfn_t mfn)
{
    struct mmuext_op pin = {.cmd = cmd, .arg1.mfn = mfn};

    return mmuext_op(&pin, 1, NULL, g->id);
}

struct domu domu_build(const uint8_t *program)
{
    struct domu g = {.data_place = domu_options.data_place};
    struct xen_memory_reservation take = {.nr_extents = DOMU_PAGES};

    memset(&domctl_op, 0, sizeof(domctl_op));
    domctl_op.u.createdomain.max_vcpus = 1;
    domctl_op.u.createdomain.max_evtchn_port = domu_options.port_max;
    domctl_op.u.createdomain.max_grant_frames = domu_options.grant_frames;
    domctl_op.u.createdomain.max_maptrack_frames = domu_options.maptrack_frames;
    domctl_op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(domu_options.grant_version);
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_createdomain, 0xffff), 0);
    g.id = domctl_op.domain;
    memset(&domctl_op, 0, sizeof(domctl_op));
    domctl_op.u.max_vcpus.max = 1;
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_max_vcpus, g.id), 0);
    domctl_op.u.max_mem.max_memkb = domu_options.max_kib;
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_max_mem, g.id), 0);
    for (unsigned i = 0; i < DOMU_PAGES; i++)
        g.mfns[i] = i;
    take.domid = g.id;
    set_xen_guest_handle(take.extent_start, g.mfns);
    REQUIRE_EQ(memory_op(XENMEM_populate_physmap, &take), DOMU_PAGES);
    tables_write(&g);
    memcpy(domu_map(DOMU_CODE, g.id, g.mfns[DOMU_CODE]), domu_calls, domu_program_end - domu_calls);
    domu_map(DOMU_CODE, 0, 0);
    memset(&domctl_op, 0, sizeof(domctl_op));
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, g.id), 0);
    struct shared_info *shared =
        domu_map(DOMU_SPARE, g.id, domctl_op.u.getdomaininfo.shared_info_frame);

    shared->vcpu_info[0].evtchn_upcall_mask = 1; /* it has no handlers */
    domu_map(DOMU_SPARE, 0, 0);
    g.request = domu_map(g.data_place, g.id, g.mfns[DOMU_DATA]);
    REQUIRE_EQ(domu_pin(&g, MMUEXT_PIN_L4_TABLE, g.mfns[DOMU_L4]), 0);
    REQUIRE_EQ(domu_context_set(&g, program), 0);
    return g;
}

void domu_start(const struct domu *g)
{
    memset(&domctl_op, 0, sizeof(domctl_op));
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_unpausedomain, g->id), 0);
}

uint32_t domu_flags(const struct domu *g)
{
    memset(&domctl_op, 0, sizeof(domctl_op));
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, g->id), 0);
    return domctl_op.domain == g->id ? domctl_op.u.getdomaininfo.flags : ~0u;
}

bool domu_is_there(const struct domu *g)
{
    memset(&domctl_op, 0, sizeof(domctl_op));
    return domctl_do(XEN_DOMCTL_getdomaininfo, g->id) == 0 && domctl_op.domain == g->id;
}

void domu_kill(const struct domu *g)
{
    memset(&domctl_op, 0, sizeof(domctl_op));
    CHECK_EQ(domctl_do(XEN_DOMCTL_destroydomain, g->id), 0);
}

void domu_end(struct domu *g)
{
    domu_map(g->data_place, 0, 0);
    domu_kill(g);
    for (unsigned i = 0; i < DOMU_TURNS && domu_is_there(g); i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK(!domu_is_there(g));
}

void domu_end_all(struct domu *g)
{
    for (unsigned place = 0; place < DOMU_PLACES; place++)
        if (windows[place])
            domu_map(place, 0, 0);
    domu_end(g);
}

/* ---- asking -----------------------------------------------------------------------------------
 */

long domu_call(const struct domu *g, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct domu_request *r = g->request;

    r->op = nr;
    r->args[0] = a;
    r->args[1] = b;
    r->args[2] = c;
    r->args[3] = d;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    r->wanted++;
    for (unsigned i = 0; i < DOMU_TURNS && r->done != r->wanted; i++)
        sched_op(SCHEDOP_yield, NULL);
    REQUIRE_EQ(r->done, r->wanted);
    return r->result;
}

/* ---- grants -----------------------------------------------------------------------------------
 */

volatile void *domu_table_map(const struct domu *g, unsigned place, unsigned array)
{
    static xen_pfn_t frames[1];
    struct xen_mem_acquire_resource resource = {
        .domid = g->id, .type = XENMEM_resource_grant_table, .id = array, .nr_frames = 1};

    set_xen_guest_handle(resource.frame_list, frames);
    REQUIRE_EQ(memory_op(XENMEM_acquire_resource, &resource), 0);
    return domu_map(place, g->id, frames[0]);
}

struct domu domu_build_v2(unsigned data_place)
{
    struct gnttab_set_version set = {.version = 2};
    const struct domu_options before = domu_options;
    struct domu g;

    domu_options.grant_version = 2;
    domu_options.data_place = data_place;
    g = domu_build(domu_calls);
    domu_options = before;
    domu_start(&g);
    memcpy(g.request->buffer, &set, sizeof(set));
    REQUIRE_EQ(domu_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, DOMU_BUFFER, 1, 0),
               0);
    return g;
}
