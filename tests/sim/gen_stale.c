/* SPDX-License-Identifier: MIT */
/*
 * A guest that does not flush: it uses a page, so that its CPU's TLB has it, takes the mapping away
 * or makes it read-only without telling any CPU, gives the frame another use, and goes on by the
 * old translation. That must not reach what the frame is by then.
 */
#include "gen_pagetable.h"

#include <kr/errno.h>
#include <x86/pte.h>

#include <xen/memory.h>

#include <string.h>

#define WORDS          (PAGE_SIZE / sizeof(uint64_t))
#define USES_MAX       3
#define FAVOURITES     4
#define PAUSES_MAX     16
#define SHOWN_USES_MAX 12
#define FIRST_PFN      (SIM_PFN_FREE + 4)
#define LIST_PIECE     1

static bool use(struct actor *a, uint64_t pfn, bool is_write)
{
    uint64_t va = sim_page_va(pfn) + pick(a, WORDS) * sizeof(uint64_t), value = pick_word(a);

    sim_guest_linger(a->guest);
    return is_write ? sim_guest_write(a->guest, va, &value, sizeof(value))
                    : sim_guest_read(a->guest, va, &value, sizeof(value));
}

static long map_lazily(struct actor *a, uint64_t pfn, uint64_t entry)
{
    return call(a, __HYPERVISOR_update_va_mapping, sim_page_va(pfn), entry, UVMF_NONE, 0, 0);
}

static void use_after(struct actor *a, uint64_t pfn)
{
    unsigned count = 1 + pick(a, USES_MAX), done = 0;

    for (unsigned i = 0; i < count; i++)
        done += use(a, pfn, pick_one_in(a, 2));
    trace_note(a, "old translation", pfn, count, done);
}

/* Whatever another vCPU shows has an end; pfn 0: this one does no more. */
static void page_show(struct actor *a, uint64_t pfn)
{
    a->model->memory.shown_pfn = pfn;
    a->model->memory.shown_by = a->vcpu->id;
    a->model->memory.shown_uses = 0;
}

/* Makes other vCPUs' TLBs have a page, and goes on while one of them is in the middle of using it.
 */
static void page_share(struct actor *a, uint64_t pfn)
{
    page_show(a, pfn);
    for (unsigned i = pick(a, PAUSES_MAX); i > 0 && a->model->memory.shown_uses == 0; i--) {
        sim_guest_pause(a->guest);
        use(a, pfn, false);
    }
}

void shown_page_use(struct actor *a)
{
    struct memory_model *m = &a->model->memory;
    uint64_t pfn = m->shown_pfn;
    unsigned done = 0;

    if (!pfn || m->shown_by == a->vcpu->id)
        return;
    for (unsigned i = pick_range(a, 2, SHOWN_USES_MAX); m->shown_pfn == pfn && i > 0; i--) {
        done += use(a, pfn, pick_one_in(a, 2));
        m->shown_uses++;
    }
    trace_note(a, "uses a shown page", pfn, 0, done);
}

/* A few pages that all vCPUs use, so that several TLBs have them, in places there that stacks and
 * arguments seldom need. 0: not plain at present. */
static uint64_t favourite(struct actor *a)
{
    uint64_t pfn = FIRST_PFN + pick(a, FAVOURITES);

    return a->model->memory.use[pfn] == USE_PLAIN ? pfn : 0;
}

static uint64_t favourite_take(struct actor *a)
{
    uint64_t pfn = favourite(a);

    if (pfn)
        a->model->memory.use[pfn] = USE_TAKEN;
    return pfn;
}

/* Those that another vCPU has just taken away, too; but not what is in somebody's hands. */
static void use_pages(struct actor *a)
{
    unsigned count = 1 + pick(a, 2 * FAVOURITES);

    for (unsigned i = 0; i < count; i++) {
        uint64_t pfn = FIRST_PFN + pick(a, FAVOURITES);
        uint8_t is = a->model->memory.use[pfn];

        if (is == USE_PLAIN || is == USE_TAKEN || is == USE_GONE || is == USE_TABLE)
            trace_note(a, "use page", pfn, i, use(a, pfn, pick_one_in(a, 2)));
    }
}

static bool give_up(struct actor *a, uint64_t pfn, uint64_t *mfn)
{
    xen_pfn_t list[1] = {own_frame(a, pfn)};
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    *mfn = 0;
    r.extent_start.p = (void *)args_put(a, LIST_PIECE, list, sizeof(list));
    return call_struct(a, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r, sizeof(r)) == 1;
}

