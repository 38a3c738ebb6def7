/* SPDX-License-Identifier: MIT */
/* A vCPU's own state: handlers, stacks, descriptors, segment bases, debug registers, the FPU. The
 * instructions that fault are in gen_instruction.c. */
#include "run.h"

#include <kr/errno.h>
#include <kr/page.h>
#include <x86/layout.h>

#include <xen/xen.h>

#include <xen/callback.h>
#include <xen/nmi.h>

#include <string.h>

#define WRONG_ONE_IN 12
#define GDT_SLOTS    512
#define FPU_FIRST    32 /* ST and XMM registers in FXSAVE's image */
#define FPU_LAST     416
#define DESC_CODE64  0x00affb000000ffffUL
#define DESC_DATA    0x00cff3000000ffffUL

/* ---- handlers and stacks ----------------------------------------------------------------------
 */

static void set_trap_table(struct actor *a)
{
    struct trap_info table[8] = {0};
    unsigned count = pick_range(a, 1, 7);

    if (!a->domain->is_privileged && pick_one_in(a, 60)) {
        call(a, __HYPERVISOR_set_trap_table, 0, 0, 0, 0, 0);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned vector = pick(a, SIM_TRAP_COUNT);

        table[i] = (struct trap_info){.vector = vector,
                                      .flags = pick(a, 4) | (pick_one_in(a, 3) ? 4 : 0),
                                      .cs = SEL_USER_CS64,
                                      .address = SIM_PC_TRAP(vector)};
    }
    if (pick_one_in(a, WRONG_ONE_IN))
        table[count - 1].address = pick_one_in(a, 2) ? HV_VIRT_START : BIT(50);
    else if (!a->domain->is_privileged && pick_one_in(a, WRONG_ONE_IN))
        table[count - 1].vector = pick(a, 256);
    a->is_careful = a->domain->is_privileged; /* at 0 there is a table without handlers */
    call(a, __HYPERVISOR_set_trap_table, args_put(a, 0, table, sizeof(table)), 0, 0, 0, 0);
    a->is_careful = false;
}

static void callback_op(struct actor *a)
{
    static const uint16_t types[] = {CALLBACKTYPE_event, CALLBACKTYPE_failsafe,
                                     CALLBACKTYPE_syscall, CALLBACKTYPE_nmi};
    static const uint64_t addresses[] = {SIM_PC_EVENT, SIM_PC_FAILSAFE, SIM_PC_USER_SYSCALL,
                                         SIM_PC_NMI};
    unsigned which = pick(a, ARRAY_SIZE(types));
    struct callback_register reg = {
        .type = types[which], .flags = CALLBACKF_mask_events, .address = addresses[which]};

    if (pick_one_in(a, WRONG_ONE_IN))
        reg.address = HV_VIRT_START + pick(a, 4096);
    if (pick_one_in(a, WRONG_ONE_IN))
        reg.type = 1 + 7 * pick(a, 100); /* none of those above */
    if (pick_one_in(a, 6))
        call_struct(a, __HYPERVISOR_callback_op, CALLBACKOP_unregister,
                    &(struct callback_unregister){.type = reg.type},
                    sizeof(struct callback_unregister));
    call_struct(a, __HYPERVISOR_callback_op, CALLBACKOP_register, &reg, sizeof(reg));
}

static void nmi_op(struct actor *a)
{
    struct xennmi_callback cb = {.handler_address = SIM_PC_NMI};

    if (pick_one_in(a, WRONG_ONE_IN))
        cb.handler_address = HV_VIRT_START;
    if (pick_one_in(a, 3))
        call(a, __HYPERVISOR_nmi_op, XENNMI_unregister_callback, 0, 0, 0, 0);
    call_struct(a, __HYPERVISOR_nmi_op, XENNMI_register_callback, &cb, sizeof(cb));
}

/* Where events from user mode land: dom0's stays good. */
static void stack_switch(struct actor *a)
{
    uint64_t sp = sim_page_va(SIM_PFN_STACK + a->vcpu->id % SIM_VCPU_MAX + 1);

    if (pick_one_in(a, 8))
        sp = HV_VIRT_START + pick(a, 2) * PAGE_SIZE; /* refused */
    else if (!a->domain->is_privileged && pick_one_in(a, 100))
        sp = pick_word(a);
    call(a, __HYPERVISOR_stack_switch, SEL_USER_DS, sp, 0, 0, 0);
}

/* ---- descriptors ------------------------------------------------------------------------------
 */

static void set_gdt(struct actor *a)
{
    uint64_t frames[4] = {own_frame(a, SIM_PFN_GDT)};
    uint64_t entries = pick(a, GDT_SLOTS + 1);

    if (pick_one_in(a, 6)) {
        frames[pick(a, 2)] = pick_frame(a);
        entries = pick(a, 3 * GDT_SLOTS);
    }
    if (pick_one_in(a, WRONG_ONE_IN))
        entries = pick_word(a);
    call(a, __HYPERVISOR_set_gdt, args_put(a, 0, frames, sizeof(frames)), entries, 0, 0, 0);
}

static void update_descriptor(struct actor *a)
{
    static const uint64_t kinds[] = {0, DESC_CODE64, DESC_DATA, 0x00cf9a000000ffffUL,
                                     0x0000e90000000000UL};
    uint64_t frame = pick_one_in(a, 5) ? pick_frame(a) : own_frame(a, SIM_PFN_GDT);
    uint64_t desc = pick_one_in(a, 3) ? pick_word(a) : kinds[pick(a, ARRAY_SIZE(kinds))];

    call(a, __HYPERVISOR_update_descriptor,
         (frame << PAGE_SHIFT) + 8 * pick(a, GDT_SLOTS) + pick_one_in(a, 20), desc, 0, 0, 0);
}

