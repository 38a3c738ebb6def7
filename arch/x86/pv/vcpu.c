/* SPDX-License-Identifier: MIT */
/* Life of a PV vCPU's hardware half: creation, world switch, context in and out, time record. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/heap.h>
#include <kr/log.h>
#include <kr/string.h>
#include <kr/time.h>
#include <x86/cpu.h>
#include <x86/desc.h>
#include <x86/fpu.h>
#include <x86/map.h>
#include <x86/pv.h>
#include <x86/time.h>
#include <x86/tlb.h>
#include <x86/traps.h>

#include <xen/vcpu.h>
#include <xen/xen.h>

#define TRAP_TABLE_BYTES (256 * sizeof(struct pv_trap))
#define CR4_GUEST_BASE   (CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT)

int arch_vcpu_create(struct vcpu *v)
{
    v->arch.traps = heap_alloc_for(&v->domain->memory, TRAP_TABLE_BYTES);
    if (!v->arch.traps)
        return -ENOMEM;
    memset(v->arch.traps, 0, TRAP_TABLE_BYTES);
    v->arch.fpu = fpu_area_alloc(v);
    if (!v->arch.fpu) {
        heap_free(v->arch.traps);
        return -ENOMEM;
    }
    v->arch.cr4 = CR4_GUEST_BASE;
    v->arch.xcr0 = 1;
    v->arch.in_kernel = true;
    return 0;
}

void arch_vcpu_destroy(struct vcpu *v)
{
    fpu_forget(v);
    heap_free(v->arch.fpu);
    heap_free(v->arch.traps);
}

/* ---- world switch -----------------------------------------------------------------------------
 */

static void store_segments(struct vcpu *v)
{
    struct data_segments s = read_data_segments();

    v->arch.ds = s.ds;
    v->arch.es = s.es;
    v->arch.fs = s.fs;
    v->arch.gs = s.gs;
    v->arch.fs_base = rdmsr(MSR_FS_BASE);
    v->arch.gs_base = rdmsr(MSR_KERNEL_GS_BASE);
}

static void load_segments(const struct vcpu *v)
{
    uint64_t ignored;

    segment_load_ds(v->arch.ds);
    segment_load_es(v->arch.es);
    segment_load_fs(v->arch.fs);
    segment_load_gs(v->arch.gs, this_cpu(), &ignored);
    wrmsr(MSR_FS_BASE, v->arch.fs_base);
    wrmsr(MSR_KERNEL_GS_BASE, v->arch.gs_base);
}

void arch_vcpu_switch(struct vcpu *from, struct vcpu *to)
{
    struct cpu *cpu = this_cpu();

    if (from) {
        store_segments(from);
        fpu_save(from);
    }
    cpu->arch.loaded = to;
    if (!to) {
        desc_unload_guest(cpu);
        tlb_load_root(virt_to_frame(hv_l4));
        if (from && from->arch.debugreg[7])
            pv_debugreg_disarm();
        return;
    }
    tlb_load_root(pv_active_root(to));
    desc_set_frame(cpu, to);
    desc_load_guest(to);
    load_segments(to);
    fpu_load(to);
    pv_cr4_load(to);
    if (to->arch.debugreg[7] || (from && from->arch.debugreg[7]))
        pv_debugreg_load(to);
    if (cpu_features.rdtscp)
        wrmsr(MSR_TSC_AUX, to->arch.tsc_aux);
    arch_vcpu_time_publish(to);
}

/* ---- context ----------------------------------------------------------------------------------
 */

#define FLAGS_ALWAYS (X86_FLAG_IF | 2)

static bool context_is_sane(const struct vcpu_guest_context *c)
{
    if (!pv_address_is_allowed(c->event_callback_eip) ||
        !pv_address_is_allowed(c->syscall_callback_eip) ||
        !pv_address_is_allowed(c->failsafe_callback_eip) || !pv_address_is_allowed(c->kernel_sp) ||
        !pv_address_is_allowed(c->user_regs.rip) || !pv_address_is_allowed(c->fs_base) ||
        !pv_address_is_allowed(c->gs_base_kernel) || !pv_address_is_allowed(c->gs_base_user) ||
        c->gdt_ents > GDT_GUEST_FRAMES * 512 || !pv_ldt_is_sane(c->ldt_base, c->ldt_ents))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++)
        if (!pv_address_is_allowed(c->trap_ctxt[i].address))
            return false;
    return true;
}

static void set_registers(struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct x86_regs *regs = &v->arch.regs;

    _Static_assert(sizeof(*regs) == sizeof(c->user_regs), "the same layout");
    memcpy(regs, &c->user_regs, sizeof(*regs));
    regs->cs |= 3;
    regs->ss |= 3;
    v->arch.iopl = regs->rflags >> 12 & 3; /* virtual: the real one stays 0 */
    regs->rflags = (regs->rflags & ~(uint64_t)(X86_FLAG_IOPL | X86_FLAG_VM)) | FLAGS_ALWAYS;
    v->arch.ds = c->user_regs.ds;
    v->arch.es = c->user_regs.es;
    v->arch.fs = c->user_regs.fs;
    v->arch.gs = c->user_regs.gs;
    v->arch.fs_base = c->fs_base;
    v->arch.gs_base = c->flags & VGCF_in_kernel ? c->gs_base_kernel : c->gs_base_user;
    v->arch.gs_base_other = c->flags & VGCF_in_kernel ? c->gs_base_user : c->gs_base_kernel;
    v->arch.in_kernel = c->flags & VGCF_in_kernel;
    v->arch.kernel_ss = c->kernel_ss;
    v->arch.kernel_sp = c->kernel_sp;
}

