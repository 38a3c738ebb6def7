/* SPDX-License-Identifier: MIT */
/* Single entries of page tables, in the ways a guest has to change them: calls, stores that are
 * emulated, lists; flushes; wrong entries in all of them; several calls in one. */
#include "gen_pagetable.h"

#include <kr/errno.h>
#include <kr/page.h>
#include <x86/pte.h>

#include <string.h>

#define TRY_SLOTS   8
#define CALLS_MAX   8
#define LIST_PIECE  8
#define FOREIGN(id) ((uint64_t)((id) + 1) << 16)

/* An entry that may be changed: of the first L1 table, or of a new one. Machine address; *va where
 * the table is mapped read-only. */
static uint64_t entry_find(struct actor *a, uint64_t *va, unsigned *level)
{
    const struct table_model *t = pick_one_in(a, 2) ? table_find(a, true, 0) : NULL;
    uint64_t pfn = t ? t->pfn : SIM_PFN_TABLES + 3;
    unsigned slot =
        t ? pick(a, pick_one_in(a, 3) ? PTES_PER_TABLE : 16) : SLOT_TRY + pick(a, TRY_SLOTS);

    *level = t ? t->level : 1;
    if (t && t->level == 4 && slot == L4_SLOT(SIM_VIRT_BASE))
        slot = L4_SLOT_HV_FIRST;
    *va = sim_page_va(pfn) + slot * sizeof(uint64_t);
    return (own_frame(a, pfn) << PAGE_SHIFT) + slot * sizeof(uint64_t);
}

static uint64_t value_for(struct actor *a, unsigned level)
{
    const struct table_model *next;

    if (pick_one_in(a, 4))
        return 0;
    if (pick_one_in(a, 4))
        return entry_choose_wrong(a, level);
    if (level == 1)
        return entry_choose(a);
    next = table_find(a, true, level - 1);
    return next ? pte_make(table_frame(a, next), PTE_P | PTE_RW | PTE_US) : 0;
}

/* ---- by call ----------------------------------------------------------------------------------
 */

static struct mmu_update update_choose(struct actor *a)
{
    static const uint8_t types[] = {MMU_NORMAL_PT_UPDATE, MMU_NORMAL_PT_UPDATE,
                                    MMU_PT_UPDATE_PRESERVE_AD, MMU_PT_UPDATE_NO_TRANSLATE};
    unsigned level;
    uint64_t va, address = entry_find(a, &va, &level), pfn;

    if (pick_one_in(a, 5)) {
        pfn = pick_pfn(a);
        return (struct mmu_update){.ptr = (pick_one_in(a, 8) ? pick_frame(a) : own_frame(a, pfn))
                                              << PAGE_SHIFT |
                                          MMU_MACHPHYS_UPDATE,
                                   .val = pick_one_in(a, 8) ? pick_word(a) : pfn};
    }
    return (struct mmu_update){.ptr = address | types[pick(a, sizeof(types))],
                               .val = value_for(a, level)};
}

static void update(struct actor *a)
{
    struct mmu_update list[UPDATES_MAX];
    unsigned count = pick_one_in(a, 2) ? 1 : pick_range(a, 2, UPDATES_MAX);

    for (unsigned i = 0; i < count; i++)
        list[i] = update_choose(a);
    trace_note(a, "update entries", list[0].ptr & 3, count,
               mmu_update_list(a, list, count, DOMID_SELF));
}

static uint64_t flush_choose(struct actor *a)
{
    uint64_t mask = pick_word(a);

    switch (pick(a, 8)) {
    case 0: return UVMF_NONE;
    case 1: return UVMF_TLB_FLUSH | UVMF_LOCAL;
    case 2: return UVMF_TLB_FLUSH | UVMF_ALL;
    case 3: return UVMF_INVLPG | UVMF_LOCAL;
    case 4: return UVMF_INVLPG | UVMF_ALL;
    case 5: return UVMF_INVLPG | args_put(a, LIST_PIECE, &mask, sizeof(mask));
    case 6: return UVMF_TLB_FLUSH | args_put(a, LIST_PIECE, &mask, sizeof(mask));
    default: return pick_word(a);
    }
}

