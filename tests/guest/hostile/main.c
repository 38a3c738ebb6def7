/* SPDX-License-Identifier: MIT */
/*
 * A guest that means harm: pointers into the hypervisor, into nothing and across page ends for
 * every call, wild sub-operations, huge counts, structures of random words. No particular answer is
 * asked for; the machine must live, the caller's memory outside the call's own arguments stay
 * untouched, and the ordinary things work afterwards.
 *
 * Left out for Xen 4.17's sake: PHYSDEVOP_prepare_msix of a device that has no MSI-X makes it read
 * through a null pointer.
 */
/* RUN: xen="loglvl=warning guest_loglvl=none" timeout=40 */
#include "guest.h"
#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>
#include <xen/platform.h>
#include <xen/arch-x86/xen-mca.h>

#define COUNT_HUGE    0xffffffffUL
#define COUNT_TOP_BIT 0x80000000UL
#define RANDOM_ROUNDS 3000
#define OP_SCHED_OLD  6
#define OP_IRET       __HYPERVISOR_iret

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* "seed=" and digits on the command line: another sequence (run.py --args). */
static void random_seed(void)
{
    const char *at = strstr((const char *)start_info->cmd_line, "seed=");

    for (at = at ? at + 5 : ""; *at >= '0' && *at <= '9'; at++)
        random_state = random_state * 10 + *at;
    for (unsigned i = 0; i < 8; i++)
        random_next();
}

static uint64_t pointers[16];
static unsigned pointer_count;
static uint8_t *page_end; /* the last bytes before an unmapped page */

TEST("setup")
{
    uint8_t *mapped = page_alloc(), *unmapped = page_alloc();
    uint8_t *table = (uint8_t *)start_info->pt_base;

    random_seed();
    REQUIRE(unmapped == mapped + PAGE_SIZE);
    REQUIRE_EQ(map_va(unmapped, 0), 0);
    page_end = unmapped;
    const uint64_t list[] = {
        0x1000,                /* not mapped */
        HYPERVISOR_VIRT_START, /* readable to the kernel, not writable */
        MACH2PHYS_VIRT_END,    /* the hypervisor's own */
        0xffff820000000000,
        0xffff82d040200000,
        0xffff830000000000,
        HYPERVISOR_VIRT_END - 8,   /* reaches over the end of its range */
        HYPERVISOR_VIRT_START - 8, /* and over the start, non-canonical */
        0x00007ffffffffff8,
        0x8000000000000000,
        0xfffffffffffffff8,
        (uint64_t)unmapped - 4, /* mapped for four bytes */
        (uint64_t)unmapped - 1,
        (uint64_t)unmapped,
        (uint64_t)table + 16, /* ours, but read-only */
    };

    memcpy(pointers, list, sizeof(list));
    pointer_count = ARRAY_SIZE(list);
}

static void check_alive(void)
{
    evtchn_port_t a, b;
    uint64_t *page = page_alloc();

    trap_init();
    stack_switch(FLAT_KERNEL_SS, boot_stack_end);
    fpu_taskswitch(0);
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL);
    CHECK_EQ(xen_version(XENVER_version, NULL), 4 << 16 | 17);
    CHECK_EQ(FAULT_OF(__asm__ volatile("ud2")), TRAP_UD);
    REQUIRE_EQ(page_set_writable(page, false), 0);
    CHECK_EQ(FAULT_OF(*(volatile uint64_t *)page = 1), TRAP_PF);
    REQUIRE_EQ(page_set_writable(page, true), 0);
    page_free(page);
    events_disable();
    event_pair(&a, &b);
    event_clear(b);
    CHECK_EQ(event_send(a), 0);
    CHECK(event_pending(b));
    event_clear(b);
    vcpu_info_self()->evtchn_upcall_pending = 0;
    CHECK_EQ(event_close(b), 0);
    CHECK_EQ(event_close(a), 0);
}

/* One call with a bad pointer wherever it takes one. True when it may be made. */
static bool call_is_safe(unsigned op, unsigned cmd)
{
    if (op == OP_IRET || op == OP_SCHED_OLD)
        return false;
    if (op == __HYPERVISOR_sched_op && cmd != SCHEDOP_yield && cmd < 9)
        return false; /* some of the pointers can be read: would sleep, shut down as asked */
    if (op == __HYPERVISOR_vcpu_op && cmd == VCPUOP_down)
        return false; /* would go offline as asked */
    return true;
}