static void set_handlers(struct vcpu *v, const struct vcpu_guest_context *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++)
        v->arch.traps[c->trap_ctxt[i].vector] = (struct pv_trap){0};
    for (unsigned i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++) {
        const struct trap_info *t = &c->trap_ctxt[i];

        if (t->address)
            v->arch.traps[t->vector] = (struct pv_trap){
                .rip = t->address, .cs = t->cs, .dpl = TI_GET_DPL(t), .masks_events = TI_GET_IF(t)};
    }
    v->arch.event = (struct pv_callback){c->event_callback_eip, true};
    v->arch.failsafe =
        (struct pv_callback){c->failsafe_callback_eip, c->flags & VGCF_failsafe_disables_events};
    v->arch.syscall =
        (struct pv_callback){c->syscall_callback_eip, c->flags & VGCF_syscall_disables_events};
}

static int set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
    mfn_t user_root = c->ctrlreg[1] >> PAGE_SHIFT;
    int err;

    if (!context_is_sane(c) || (!(c->flags & VGCF_in_kernel) && user_root == 0))
        return -EINVAL;
    err = pv_set_gdt(v, c->gdt_frames, c->gdt_ents);
    if (err == 0)
        err = pv_set_kernel_root(v, c->ctrlreg[3] >> PAGE_SHIFT);
    if (err == 0)
        err = pv_set_user_root(v, user_root);
    if (err)
        return err;
    v->arch.ldt_base = c->ldt_base;
    v->arch.ldt_count = c->ldt_ents;
    v->arch.cr4 = c->ctrlreg[4] ? pv_cr4_filter(c->ctrlreg[4]) : CR4_GUEST_BASE;
    v->arch.ts = c->ctrlreg[0] & CR0_TS;
    set_registers(v, c);
    set_handlers(v, c);
    for (unsigned i = 0; i < 8; i++)
        if (i != 4 && i != 5 && pv_debugreg_write(v, i, c->debugreg[i]) != 0)
            v->arch.debugreg[i] = 0;
    fpu_set_legacy(v, &c->fpu_ctxt, c->flags & VGCF_i387_valid);
    return 0;
}

int arch_vcpu_set_context(struct vcpu *v, uint64_t guest_addr, bool *online)
{
    struct vcpu_guest_context *c = heap_alloc(sizeof(*c));
    int err;

    if (!c)
        return -ENOMEM;
    err = guest_read(c, guest_addr) ? -EFAULT : set_context(v, c);
    *online = err == 0 && (c->flags & VGCF_online);
    heap_free(c);
    return err;
}

static void get_context(struct vcpu *v, struct vcpu_guest_context *c)
{
    memcpy(&c->user_regs, &v->arch.regs, sizeof(c->user_regs));
    c->user_regs.ds = v->arch.ds;
    c->user_regs.es = v->arch.es;
    c->user_regs.fs = v->arch.fs;
    c->user_regs.gs = v->arch.gs;
    c->flags = VGCF_i387_valid | (v->arch.in_kernel ? VGCF_in_kernel : 0) |
               (v->sched.stop & VCPU_STOP_DOWN ? 0 : VGCF_online) |
               (v->arch.syscall.masks_events ? VGCF_syscall_disables_events : 0) |
               (v->arch.failsafe.masks_events ? VGCF_failsafe_disables_events : 0);
    for (unsigned i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++)
        c->trap_ctxt[i] = (struct trap_info){.vector = i,
                                             .flags = v->arch.traps[i].dpl |
                                                      (v->arch.traps[i].masks_events ? 4 : 0),
                                             .cs = v->arch.traps[i].cs,
                                             .address = v->arch.traps[i].rip};
    c->ldt_base = v->arch.ldt_base;
    c->ldt_ents = v->arch.ldt_count;
    memcpy(c->gdt_frames, v->arch.gdt_frames, v->arch.gdt_count * sizeof(mfn_t));
    c->gdt_ents = v->arch.gdt_count * 512;
    c->kernel_ss = v->arch.kernel_ss;
    c->kernel_sp = v->arch.kernel_sp;
    c->ctrlreg[0] =
        CR0_PG | CR0_AM | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE | (v->arch.ts ? CR0_TS : 0);
    c->ctrlreg[1] = v->arch.user_root << PAGE_SHIFT;
    c->ctrlreg[3] = v->arch.kernel_root << PAGE_SHIFT;
    c->ctrlreg[4] = v->arch.cr4;
    memcpy(c->debugreg, v->arch.debugreg, sizeof(c->debugreg));
    c->event_callback_eip = v->arch.event.rip;
    c->failsafe_callback_eip = v->arch.failsafe.rip;
    c->syscall_callback_eip = v->arch.syscall.rip;
    c->fs_base = v->arch.fs_base;
    c->gs_base_kernel = v->arch.in_kernel ? v->arch.gs_base : v->arch.gs_base_other;
    c->gs_base_user = v->arch.in_kernel ? v->arch.gs_base_other : v->arch.gs_base;
}

int arch_vcpu_get_context(struct vcpu *v, uint64_t guest_addr)
{
    struct vcpu_guest_context *c = heap_alloc(sizeof(*c));
    int err;

    if (!c)
        return -ENOMEM;
    memset(c, 0, sizeof(*c));
    get_context(v, c);
    fpu_get_legacy(v, &c->fpu_ctxt);
    err = guest_write(guest_addr, c);
    heap_free(c);
    return err;
}