static bool exchange(struct actor *a, uint64_t pfn, uint64_t *mfn)
{
    xen_pfn_t list[2] = {own_frame(a, pfn)};
    struct xen_memory_exchange x = {.in = {.nr_extents = 1, .domid = DOMID_SELF},
                                    .out = {.nr_extents = 1, .domid = DOMID_SELF}};
    uint64_t va = args_put(a, LIST_PIECE, list, sizeof(list));

    x.in.extent_start.p = (void *)va;
    x.out.extent_start.p = (void *)(va + sizeof(list[0]));
    if (call_struct(a, __HYPERVISOR_memory_op, XENMEM_exchange, &x, sizeof(x)) != 0 ||
        !args_get(a, LIST_PIECE, list, sizeof(list)))
        return false;
    *mfn = list[1];
    return true;
}

/* Mapped writable, or only to be read before that. */
static void use_and_give_up(struct actor *a)
{
    uint64_t pfn = favourite_take(a), mfn;
    bool is_writable = pick_one_in(a, 2);

    if (!pfn)
        return;
    if (!is_writable)
        page_map_readonly(a, pfn);
    use(a, pfn, is_writable);
    page_share(a, pfn);
    if (map_lazily(a, pfn, 0) != 0 ||
        !(pick_one_in(a, 2) ? give_up(a, pfn, &mfn) : exchange(a, pfn, &mfn))) {
        page_show(a, 0);
        page_restore(a, pfn);
        return;
    }
    use_after(a, pfn);
    page_show(a, 0);
    page_frame_set(a, pfn, mfn);
    if (mfn)
        page_restore(a, pfn);
    else
        a->model->memory.use[pfn] = USE_GONE;
}

static bool make_l1(struct actor *a, uint64_t pfn)
{
    uint64_t entries[WORDS] = {0};

    entries[pick(a, WORDS)] = pte_make(own_frame(a, pick_pfn(a)), PTE_P | PTE_US);
    if (!sim_guest_write(a->guest, sim_page_va(pfn), entries, PAGE_SIZE))
        return false;
    page_share(a, pfn);
    return map_lazily(a, pfn, pte_make(own_frame(a, pfn), PTE_P | PTE_US)) == 0 &&
           mmuext_one(a, MMUEXT_PIN_L1_TABLE, own_frame(a, pfn)) == 0;
}

static void use_and_make_table(struct actor *a)
{
    uint64_t pfn = favourite_take(a);

    if (!pfn)
        return;
    if (make_l1(a, pfn)) {
        use_after(a, pfn);
        sim_guest_pause(a->guest);
        mmuext_one(a, MMUEXT_UNPIN_TABLE, own_frame(a, pfn));
    }
    page_show(a, 0);
    page_restore(a, pfn);
}

/* Descriptors of all kinds; mostly those that are not allowed are left out. */
static bool make_gdt(struct actor *a, uint64_t pfn)
{
    uint64_t entries[WORDS] = {0}, frames[1] = {own_frame(a, pfn)};

    for (unsigned i = 0; i < USES_MAX; i++)
        entries[pick(a, WORDS)] = 0x00cff3000000ffff | (pick_one_in(a, 4) ? pick_word(a) : 0);
    if (!sim_guest_write(a->guest, sim_page_va(pfn), entries, PAGE_SIZE))
        return false;
    page_share(a, pfn);
    return map_lazily(a, pfn, pte_make(frames[0], PTE_P | PTE_US)) == 0 &&
           call(a, __HYPERVISOR_set_gdt, args_put(a, LIST_PIECE, frames, sizeof(frames)), WORDS, 0,
                0, 0) == 0;
}

static void use_and_make_gdt(struct actor *a)
{
    uint64_t pfn = favourite_take(a);

    if (!pfn)
        return;
    if (make_gdt(a, pfn)) {
        use_after(a, pfn);
        sim_guest_pause(a->guest);
        call(a, __HYPERVISOR_set_gdt, 0, 0, 0, 0, 0);
    }
    page_show(a, 0);
    page_restore(a, pfn);
}

const struct operation stale_operations[] = {
    {"use pages", GROUP_PAGETABLE, 16, false, use_pages},
    {"use and give up", GROUP_PAGETABLE, 5, false, use_and_give_up},
    {"use and make table", GROUP_PAGETABLE, 4, false, use_and_make_table},
    {"use and make GDT", GROUP_PAGETABLE, 2, false, use_and_make_gdt},
    {0},
};
