/* SPDX-License-Identifier: MIT */
/* Hypercalls about a PV vCPU's own state: handlers, stacks, descriptors, segment bases, iret. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/hypercall.h>
#include <kr/log.h>
#include <x86/cpu.h>
#include <x86/desc.h>
#include <x86/pagetype.h>
#include <x86/pv.h>
#include <x86/traps.h>

#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/nmi.h>

#define TRAP_COUNT        256
#define TRAP_MASKS_EVENTS 4

hypercall_result do_set_trap_table(struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    struct trap_info t;

    if (args->arg[0] == 0) {
        for (unsigned i = 0; i < TRAP_COUNT; i++)
            v->arch.traps[i] = (struct pv_trap){0};
        return 0;
    }
    for (unsigned i = 0; i < TRAP_COUNT; i++) {
        if (guest_read_at(&t, args->arg[0], i) != 0)
            return -EFAULT;
        if (t.address == 0)
            return 0;
        if (!pv_address_is_allowed(t.address))
            return -EINVAL;
        v->arch.traps[t.vector] = (struct pv_trap){.rip = t.address,
                                                   .cs = t.cs,
                                                   .dpl = TI_GET_DPL(&t),
                                                   .masks_events = t.flags & TRAP_MASKS_EVENTS};
    }
    return 0;
}

hypercall_result do_stack_switch(struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();

    if (!pv_address_is_allowed(args->arg[1]))
        return -EINVAL;
    v->arch.kernel_ss = args->arg[0];
    v->arch.kernel_sp = args->arg[1];
    return 0;
}

hypercall_result do_fpu_taskswitch(struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    uint64_t cr0 = read_cr0() & ~(uint64_t)CR0_TS;

    v->arch.ts = args->arg[0] != 0;
    write_cr0(v->arch.ts ? cr0 | CR0_TS : cr0);
    return 0;
}

hypercall_result do_set_segment_base(struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    uint64_t base = args->arg[1];
    uint16_t selector;

    if (args->arg[0] != SEGBASE_GS_USER_SEL && !pv_address_is_allowed(base))
        return -EINVAL;
    switch (args->arg[0]) {
    case SEGBASE_FS: wrmsr(MSR_FS_BASE, base); return 0;
    case SEGBASE_GS_USER: v->arch.gs_base_other = base; return 0;
    case SEGBASE_GS_KERNEL: wrmsr(MSR_KERNEL_GS_BASE, base); return 0;
    case SEGBASE_GS_USER_SEL:
        selector = base;
        if (!pv_selector_is_allowed(selector))
            return -EINVAL;
        return segment_load_gs(selector, this_cpu(), &v->arch.gs_base_other) ? 0 : -EFAULT;
    default: return -EINVAL;
    }
}

static int callback_set(struct vcpu *v, uint16_t type, struct pv_callback cb)
{
    switch (type) {
    case CALLBACKTYPE_event: v->arch.event = cb; return 0;
    case CALLBACKTYPE_failsafe: v->arch.failsafe = cb; return 0;
    case CALLBACKTYPE_syscall: v->arch.syscall = cb; return 0;
    case CALLBACKTYPE_nmi:
        v->arch.nmi = (struct pv_trap){.rip = cb.rip, .masks_events = true};
        return 0;
    default: return -ENOSYS;
    }
}

hypercall_result do_callback_op(struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    struct callback_register reg;
    struct callback_unregister unreg;

    switch (args->arg[0]) {
    case CALLBACKOP_register:
        if (guest_read(&reg, args->arg[1]) != 0)
            return -EFAULT;
        if (!pv_address_is_allowed(reg.address))
            return -EINVAL;
        return callback_set(v, reg.type,
                            (struct pv_callback){reg.address, reg.flags & CALLBACKF_mask_events});
    case CALLBACKOP_unregister:
        if (guest_read(&unreg, args->arg[1]) != 0)
            return -EFAULT;
        /* The other three cannot be done without. */
        return unreg.type == CALLBACKTYPE_nmi ? callback_set(v, unreg.type, (struct pv_callback){0})
                                              : -EINVAL;
    default: return -ENOSYS;
    }
}

hypercall_result do_nmi_op(struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    struct xennmi_callback cb;

    switch (args->arg[0]) {
    case XENNMI_register_callback:
        if (v->id != 0)
            return -EINVAL;
        if (guest_read(&cb, args->arg[1]) != 0)
            return -EFAULT;
        if (!pv_address_is_allowed(cb.handler_address))
            return -EINVAL;
        return callback_set(v, CALLBACKTYPE_nmi, (struct pv_callback){cb.handler_address, true});
    case XENNMI_unregister_callback:
        return callback_set(v, CALLBACKTYPE_nmi, (struct pv_callback){0});
    default: return -ENOSYS;
    }
}