/* Calls whose only argument, or second, is a pointer. */
TEST("bad-pointers-first")
{
    static const unsigned ops[] = {
        __HYPERVISOR_set_trap_table, __HYPERVISOR_platform_op, __HYPERVISOR_sysctl,
        __HYPERVISOR_domctl,         __HYPERVISOR_mca,         __HYPERVISOR_xsm_op};

    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
        for (unsigned p = 0; p < pointer_count; p++)
            CHECK(hypercall1(ops[i], pointers[p]) <= 0);
    check_alive();
}

TEST("bad-pointers-second")
{
    static const unsigned ops[] = {
        __HYPERVISOR_memory_op,   __HYPERVISOR_xen_version, __HYPERVISOR_sched_op,
        __HYPERVISOR_callback_op, __HYPERVISOR_nmi_op,      __HYPERVISOR_event_channel_op,
        __HYPERVISOR_physdev_op,  __HYPERVISOR_hvm_op,      __HYPERVISOR_kexec_op,
        __HYPERVISOR_xenpmu_op,   __HYPERVISOR_argo_op,     __HYPERVISOR_tmem_op,
        __HYPERVISOR_xenoprof_op, __HYPERVISOR_hypfs_op};

    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
        for (unsigned cmd = 0; cmd < 40; cmd++)
            for (unsigned p = 0; p < pointer_count; p++)
                if (call_is_safe(ops[i], cmd))
                    hypercall5(ops[i], cmd, pointers[p], pointers[p], pointers[p], pointers[p]);
    check_alive();
}

/* VCPUOP_send_nmi needs no pointer. */
static void ignore(struct trap_frame *frame)
{
}

TEST("bad-pointers-vcpu-op")
{
    trap_handlers[TRAP_NMI] = ignore;
    for (unsigned cmd = 0; cmd < 16; cmd++)
        for (unsigned p = 0; p < pointer_count; p++)
            if (call_is_safe(__HYPERVISOR_vcpu_op, cmd))
                vcpu_op(cmd, 0, pointers[p]);
    check_alive();
}

TEST("bad-pointers-lists")
{
    static const unsigned long counts[] = {1,          2,   1000, COUNT_TOP_BIT, COUNT_TOP_BIT | 1,
                                           COUNT_HUGE, ~0UL};

    for (unsigned p = 0; p < pointer_count; p++)
        for (unsigned c = 0; c < ARRAY_SIZE(counts); c++) {
            mmu_update(pointers[p], counts[c], NULL, DOMID_SELF);
            mmuext_op(pointers[p], counts[c], NULL, DOMID_SELF);
            multicall(pointers[p], counts[c]);
            set_gdt(pointers[p], counts[c]);
            console_io(0, counts[c], pointers[p]);
            console_io(1, counts[c], pointers[p]);
            for (unsigned cmd = 0; cmd < 13; cmd++)
                grant_table_op(cmd, pointers[p], counts[c]);
        }
    print("\n"); /* some of it went to the console */
    check_alive();
}

/* Good lists with bad places for the count that was done. */
TEST("bad-done-pointers")
{
    struct mmuext_op flush = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};
    struct mmu_update update = {.ptr = pt_entry_machine(boot_stack, 1),
                                .val = *pt_entry(boot_stack, 1)};

    for (unsigned p = 0; p < pointer_count; p++) {
        mmuext_op(&flush, 1, pointers[p], DOMID_SELF);
        mmu_update(&update, 1, pointers[p], DOMID_SELF);
    }
    check_alive();
}

