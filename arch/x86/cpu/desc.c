/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables. Each CPU has a window of 16 GDT pages and 16 LDT pages at CPU_DESC_BASE; the
 * guest's frames are mapped into the first 14 GDT pages, our own descriptors are page 14 (the
 * selectors from 0xe000 up that the ABI fixes, xen/arch-x86/xen-x86_64.h).
 */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/log.h>
#include <x86/cpu.h>
#include <x86/desc.h>
#include <x86/map.h>
#include <x86/pagetype.h>
#include <x86/pte.h>
#include <x86/traps.h>

#define WINDOW_PAGES    32
#define LDT_WINDOW_PAGE 16
#define GDT_LIMIT       ((GDT_HV_PAGE + 1) * PAGE_SIZE - 1)

struct idt_gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, reserved;
};

struct table_register {
    uint16_t limit;
    uint64_t base;
} __packed;

static struct idt_gate idt[256] __aligned(16);
static bool idt_is_ready;

static uint64_t window_base(const struct cpu *cpu)
{
    return CPU_DESC_BASE + (uint64_t)cpu->id * WINDOW_PAGES * PAGE_SIZE;
}

uint64_t desc_ldt_window(const struct cpu *cpu)
{
    return window_base(cpu) + LDT_WINDOW_PAGE * PAGE_SIZE;
}

/* Soft interrupts that a guest may raise itself reach its handlers through #GP, except the ones
 * that applications use directly. */
static unsigned gate_dpl(unsigned vector)
{
    return vector == X86_EXC_BP || vector == X86_EXC_OF || vector == 0x80 ? 3 : 0;
}

static unsigned gate_ist(unsigned vector)
{
    switch (vector) {
    case X86_EXC_DB: return IST_DEBUG;
    case X86_EXC_NMI: return IST_NMI;
    case X86_EXC_DF: return IST_DOUBLE_FAULT;
    case X86_EXC_MC: return IST_MACHINE_CHECK;
    default: return 0;
    }
}

static void idt_init(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t stub = (uint64_t)entry_stubs + i * 16;
        idt[i] = (struct idt_gate){.offset_low = stub,
                                   .offset_mid = stub >> 16,
                                   .offset_high = stub >> 32,
                                   .selector = SEL_HV_CS,
                                   .ist = gate_ist(i),
                                   .type = 0x8e | gate_dpl(i) << 5};
    }
    idt_is_ready = true;
}

static void set_system_descriptor(uint64_t *slot, uint64_t base, uint32_t limit, unsigned type)
{
    slot[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | (uint64_t)(0x80 | type) << 40 |
              (uint64_t)(limit >> 16 & 0xf) << 48 | (base >> 24 & 0xff) << 56;
    slot[1] = base >> 32;
}

static void stack_init(struct x86_tss *tss, unsigned ist, struct cpu *cpu)
{
    char *stack = map_alloc_frames(0);
    *(struct cpu **)(stack + IST_STACK_SIZE - 8) = cpu;
    tss->ist[ist - 1] = (uint64_t)stack + IST_STACK_SIZE - 16;
}

static uint64_t *own_descriptors(struct x86_tss *tss)
{
    uint64_t *gdt = map_alloc_frames(0);
    unsigned first = SEL_GUEST_END >> 3;

    gdt[(SEL_HV_CS >> 3) - first] = 0x00af9b000000ffff;
    gdt[(SEL_HV_DS >> 3) - first] = 0x00cf93000000ffff;
    gdt[(SEL_USER_CS32 >> 3) - first] = 0x00cffb000000ffff;
    gdt[(SEL_USER_DS >> 3) - first] = 0x00cff3000000ffff;
    gdt[(SEL_USER_CS64 >> 3) - first] = 0x00affb000000ffff;
    set_system_descriptor(&gdt[(SEL_TSS >> 3) - first], (uint64_t)tss, sizeof(*tss) - 1, 0x9);
    return gdt;
}

/* Where the guest has no descriptors it finds absent ones. */
static const uint64_t empty_page[512] __aligned(4096);

static uint64_t empty_page_entry(void)
{
    return pte_make(virt_to_frame(empty_page), PTE_HV_RO);
}

static void syscall_init(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_STAR, (uint64_t)SEL_USER_CS32 << 48 | (uint64_t)SEL_HV_CS << 32);
    wrmsr(MSR_LSTAR, (uint64_t)entry_syscall);
    wrmsr(MSR_CSTAR, (uint64_t)entry_syscall32);
    wrmsr(MSR_SFMASK, X86_FLAG_VM | X86_FLAG_RF | X86_FLAG_NT | X86_FLAG_DF | X86_FLAG_IF |
                          X86_FLAG_TF | X86_FLAG_AC | X86_FLAG_IOPL);
    wrmsr_safe(MSR_SYSENTER_CS, 0);
}