/* ---- descriptors ------------------------------------------------------------------------------
 */

static void gdt_frames_put(const mfn_t *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        page_typed_put(page_of(frames[i]));
}

void pv_drop_gdt(struct vcpu *v)
{
    gdt_frames_put(v->arch.gdt_frames, v->arch.gdt_count);
    v->arch.gdt_count = 0;
}

int pv_set_gdt(struct vcpu *v, const uint64_t *frames, unsigned entry_count)
{
    unsigned count = DIV_ROUND_UP(entry_count, 512);

    if (count > GDT_GUEST_FRAMES)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        struct page *p;

        if (page_typed_get(v->domain, frames[i], PAGE_TYPE_DESCRIPTOR, &p) != 0) {
            gdt_frames_put(frames, i);
            return -EINVAL;
        }
    }
    pv_drop_gdt(v);
    v->arch.gdt_count = count;
    for (unsigned i = 0; i < count; i++)
        v->arch.gdt_frames[i] = frames[i];
    return 0;
}

hypercall_result do_set_gdt(struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    uint64_t frames[GDT_GUEST_FRAMES];
    unsigned entries = MIN(args->arg[1], (uint64_t)UINT32_MAX);
    int err;

    if (entries > GDT_GUEST_FRAMES * 512)
        return -EINVAL;
    if (arch_guest_read(frames, args->arg[0], DIV_ROUND_UP(entries, 512) * sizeof(frames[0])) != 0)
        return -EFAULT;
    err = pv_set_gdt(v, frames, entries);
    if (err == 0)
        desc_load_guest(v);
    return err;
}

hypercall_result do_update_descriptor(struct hypercall_args *args)
{
    struct domain *d = current_vcpu()->domain;
    uint64_t addr = args->arg[0], desc = args->arg[1];
    struct page *p;
    enum page_type type;
    int err;

    if (addr & 7 || !descriptor_check(&desc))
        return -EINVAL;
    p = page_get_frame(addr >> PAGE_SHIFT, d->id);
    if (!p)
        return -EINVAL;
    type = page_type_of(p->type) == PAGE_TYPE_DESCRIPTOR && (p->type & PAGE_TYPE_COUNT_MASK)
               ? PAGE_TYPE_DESCRIPTOR
               : PAGE_TYPE_WRITABLE;
    err = page_type_get(p, type, d);
    if (err == 0) {
        __atomic_store_n((uint64_t *)phys_to_virt(addr), desc, __ATOMIC_RELAXED);
        page_type_put(p);
    }
    page_put(p);
    return err ? -EINVAL : 0;
}

/* ---- debug registers --------------------------------------------------------------------------
 */

hypercall_result do_set_debugreg(struct hypercall_args *args)
{
    return pv_debugreg_write(current_vcpu(), args->arg[0], args->arg[1]);
}

hypercall_result do_get_debugreg(struct hypercall_args *args)
{
    if (args->arg[0] > 7 || args->arg[0] == 4 || args->arg[0] == 5)
        return -EINVAL;
    return current_vcpu()->arch.debugreg[args->arg[0]];
}

/* ---- iret -------------------------------------------------------------------------------------
 */

hypercall_result do_iret(struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    struct x86_regs *regs = &v->arch.regs;
    struct iret_context ctx;

    /* What follows in the list would run on the user root. */
    if (this_cpu()->in_multicall)
        return -EINVAL;
    if (guest_read(&ctx, regs->rsp) != 0) {
        domain_crash(v->domain, "vCPU %u: iret frame at %#lx is not readable", v->id, regs->rsp);
        return 0;
    }
    if ((ctx.cs & 3) == 3) {
        if (v->arch.user_root == 0) {
            domain_crash(v->domain, "vCPU %u: iret to user mode without a user page table", v->id);
            return 0;
        }
        pv_enter_user(v);
    }
    regs->rip = ctx.rip;
    regs->cs = ctx.cs | 3;
    regs->rflags = (ctx.rflags & ~(uint64_t)(X86_FLAG_IOPL | X86_FLAG_VM)) | X86_FLAG_IF;
    regs->rsp = ctx.rsp;
    regs->ss = ctx.ss | 3;
    if (!(ctx.flags & VGCF_in_syscall)) {
        regs->r11 = ctx.r11;
        regs->rcx = ctx.rcx;
    }
    __atomic_store_n(&pv_info(v)->evtchn_upcall_mask, !(ctx.rflags & X86_FLAG_IF),
                     __ATOMIC_RELAXED);
    v->arch.in_nmi = false;
    return ctx.rax;
}