TEST("unknown-calls")
{
    static const unsigned long numbers[] = {
        43,        46,  47,   57,         63,         64,         127,
        128,       255, 1000, 0x7fffffff, 0x80000000, 0xffffffff, 1UL << 32 | 17,
        1UL << 63, ~0UL};

    /* All 64 bits of the number count. */
    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
        if (!CHECK_EQ(hypercall3(numbers[i], 1, 2, 3), -ENOSYS))
            print("number %#lx", numbers[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
        hypercall3(numbers[i], ~0UL, ~0UL, ~0UL);
}

TEST("wild-commands")
{
    static uint8_t buffer[512] __aligned(16);
    static const unsigned ops[] = {
        __HYPERVISOR_memory_op,      __HYPERVISOR_xen_version,      __HYPERVISOR_callback_op,
        __HYPERVISOR_nmi_op,         __HYPERVISOR_event_channel_op, __HYPERVISOR_physdev_op,
        __HYPERVISOR_grant_table_op, __HYPERVISOR_vm_assist,        __HYPERVISOR_xenpmu_op,
        __HYPERVISOR_hvm_op,         __HYPERVISOR_argo_op,          __HYPERVISOR_hypfs_op};

    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
        for (unsigned round = 0; round < 200; round++) {
            uint64_t cmd = random_next();

            memset(buffer, 0, sizeof(buffer));
            if (!(round & 1))
                cmd = (cmd & 0xffff) | 0x1000; /* large, but not absurd */
            hypercall3(ops[i], cmd, buffer, 1);
        }
    check_alive();
}

/* Values that tend to hurt, and random ones. */
static uint64_t random_word(void)
{
    static const uint64_t special[] = {0,          1,          2,         ~0UL,      0x7fffffff,
                                       0x80000000, 0xffffffff, 0x7ff0,    0x7ff1,    0x7ff2,
                                       0x7fff,     1UL << 39,  1UL << 51, 1UL << 63, 4096,
                                       0xfff,      0xffff,     0xb8,      0xfee00,   8};
    uint64_t r = random_next();

    switch (r & 3) {
    case 0: return special[r / 4 % ARRAY_SIZE(special)];
    case 1: return pointers[r / 4 % pointer_count];
    case 2: return r >> 2 & 0xff;
    default: return random_next();
    }
}

static uint64_t random_struct[32];

static void *random_structure(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(random_struct); i++) {
        uint64_t low = random_word(), high = random_word();

        random_struct[i] = random_next() & 1 ? low : (low & 0xffffffff) | high << 32;
        /* Not our own memory: a call that fills what it is told to fill does no wrong. */
        if (random_struct[i] - VIRT_BASE < 16 * MIB || ~random_struct[i] < 8 * MIB ||
            random_struct[i] - start_info->mfn_list < 16 * MIB)
            random_struct[i] = 0x1000;
    }
    return random_struct;
}

TEST("random-event-channel-op")
{
    for (unsigned i = 0; i < RANDOM_ROUNDS; i++)
        event_channel_op(random_next() % 16, random_structure());
    check_alive();
}

TEST("random-grant-table-op")
{
    for (unsigned i = 0; i < RANDOM_ROUNDS; i++) {
        unsigned cmd = random_next() % 14;

        if (cmd != GNTTABOP_dump_table)
            grant_table_op(cmd, random_structure(), random_next() % 3);
    }
    check_alive();
}

TEST("random-physdev-op")
{
    for (unsigned i = 0; i < RANDOM_ROUNDS; i++) {
        unsigned cmd = random_next() % 33;

        if (cmd != PHYSDEVOP_prepare_msix && cmd != PHYSDEVOP_release_msix)
            physdev_op(cmd, random_structure());
    }
    check_alive();
}

/* Sub-operations that take no memory of ours away by a lucky guess. */
TEST("random-memory-op")
{
    static const unsigned commands[] = {XENMEM_increase_reservation,
                                        XENMEM_current_reservation,
                                        XENMEM_maximum_reservation,
                                        XENMEM_maximum_gpfn,
                                        XENMEM_machphys_mfn_list,
                                        XENMEM_machphys_mapping,
                                        XENMEM_add_to_physmap,
                                        XENMEM_memory_map,
                                        XENMEM_machine_memory_map,
                                        XENMEM_set_memory_map,
                                        XENMEM_set_pod_target,
                                        XENMEM_get_pod_target,
                                        XENMEM_exchange,
                                        XENMEM_claim_pages,
                                        XENMEM_acquire_resource,
                                        XENMEM_get_vnumainfo,
                                        XENMEM_add_to_physmap_batch,
                                        XENMEM_reserved_device_memory_map};

    for (unsigned i = 0; i < RANDOM_ROUNDS; i++)
        memory_op(commands[random_next() % ARRAY_SIZE(commands)], random_structure());
    check_alive();
}

TEST("random-mmuext-op")
{
    struct mmuext_op op;
    mfn_t root = va_to_mfn((void *)start_info->pt_base);

    for (unsigned i = 0; i < RANDOM_ROUNDS; i++) {
        op.cmd = random_next() % 24;
        op.arg1.mfn = random_word();
        op.arg2.src_mfn = random_word();
        /* A lucky guess would take our own tables or pages away, as asked. */
        if (op.cmd == MMUEXT_NEW_BASEPTR || op.cmd == MMUEXT_CLEAR_PAGE ||
            op.cmd == MMUEXT_COPY_PAGE)
            op.arg1.mfn |= 1UL << 39;
        mmuext_op(&op, 1, NULL, random_next() & 1 ? DOMID_SELF : random_word() & 0xffff);
    }
    op = (struct mmuext_op){.cmd = MMUEXT_SET_LDT};
    CHECK_EQ(mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, root), 0);
    CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    check_alive();
}