void desc_cpu_init(struct cpu *cpu)
{
    struct x86_tss *tss = map_alloc_frames(0);
    uint64_t base = window_base(cpu);

    if (!idt_is_ready)
        idt_init();
    tss->iomap_offset = sizeof(*tss);
    for (unsigned ist = 1; ist <= IST_COUNT; ist++)
        stack_init(tss, ist, cpu);
    cpu->arch.tss = tss;
    cpu->arch.gdt_l1 = map_window(base, WINDOW_PAGES);
    for (unsigned i = 0; i < GDT_GUEST_FRAMES; i++)
        cpu->arch.gdt_l1[i] = empty_page_entry();
    cpu->arch.gdt_l1[GDT_HV_PAGE] = pte_make(virt_to_frame(own_descriptors(tss)), PTE_HV_DATA);

    struct table_register gdtr = {GDT_LIMIT, base}, idtr = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lgdt %0" : : "m"(gdtr));
    __asm__ volatile("lidt %0" : : "m"(idtr));
    __asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
                     :
                     : "i"(SEL_HV_CS)
                     : "rax", "memory");
    __asm__ volatile("mov %0, %%ss" : : "r"(SEL_HV_DS));
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" : : "r"(0));
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
    __asm__ volatile("lldt %w0" : : "r"(0));
    wrmsr(MSR_GS_BASE, (uint64_t)cpu);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    syscall_init();
}

void desc_set_frame(struct cpu *cpu, struct vcpu *v)
{
    cpu->arch.frame_end = (uint64_t)&v->arch.regs.es;
    cpu->arch.tss->rsp[0] = cpu->arch.frame_end;
}

static void load_gdt_frames(struct cpu *cpu, struct vcpu *v)
{
    uint64_t base = window_base(cpu);
    unsigned count = MAX(v->arch.gdt_count, cpu->arch.gdt_loaded_count);

    for (unsigned i = 0; i < count; i++) {
        cpu->arch.gdt_l1[i] = i < v->arch.gdt_count ? pte_make(v->arch.gdt_frames[i], PTE_HV_DATA)
                                                    : empty_page_entry();
        invlpg(base + i * PAGE_SIZE);
    }
    cpu->arch.gdt_loaded_count = v->arch.gdt_count;
}

void desc_map_ldt_page(struct cpu *cpu, unsigned page, mfn_t mfn)
{
    uint64_t *entry = &cpu->arch.gdt_l1[LDT_WINDOW_PAGE + page];

    ASSERT(*entry == 0);
    *entry = pte_make(mfn, PTE_HV_DATA);
}

static void empty_ldt_window(struct cpu *cpu)
{
    for (unsigned i = LDT_WINDOW_PAGE; i < WINDOW_PAGES; i++) {
        struct page *p;

        if (cpu->arch.gdt_l1[i] == 0)
            continue;
        p = page_of(pte_frame(cpu->arch.gdt_l1[i]));
        cpu->arch.gdt_l1[i] = 0;
        invlpg(window_base(cpu) + i * PAGE_SIZE);
        page_typed_put(p);
    }
}

/* The window starts empty and is filled on demand by pv_ldt_fault(). */
static void load_ldt(struct cpu *cpu, struct vcpu *v)
{
    uint64_t *own = frame_to_virt(pte_frame(cpu->arch.gdt_l1[GDT_HV_PAGE]));
    unsigned slot = (SEL_LDT >> 3) - (SEL_GUEST_END >> 3);

    empty_ldt_window(cpu);
    if (v->arch.ldt_count == 0) {
        __asm__ volatile("lldt %w0" : : "r"(0));
        return;
    }
    set_system_descriptor(&own[slot], desc_ldt_window(cpu), v->arch.ldt_count * 8 - 1, 0x2);
    __asm__ volatile("lldt %w0" : : "r"(SEL_LDT));
}

void desc_load_guest(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();

    load_gdt_frames(cpu, v);
    load_ldt(cpu, v);
}

void desc_unload_guest(struct cpu *cpu)
{
    __asm__ volatile("lldt %w0" : : "r"(0));
    empty_ldt_window(cpu);
}

bool desc_read(const struct cpu *cpu, uint16_t selector, uint64_t *desc)
{
    uint64_t table = selector & 4 ? desc_ldt_window(cpu) : window_base(cpu);

    return copy_faulting(desc, (const void *)(table + (selector & ~7UL)), sizeof(*desc)) == 0;
}