static void va_update(struct actor *a)
{
    uint64_t va = slot_va(SLOT_TRY + pick(a, TRY_SLOTS)), value;
    long rc;

    if (pick_one_in(a, 10))
        va = pick_one_in(a, 2) ? slot_va(pick(a, 1 << 20) + PTES_PER_TABLE) : HV_VIRT_START;
    rc = call(a, __HYPERVISOR_update_va_mapping, va, value_for(a, 1), flush_choose(a), 0, 0);
    trace_note(a, "update va", va, 0, rc);
    if (rc == 0 && pick_one_in(a, 2))
        sim_guest_read(a->guest, va, &value, sizeof(value));
}

/* ---- by store ---------------------------------------------------------------------------------
 */

static void store(struct actor *a)
{
    unsigned level;
    uint64_t va, address = entry_find(a, &va, &level);
    bool done = sim_guest_store(a->guest, va, value_for(a, level));

    trace_note(a, "store to table", level, address, done);
}

/* Each with (%rdi) as what it writes. */
static const struct form {
    uint8_t bytes[8];
} forms[] = {
    {{0x48, 0x89, 0x37}},                /* mov %rsi, (%rdi) */
    {{0x89, 0x37}},                      /* mov %esi, (%rdi) */
    {{0x66, 0x89, 0x37}},                /* mov %si, (%rdi) */
    {{0x40, 0x88, 0x37}},                /* mov %sil, (%rdi) */
    {{0x48, 0xc7, 0x07, 0, 0, 0, 0}},    /* movq $0, (%rdi) */
    {{0x48, 0x87, 0x37}},                /* xchg %rsi, (%rdi) */
    {{0xf0, 0x48, 0x0f, 0xb1, 0x37}},    /* lock cmpxchg %rsi, (%rdi) */
    {{0xf0, 0x0f, 0xc7, 0x0f}},          /* lock cmpxchg8b (%rdi) */
    {{0xf0, 0x48, 0x0f, 0xc1, 0x37}},    /* lock xadd %rsi, (%rdi) */
    {{0xf0, 0x48, 0x21, 0x37}},          /* lock and %rsi, (%rdi) */
    {{0xf0, 0x48, 0x09, 0x37}},          /* lock or %rsi, (%rdi) */
    {{0x48, 0x31, 0x37}},                /* xor %rsi, (%rdi) */
    {{0x48, 0x01, 0x37}},                /* add %rsi, (%rdi) */
    {{0xf0, 0x48, 0x0f, 0xba, 0x37, 1}}, /* lock btrq $1, (%rdi) */
    {{0xf0, 0x48, 0x0f, 0xba, 0x2f, 1}}, /* lock btsq $1, (%rdi) */
    {{0x48, 0x0f, 0xba, 0x3f, 0}},       /* btcq $0, (%rdi) */
    {{0x48, 0xab}},                      /* stos %rax, (%rdi) */
    {{0xf3, 0x48, 0xab}},                /* rep stos %rax, (%rdi) */
    {{0x48, 0xa5}},                      /* movsq (%rsi), (%rdi) */
    {{0xf3, 0x48, 0xa5}},                /* rep movsq (%rsi), (%rdi) */
    {{0x48, 0xff, 0x07}},                /* incq (%rdi) */
    {{0x48, 0xf7, 0x1f}},                /* negq (%rdi) */
    {{0x0f, 0x11, 0x07}},                /* movups %xmm0, (%rdi): not emulated */
    {{0x48, 0x0f, 0xc7, 0x0f}},          /* cmpxchg16b (%rdi): not emulated */
};

