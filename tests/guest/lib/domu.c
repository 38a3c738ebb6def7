/* SPDX-License-Identifier: MIT */
/* Guests of nine pages: see domu.h. */
#include "domu.h"

/* Guest programs: RBX points at the data page, position does not matter. */
__asm__(".section .rodata\n"
        ".globl program_calls, program_counts, program_crashes, program_waits\n"
        "program_calls:\n"
        "1: movq (%rbx), %rax; cmpq 8(%rbx), %rax; je 2f\n"
        "movq 16(%rbx), %rax; movq 24(%rbx), %rdi; movq 32(%rbx), %rsi; movq 40(%rbx), %rdx\n"
        "movq 48(%rbx), %r10; movq 56(%rbx), %r8; syscall; movq %rax, 64(%rbx)\n"
        "movq (%rbx), %rax; movq %rax, 8(%rbx); jmp 1b\n"
        "2: movl $29, %eax; xorl %edi, %edi; xorl %esi, %esi; syscall; jmp 1b\n"
        "program_counts:\n"
        "incq 8(%rbx); jmp program_counts\n"
        "program_crashes:\n"
        "ud2\n"
        "program_waits:\n"
        "incq 8(%rbx); movl $29, %eax; movl $3, %edi; leaq 72(%rbx), %rsi; syscall\n"
        "movq 24(%rbx), %rax; lock btrq %rax, 2048(%rbp); jmp program_waits\n"
        "program_end:\n"
        ".text\n");
extern const uint8_t program_end[];

struct xen_domctl op;

long domctl_do(uint32_t cmd, domid_t id)
{
    long err;

    op.cmd = cmd;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = id;
    do
        err = domctl(&op);
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

static uint8_t *windows[PAGES];

/* A guest's page in our address space; MFN 0: our own page again. */
void *window_map(unsigned i, domid_t id, mfn_t mfn)
{
    static uint64_t own[PAGES];

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

static void tables_write(const struct guest *g)
{
    uint64_t *l4 = window_map(L4, g->id, g->mfns[L4]), *l3 = window_map(L3, g->id, g->mfns[L3]),
             *l2 = window_map(L2, g->id, g->mfns[L2]), *l1 = window_map(L1, g->id, g->mfns[L1]);

    l4[0] = pte_make(g->mfns[L3], PTE_TABLE);
    l3[0] = pte_make(g->mfns[L2], PTE_TABLE);
    l2[BASE >> 21] = pte_make(g->mfns[L1], PTE_TABLE);
    for (unsigned i = 0; i < PAGES; i++)
        l1[i] = pte_make(g->mfns[i], i <= CODE ? PTE_RO : PTE_RW);
    l1[PAGES] = pte_make(g->shared_info, PTE_RW);
    for (unsigned i = L4; i <= L1; i++)
        window_map(i, 0, 0);
}

struct vcpu_guest_context context;

long context_set(const struct guest *g, const uint8_t *program)
{
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_IN_KERNEL | VGCF_online;
    context.user_regs.rip = BASE + CODE * PAGE_SIZE + (program - program_calls);
    context.user_regs.rbx = BASE + DATA * PAGE_SIZE;
    context.user_regs.rbp = BASE + PAGES * PAGE_SIZE;
    context.user_regs.rsp = BASE + SPARE * PAGE_SIZE;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = RFLAGS_IF;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = BASE + SPARE * PAGE_SIZE;
    context.ctrlreg[0] = 0x80050033;
    context.ctrlreg[3] = g->mfns[L4] << PAGE_SHIFT;
    memset(&op, 0, sizeof(op));
    set_xen_guest_handle(op.u.vcpucontext.ctxt, (vcpu_guest_context_t *)&context);
    return domctl_do(XEN_DOMCTL_setvcpucontext, g->id);
}

long foreign_pin(const struct guest *g, unsigned cmd, mfn_t mfn)
{
    struct mmuext_op pin = {.cmd = cmd, .arg1.mfn = mfn};

    return mmuext_op(&pin, 1, NULL, g->id);
}

struct guest guest_create(void)
{
    struct guest g = {0};

    memset(&op, 0, sizeof(op));
    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = 1023;
    op.u.createdomain.max_grant_frames = 4;
    op.u.createdomain.max_maptrack_frames = 4;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_createdomain, 0xffff), 0);
    g.id = op.domain;
    return g;
}