static void set_ldt(struct actor *a)
{
    struct mmuext_op op = {.cmd = MMUEXT_SET_LDT,
                           .arg1.linear_addr = sim_page_va(SIM_PFN_GDT),
                           .arg2.nr_ents = pick(a, GDT_SLOTS + 1)};

    if (pick_one_in(a, 5))
        op.arg1.linear_addr = pick_one_in(a, 2) ? pick_word(a) : sim_page_va(pick_pfn(a));
    if (pick_one_in(a, 8))
        op.arg2.nr_ents = pick(a, 9000);
    call(a, __HYPERVISOR_mmuext_op, args_put(a, 0, &op, sizeof(op)), 1, 0, DOMID_SELF, 0);
}

/* ---- registers --------------------------------------------------------------------------------
 */

static void set_segment_base(struct actor *a)
{
    static const uint16_t selectors[] = {0, 3, SEL_USER_DS, SEL_USER_CS64, 0x10, 0x2b, 0xe050, 7};
    unsigned which = pick(a, 5);
    uint64_t value = pick_word(a);

    if (which == SEGBASE_GS_USER_SEL)
        value = pick_one_in(a, 4) ? value : selectors[pick(a, ARRAY_SIZE(selectors))];
    call(a, __HYPERVISOR_set_segment_base, which, value, 0, 0, 0);
}

static void debugreg(struct actor *a)
{
    static const uint64_t controls[] = {0, 0x400, 0x401, 0x1, 0x755, 0xf0f55, 0xffff07ff};
    unsigned index = pick(a, 9);
    uint64_t value = index == 7 ? controls[pick(a, ARRAY_SIZE(controls))] : pick_word(a);

    if (pick_one_in(a, 2))
        value = index == 7 ? value : sim_page_va(pick(a, 8));
    /* Others' may be set by the control domain at any time. */
    if (call(a, __HYPERVISOR_set_debugreg, index, value, 0, 0, 0) == 0 && index < 4 &&
        a->domain->is_privileged)
        RULE("debug registers",
             call(a, __HYPERVISOR_get_debugreg, index, 0, 0, 0, 0) == (long)value,
             "debug register %u is not what it was set to", index);
    call(a, __HYPERVISOR_get_debugreg, pick(a, 9), 0, 0, 0, 0);
}

static void fpu_taskswitch(struct actor *a)
{
    call(a, __HYPERVISOR_fpu_taskswitch, pick(a, 2), 0, 0, 0, 0);
}

void __real_fpu_set_legacy(struct vcpu *v, const void *image, bool is_valid);
int __real_fpu_set_extended(struct vcpu *v, const void *area, size_t size_bytes, uint64_t xcr0);

/* The linker leads the hypervisor's calls through these: its owner's registers change. */
void __wrap_fpu_set_legacy(struct vcpu *v, const void *image, bool is_valid)
{
    model_of(v->domain)->vcpus[v->id % SIM_VCPU_MAX].has_fpu_pattern = false;
    __real_fpu_set_legacy(v, image, is_valid);
}

int __wrap_fpu_set_extended(struct vcpu *v, const void *area, size_t size_bytes, uint64_t xcr0)
{
    model_of(v->domain)->vcpus[v->id % SIM_VCPU_MAX].has_fpu_pattern = false;
    return __real_fpu_set_extended(v, area, size_bytes, xcr0);
}

/* What a vCPU has in its FPU is there again whenever it runs, on whichever CPU. */
static void fpu_use(struct actor *a)
{
    struct vcpu_model *m = &a->model->vcpus[a->vcpu->id % SIM_VCPU_MAX];
    uint8_t *fpu = sim_guest_fpu(a->guest);
    uint64_t words[(FPU_LAST - FPU_FIRST) / 8];

    if (!fpu) {
        call(a, __HYPERVISOR_fpu_taskswitch, 0, 0, 0, 0, 0);
        fpu = sim_guest_fpu(a->guest);
    }
    if (!fpu)
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        words[i] = m->fpu_pattern * (i + 1);
    RULE("FPU", !m->has_fpu_pattern || memcmp(fpu + FPU_FIRST, words, sizeof(words)) == 0,
         "d%uv%u finds other FPU registers than it left", a->domain->id, a->vcpu->id);
    m->fpu_pattern = pick_word(a) | 1;
    m->has_fpu_pattern = true;
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        words[i] = m->fpu_pattern * (i + 1);
    memcpy(fpu + FPU_FIRST, words, sizeof(words));
    trace_note(a, "FPU", m->fpu_pattern, 0, 0);
}

const struct operation trap_operations[] = {
    {"set_trap_table", GROUP_TRAP, 3, false, set_trap_table},
    {"callback_op", GROUP_TRAP, 3, false, callback_op},
    {"nmi_op", GROUP_TRAP, 2, false, nmi_op},
    {"stack_switch", GROUP_TRAP, 2, false, stack_switch},
    {"set_gdt", GROUP_TRAP, 3, false, set_gdt},
    {"update_descriptor", GROUP_TRAP, 3, false, update_descriptor},
    {"set_ldt", GROUP_TRAP, 2, false, set_ldt},
    {"set_segment_base", GROUP_TRAP, 3, false, set_segment_base},
    {"debug registers", GROUP_TRAP, 3, false, debugreg},
    {"fpu_taskswitch", GROUP_TRAP, 2, false, fpu_taskswitch},
    {"FPU", GROUP_TRAP, 6, false, fpu_use},
    {0},
};