/* The present value, which comparisons want, by a read of the table. */
static void store_form(struct actor *a)
{
    const struct form *f = &forms[pick(a, ARRAY_SIZE(forms))];
    struct sim_store s = {.rcx = pick(a, 5)};
    unsigned level;
    bool done;

    entry_find(a, &s.rdi, &level);
    s.rsi = value_for(a, level);
    if (f->bytes[0] == 0x48 && f->bytes[1] == 0xa5)
        s.rsi = args_put(a, 0, &s.rsi, sizeof(s.rsi));
    if (!sim_guest_read(a->guest, s.rdi, &s.rax, sizeof(s.rax)) ||
        !sim_guest_write(a->guest, SIM_PC_SCRATCH, f->bytes, sizeof(f->bytes)))
        return;
    if (f->bytes[0] == 0xf3 || f->bytes[1] == 0xab)
        s.rax = pick_one_in(a, 2) ? 0 : value_for(a, level);
    if (f->bytes[1] == 0x0f && f->bytes[2] == 0xc7) {
        s.rdx = s.rax >> 32;
        s.rbx = (uint32_t)s.rsi;
        s.rcx = s.rsi >> 32;
    }
    if (pick_one_in(a, 16))
        s.rax = pick_word(a);
    done = sim_guest_store_scratch(a->guest, &s);
    trace_note(a, "store form", f - forms, level, done);
}

/* ---- mmuext -----------------------------------------------------------------------------------
 */

static struct mmuext_op ext_choose(struct actor *a)
{
    static const uint8_t flushes[] = {MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_INVLPG_LOCAL,
                                      MMUEXT_TLB_FLUSH_MULTI, MMUEXT_INVLPG_MULTI,
                                      MMUEXT_TLB_FLUSH_ALL,   MMUEXT_INVLPG_ALL,
                                      MMUEXT_FLUSH_CACHE,     MMUEXT_FLUSH_CACHE_GLOBAL};
    uint64_t mask = pick_word(a);
    struct mmuext_op op = {.cmd = flushes[pick(a, sizeof(flushes))]};

    if (pick_one_in(a, 3)) {
        op.cmd = pick_one_in(a, 2) ? MMUEXT_CLEAR_PAGE : MMUEXT_COPY_PAGE;
        op.arg1.mfn = pick_frame_to_write(a);
        op.arg2.src_mfn = pick_one_in(a, 8) ? pick_frame(a) : own_frame(a, pick_pfn(a));
    } else if (op.cmd == MMUEXT_TLB_FLUSH_MULTI || op.cmd == MMUEXT_INVLPG_MULTI) {
        op.arg1.linear_addr = slot_va(SLOT_TRY);
        op.arg2.vcpumask.p = (void *)args_put(a, LIST_PIECE, &mask, sizeof(mask));
    } else {
        op.arg1.linear_addr =
            pick_one_in(a, 8) ? pick_word(a) : slot_va(SLOT_TRY + pick(a, TRY_SLOTS));
    }
    if (pick_one_in(a, 40))
        op.cmd = pick(a, 24);
    return op;
}

static bool is_dangerous(const struct actor *a, unsigned cmd)
{
    return a->domain->is_privileged && (cmd == MMUEXT_NEW_BASEPTR || cmd == MMUEXT_UNPIN_TABLE);
}

static void ext(struct actor *a)
{
    struct mmuext_op list[EXT_OPS_MAX];
    unsigned count = pick_range(a, 1, EXT_OPS_MAX);

    for (unsigned i = 0; i < count; i++) {
        list[i] = ext_choose(a);
        if (is_dangerous(a, list[i].cmd))
            list[i].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    }
    trace_note(a, "mmuext list", list[0].cmd, count, mmuext_list(a, list, count, DOMID_SELF));
}

/* ---- wrong ------------------------------------------------------------------------------------
 */

static void pin_wrong(struct actor *a)
{
    unsigned cmd = pick(a, MMUEXT_UNPIN_TABLE);
    uint64_t pfn = pick_one_in(a, 2) ? SIM_PFN_TABLES + pick(a, 4) : pick_pfn(a);

    mmuext_one(a, cmd, pick_one_in(a, 4) ? pick_frame(a) : own_frame(a, pfn));
}

/* The hypervisor's slots, a table in itself, the first root's other levels. */
static void update_wrong(struct actor *a)
{
    unsigned level = pick_range(a, 2, 4), slot = 300 + pick(a, 100);
    uint64_t pfn = SIM_PFN_TABLES + 4 - level, self = own_frame(a, pfn);
    uint64_t value =
        pick_one_in(a, 3) ? pte_make(self, PTE_P | PTE_RW | PTE_US) : entry_choose_wrong(a, level);

    if (level == 4 && pick_one_in(a, 2))
        slot = pick_range(a, L4_SLOT_HV_FIRST, L4_SLOT_HV_LAST);
    trace_note(a, "update wrong", level, slot,
               mmu_update_one(a, (self << PAGE_SHIFT) + slot * 8UL, value));
}