void guest_populate(struct guest *g)
{
    struct xen_memory_reservation take = {.nr_extents = PAGES, .domid = g->id};

    memset(&op, 0, sizeof(op));
    op.u.max_vcpus.max = 1;
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_max_vcpus, g->id), 0);
    op.u.max_mem.max_memkb = 256;
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_max_mem, g->id), 0);
    for (unsigned i = 0; i < PAGES; i++)
        g->mfns[i] = i;
    set_xen_guest_handle(take.extent_start, g->mfns);
    REQUIRE_EQ(memory_op(XENMEM_populate_physmap, &take), PAGES);
    memset(&op, 0, sizeof(op));
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, g->id), 0);
    g->shared_info = op.u.getdomaininfo.shared_info_frame;
}

void guest_fill(struct guest *g)
{
    tables_write(g);
    memcpy(window_map(CODE, g->id, g->mfns[CODE]), program_calls, program_end - program_calls);
    window_map(CODE, 0, 0);

    struct shared_info *shared = window_map(SPARE, g->id, g->shared_info);

    shared->vcpu_info[0].evtchn_upcall_mask = 1; /* it has no handlers */
    window_map(SPARE, 0, 0);
    g->request = window_map(DATA, g->id, g->mfns[DATA]);
}

struct guest guest_build(const uint8_t *program)
{
    struct guest g = guest_create();

    guest_populate(&g);
    guest_fill(&g);
    REQUIRE_EQ(foreign_pin(&g, MMUEXT_PIN_L4_TABLE, g.mfns[L4]), 0);
    REQUIRE_EQ(context_set(&g, program), 0);
    return g;
}

void guest_start(const struct guest *g)
{
    memset(&op, 0, sizeof(op));
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_unpausedomain, g->id), 0);
}

uint32_t guest_flags(const struct guest *g)
{
    memset(&op, 0, sizeof(op));
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, g->id), 0);
    return op.domain == g->id ? op.u.getdomaininfo.flags : ~0u;
}

bool guest_is_there(const struct guest *g)
{
    memset(&op, 0, sizeof(op));
    return domctl_do(XEN_DOMCTL_getdomaininfo, g->id) == 0 && op.domain == g->id;
}

void guest_kill(const struct guest *g)
{
    memset(&op, 0, sizeof(op));
    CHECK_EQ(domctl_do(XEN_DOMCTL_destroydomain, g->id), 0);
}

void guest_await_end(const struct guest *g)
{
    uint64_t end = time_now() + 2000000000;

    while (guest_is_there(g) && time_now() < end)
        sched_op(SCHEDOP_yield, NULL);
    CHECK(!guest_is_there(g));
}

void guest_end(struct guest *g)
{
    window_map(DATA, 0, 0);
    guest_kill(g);
    guest_await_end(g);
}

long guest_call(const struct guest *g, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct request *r = g->request;

    r->op = nr;
    r->args[0] = a;
    r->args[1] = b;
    r->args[2] = c;
    r->args[3] = d;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    r->wanted++;
    for (unsigned i = 0; i < TURNS && r->done != r->wanted; i++)
        sched_op(SCHEDOP_yield, NULL);
    REQUIRE_EQ(r->done, r->wanted);
    return r->result;
}

uint32_t wait_for_shutdown(const struct guest *g)
{
    for (unsigned i = 0; i < TURNS && !(guest_flags(g) & XEN_DOMINF_shutdown); i++)
        sched_op(SCHEDOP_yield, NULL);
    return guest_flags(g);
}