/* Random entries for a table that nothing uses, of every level. */
TEST("random-table-entries")
{
    for (unsigned level = 0; level < 4; level++) {
        uint64_t *table = page_alloc();

        REQUIRE_EQ(page_set_writable(table, false), 0);
        REQUIRE_EQ(mmuext(MMUEXT_PIN_L1_TABLE + level, va_to_mfn(table)), 0);
        for (unsigned i = 0; i < RANDOM_ROUNDS; i++) {
            uint64_t entry = random_word() | (random_next() & 0xfff) | 1;

            if (random_next() & 1)
                entry = pte_make(pfn_to_mfn(random_next() % start_info->nr_pages),
                                 random_next() & (0xfff | PTE_NX));
            pte_write(va_to_machine(&table[random_next() % 512]), entry);
        }
        CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(table)), 0);
        CHECK_EQ(page_set_writable(table, true), 0);
        page_free(table);
    }
    check_alive();
}

TEST("random-va-mapping")
{
    for (unsigned i = 0; i < RANDOM_ROUNDS; i++)
        update_va_mapping(pointers[random_next() % 10], random_word(), random_word());
    check_alive();
}

TEST("random-descriptors")
{
    uint64_t *gdt = page_alloc();
    xen_pfn_t frame = va_to_mfn(gdt);

    REQUIRE_EQ(page_set_writable(gdt, false), 0);
    REQUIRE_EQ(set_gdt(&frame, 512), 0);
    for (unsigned i = 0; i < RANDOM_ROUNDS; i++) {
        unsigned slot = 1 + random_next() % 511;
        uint16_t selector = slot << 3 | 3;

        if (update_descriptor(va_to_machine(&gdt[slot]), random_next()) == 0) {
            FAULT_OF(__asm__ volatile("movw %w0, %%fs" ::"r"(selector)));
            FAULT_OF(__asm__ volatile("lsl %w0, %%eax" ::"r"(selector) : "rax", "cc"));
        }
    }
    __asm__ volatile("movw %w0, %%fs" ::"r"(0));
    CHECK_EQ(set_gdt(NULL, 0), 0);
    CHECK_EQ(page_set_writable(gdt, true), 0);
    page_free(gdt);
    check_alive();
}

TEST("random-registers")
{
    for (unsigned i = 0; i < RANDOM_ROUNDS; i++) {
        set_debugreg(random_next() % 9, random_word());
        set_segment_base(random_next() % 5, random_word());
        stack_switch(random_word(), random_word());
        set_timer_op(random_word());
    }
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(set_debugreg(i, 0), 0);
    CHECK_EQ(set_debugreg(7, 0), 0);
    set_timer_op(0);
    for (unsigned base = 0; base < 3; base++)
        CHECK_EQ(set_segment_base(base, 0), 0);
    check_alive();
}

/* The right version in front of random words. What is meant to end or cripple the host is left out.
 */
TEST("random-domctl")
{
    static const uint32_t commands[] = {
        XEN_DOMCTL_createdomain,        XEN_DOMCTL_pausedomain,     XEN_DOMCTL_unpausedomain,
        XEN_DOMCTL_getdomaininfo,       XEN_DOMCTL_setvcpuaffinity, XEN_DOMCTL_getvcpuaffinity,
        XEN_DOMCTL_setvcpucontext,      XEN_DOMCTL_getvcpucontext,  XEN_DOMCTL_getvcpuinfo,
        XEN_DOMCTL_max_vcpus,           XEN_DOMCTL_scheduler_op,    XEN_DOMCTL_setdomainhandle,
        XEN_DOMCTL_gethvmcontext,       XEN_DOMCTL_sethvmcontext,   XEN_DOMCTL_get_address_size,
        XEN_DOMCTL_getpageframeinfo3,   XEN_DOMCTL_gettscinfo,      XEN_DOMCTL_getnodeaffinity,
        XEN_DOMCTL_get_ext_vcpucontext, XEN_DOMCTL_getvcpuextstate, XEN_DOMCTL_get_vcpu_msrs,
        XEN_DOMCTL_get_cpu_policy,      XEN_DOMCTL_shadow_op,       XEN_DOMCTL_resumedomain};
    struct xen_domctl *op = (struct xen_domctl *)random_struct;

    for (unsigned i = 0; i < RANDOM_ROUNDS; i++) {
        random_structure();
        op->cmd = commands[random_next() % ARRAY_SIZE(commands)];
        op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        if (random_next() & 1)
            op->domain = 0;
        domctl(op);
    }
    check_alive();
}