static void list_wrong(struct actor *a)
{
    uint64_t address = pick_one_in(a, 2) ? slot_va(SLOT_TRY) - pick(a, 64) : pick_word(a);
    uint64_t count = pick_one_in(a, 2) ? pick_word(a) : pick(a, 3);
    struct mmu_update list[4];
    uint64_t domains =
        pick_one_in(a, 2) ? FOREIGN(pick_domain(a)) | pick_domain(a) : (uint64_t)pick_domain(a);

    for (unsigned i = 0; i < ARRAY_SIZE(list); i++)
        list[i] = update_choose(a);
    if (pick_one_in(a, 2)) {
        trace_note(a, "foreign update", domains, 0,
                   mmu_update_list(a, list, ARRAY_SIZE(list), domains));
        return;
    }
    call(a, pick_one_in(a, 2) ? __HYPERVISOR_mmu_update : __HYPERVISOR_mmuext_op, address, count,
         pick_one_in(a, 2) ? pick_word(a) : 0, pick_domain(a), 0);
}

/* ---- several in one ---------------------------------------------------------------------------
 */

static struct multicall_entry call_choose(struct actor *a, unsigned n)
{
    struct mmu_update u = update_choose(a);
    struct mmuext_op op = ext_choose(a);

    if (is_dangerous(a, op.cmd))
        op.cmd = MMUEXT_TLB_FLUSH_ALL;
    switch (pick(a, 5)) {
    case 0:
        return (struct multicall_entry){
            .op = __HYPERVISOR_mmu_update,
            .args = {args_put(a, LIST_PIECE + n % 4, &u, sizeof(u)), 1, 0, DOMID_SELF}};
    case 1:
        return (struct multicall_entry){
            .op = __HYPERVISOR_mmuext_op,
            .args = {args_put(a, LIST_PIECE + 4 + n % 4, &op, sizeof(op)), 1, 0, DOMID_SELF}};
    case 2: return (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {pick(a, 12)}};
    case 3:
        return (struct multicall_entry){.op = __HYPERVISOR_fpu_taskswitch, .args = {pick(a, 2)}};
    default:
        return (struct multicall_entry){.op = __HYPERVISOR_update_va_mapping,
                                        .args = {slot_va(SLOT_TRY + pick(a, TRY_SLOTS)),
                                                 value_for(a, 1), UVMF_INVLPG | UVMF_ALL}};
    }
}

static void multicall(struct actor *a)
{
    struct multicall_entry list[CALLS_MAX];
    unsigned count = pick_range(a, 1, CALLS_MAX);
    uint64_t told = pick_one_in(a, 20) && !a->domain->is_privileged ? pick_word(a) : count;
    long rc;

    for (unsigned i = 0; i < count; i++)
        list[i] = call_choose(a, i);
    /* Zeros elsewhere are a call that takes all handlers away: not for dom0. */
    a->is_careful = a->domain->is_privileged;
    rc = call(a, __HYPERVISOR_multicall, args_put(a, 0, list, sizeof(list[0]) * count), told, 0, 0,
              0);
    a->is_careful = false;
    if (rc == 0 && args_get(a, 0, list, sizeof(list[0]) * count))
        for (unsigned i = 0; i < count; i++)
            trace_note(a, "in multicall", list[i].op, i, list[i].result);
}

const struct operation pagetable_entry_operations[] = {
    {"update entries", GROUP_PAGETABLE, 8, false, update},
    {"update va", GROUP_PAGETABLE, 6, false, va_update},
    {"store to table", GROUP_PAGETABLE, 6, false, store},
    {"store by other form", GROUP_PAGETABLE, 6, false, store_form},
    {"mmuext list", GROUP_PAGETABLE, 4, false, ext},
    {"pin, wrong", GROUP_PAGETABLE, 2, false, pin_wrong},
    {"update, wrong", GROUP_PAGETABLE, 2, false, update_wrong},
    {"list, wrong", GROUP_PAGETABLE, 2, false, list_wrong},
    {"multicall", GROUP_PAGETABLE, 4, false, multicall},
    {0},
};
