/* SPDX-License-Identifier: MIT */
/* Descriptor tables (x86/desc.h): the guest's GDT frames are only kept by the vCPU; the LDT window
 * holds references until it is emptied, as the real one does. */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <sim/cpu.h>
#include <x86/desc.h>
#include <x86/pagetype.h>

#define LDT_PAGES ARRAY_SIZE(((struct sim_cpu *)0)->ldt_pages)

static void window_empty(struct sim_cpu *cpu)
{
    for (unsigned i = 0; i < LDT_PAGES; i++) {
        if (cpu->ldt_pages[i])
            page_typed_put(page_of(cpu->ldt_pages[i]));
        cpu->ldt_pages[i] = 0;
    }
}

void desc_load_guest(struct vcpu *v)
{
    if (this_cpu()->arch.loaded == v)
        window_empty(sim_cpu_self());
}

void desc_set_frame(struct cpu *cpu, struct vcpu *v)
{
}

uint64_t desc_ldt_window(const struct cpu *cpu)
{
    return CPU_DESC_BASE + (2 * cpu->id + 1) * LDT_PAGES * PAGE_SIZE;
}

void desc_map_ldt_page(struct cpu *cpu, unsigned page, mfn_t mfn)
{
    struct sim_cpu *c = (struct sim_cpu *)cpu;

    if (c->ldt_pages[page])
        page_typed_put(page_of(c->ldt_pages[page]));
    c->ldt_pages[page] = mfn;
}

void desc_unload_guest(struct cpu *cpu)
{
    window_empty((struct sim_cpu *)cpu);
}

bool desc_read(const struct cpu *cpu, uint16_t selector, uint64_t *desc)
{
    const struct sim_cpu *c = (const struct sim_cpu *)cpu;
    const struct vcpu *v = cpu->arch.loaded;
    unsigned page = (selector & ~7) >> PAGE_SHIFT;
    mfn_t mfn = selector & 4                    ? c->ldt_pages[page]
                : v && page < v->arch.gdt_count ? v->arch.gdt_frames[page]
                                                : 0;

    if (mfn == 0)
        return false;
    *desc = __atomic_load_n((uint64_t *)frame_to_virt(mfn) + (selector & ~PAGE_MASK) / 8,
                            __ATOMIC_RELAXED);
    return true;
}