TEST("random-sysctl")
{
    static const uint32_t commands[] = {
        XEN_SYSCTL_readconsole,        XEN_SYSCTL_physinfo,
        XEN_SYSCTL_sched_id,           XEN_SYSCTL_perfc_op,
        XEN_SYSCTL_getdomaininfolist,  XEN_SYSCTL_getcpuinfo,
        XEN_SYSCTL_availheap,          XEN_SYSCTL_get_pmstat,
        XEN_SYSCTL_cputopoinfo,        XEN_SYSCTL_numainfo,
        XEN_SYSCTL_scheduler_op,       XEN_SYSCTL_pcitopoinfo,
        XEN_SYSCTL_cpupool_op,         XEN_SYSCTL_get_cpu_levelling_caps,
        XEN_SYSCTL_psr_alloc,          XEN_SYSCTL_livepatch_op,
        XEN_SYSCTL_get_cpu_featureset, XEN_SYSCTL_get_cpu_policy};
    struct xen_sysctl *op = (struct xen_sysctl *)random_struct;

    for (unsigned i = 0; i < RANDOM_ROUNDS; i++) {
        random_structure();
        op->cmd = commands[random_next() % ARRAY_SIZE(commands)];
        op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
        sysctl(op);
    }
    check_alive();
}

TEST("random-platform-op")
{
    static const uint32_t commands[] = {
        XENPF_settime32,       XENPF_settime64,   XENPF_read_memtype,         XENPF_del_memtype,
        XENPF_firmware_info,   XENPF_getidletime, XENPF_set_processor_pminfo, XENPF_get_cpuinfo,
        XENPF_get_cpu_version, XENPF_get_symbol,  XENPF_microcode_update,     XENPF_cpu_online};
    struct xen_platform_op *op = (struct xen_platform_op *)random_struct;

    for (unsigned i = 0; i < RANDOM_ROUNDS; i++) {
        random_structure();
        op->cmd = commands[random_next() % ARRAY_SIZE(commands)];
        op->interface_version = XENPF_INTERFACE_VERSION;
        platform_op(op);
    }
    check_alive();
}

/* Lists of calls with random arguments; those that could end the run are not among them. */
TEST("random-multicall")
{
    static const unsigned ops[] = {__HYPERVISOR_mmu_update,
                                   __HYPERVISOR_set_gdt,
                                   __HYPERVISOR_set_debugreg,
                                   __HYPERVISOR_get_debugreg,
                                   __HYPERVISOR_update_descriptor,
                                   __HYPERVISOR_multicall,
                                   __HYPERVISOR_set_timer_op,
                                   __HYPERVISOR_event_channel_op,
                                   __HYPERVISOR_xen_version,
                                   __HYPERVISOR_grant_table_op,
                                   __HYPERVISOR_vm_assist,
                                   __HYPERVISOR_set_segment_base,
                                   __HYPERVISOR_mmuext_op,
                                   __HYPERVISOR_nmi_op,
                                   __HYPERVISOR_callback_op,
                                   __HYPERVISOR_physdev_op,
                                   __HYPERVISOR_hvm_op};
    static struct multicall_entry list[16];

    for (unsigned i = 0; i < RANDOM_ROUNDS; i++) {
        for (unsigned j = 0; j < ARRAY_SIZE(list); j++) {
            list[j].op = ops[random_next() % ARRAY_SIZE(ops)];
            for (unsigned k = 0; k < 6; k++)
                list[j].args[k] = random_word();
            if (list[j].op == __HYPERVISOR_physdev_op && list[j].args[0] > 29)
                list[j].args[0] = 29;
        }
        multicall(list, random_next() % ARRAY_SIZE(list));
    }
    for (unsigned base = 0; base < 3; base++)
        CHECK_EQ(set_segment_base(base, 0), 0);
    CHECK_EQ(set_debugreg(7, 0), 0);
    set_timer_op(0);
    check_alive();
}

/* The page before the hole keeps its bytes through all that. */
TEST("memory-intact")
{
    long pages;
    struct xen_memory_domain self = {.domid = DOMID_SELF};
    uint64_t changed = 0;

    for (unsigned i = 8; i < PAGE_SIZE; i++)
        changed |= *(page_end - PAGE_SIZE + i - 8);
    CHECK_EQ(changed, 0);
    pages = memory_op(XENMEM_current_reservation, &self);
    CHECK(pages >= (long)start_info->nr_pages - 64);
}
