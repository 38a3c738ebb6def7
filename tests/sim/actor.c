/* SPDX-License-Identifier: MIT */
/* Choices and acts that all generators share (gen.h). */
#include "faults.h"
#include "gen.h"
#include "stats.h"

#include <kr/cpu.h>
#include <kr/errno.h>
#include <kr/page.h>
#include <sim/random.h>
#include <x86/pagetype.h>

#include <xen/xen.h>

#include <string.h>

#define PIECE_BYTES 512
#define PIECES      (PAGE_SIZE / PIECE_BYTES)
#define MODEL_COUNT 64

static struct domain_model models[MODEL_COUNT];
extern const struct run_options *run_options_now;

/* ---- models -----------------------------------------------------------------------------------
 */

void models_reset(void)
{
    memset(models, 0, sizeof(models));
    frames_reset();
}

/* Ids are given out from the lowest; two domains seldom share a place. */
struct domain_model *model_of(const struct domain *d)
{
    struct domain_model *m = &models[d->id % MODEL_COUNT];

    if (m->id != d->id || m->created_ns != d->created_ns)
        *m = (struct domain_model){
            .id = d->id, .created_ns = d->created_ns, .page_count = SIM_PAGES_MIN};
    return m;
}

struct domain_model *model_by_id(uint16_t id)
{
    struct domain_model *m = &models[id % MODEL_COUNT];

    return m->id == id && m->is_set_up ? m : NULL;
}

void pool_add(struct pool *p, uint64_t value)
{
    p->value[p->next] = value;
    p->next = (p->next + 1) % POOL_SIZE;
    p->count = MIN(p->count + 1, POOL_SIZE);
}

void pool_remove(struct pool *p, uint64_t value)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (p->value[i] != value)
            continue;
        p->value[i] = p->value[--p->count];
        p->next = p->count % POOL_SIZE;
        return;
    }
}

/* ---- choices ----------------------------------------------------------------------------------
 */

uint64_t pick(struct actor *a, uint64_t bound)
{
    uint64_t z;

    if (bound <= 1)
        return 0;
    if (faults_is_scripted())
        return bound - 1; /* nothing that one_in() would do, else the most */
    if (run_options_now->bytes)
        return sim_random_below(SIM_STREAM_GUEST, bound);
    z = a->random_state += 0x9e3779b97f4a7c15UL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
    return (z ^ z >> 31) % bound;
}

uint64_t pick_range(struct actor *a, uint64_t first, uint64_t last)
{
    return first + pick(a, last - first + 1);
}

bool pick_one_in(struct actor *a, uint64_t count)
{
    return count && pick(a, count) == 0;
}

/* Near powers of two is where limits are. */
uint64_t pick_word(struct actor *a)
{
    uint64_t edge = BIT(pick(a, 64));

    switch (pick(a, 6)) {
    case 0: return pick(a, 4);
    case 1: return pick(a, 300);
    case 2: return edge - pick(a, 2);
    case 3: return -(int64_t)pick(a, 5);
    case 4: return edge | pick(a, 4096);
    default: return pick(a, UINT64_MAX);
    }
}

uint64_t pick_pool(struct actor *a, const struct pool *p)
{
    if (pick_one_in(a, 24))
        return pick_word(a);
    return p->count ? p->value[pick(a, p->count)] : 0;
}

uint16_t pick_domain(struct actor *a)
{
    static const uint16_t special[] = {DOMAIN_ID_SELF,    DOMAIN_ID_IO, DOMAIN_ID_XEN,
                                       DOMAIN_ID_INVALID, 0x7fff,       99};

    switch (pick(a, 8)) {
    case 0: return special[pick(a, ARRAY_SIZE(special))];
    case 1:
    case 2: return DOMAIN_ID_SELF;
    case 3: return a->domain->id;
    default: return pick(a, 6);
    }
}

uint64_t own_frame(struct actor *a, uint64_t pfn)
{
    uint64_t mfn = 0;

    if (pfn < SIM_PAGES_MAX &&
        !sim_guest_read(a->guest, SIM_P2M_VA + pfn * sizeof(mfn), &mfn, sizeof(mfn)))
        mfn = 0;
    return mfn;
}

uint64_t pick_pfn(struct actor *a)
{
    uint64_t pfn = page_find(a, pick_one_in(a, 3) ? USE_LENT : USE_PLAIN);

    if (pfn && !pick_one_in(a, 16))
        return pfn;
    pfn = pick_range(a, SIM_PFN_FREE, a->model->page_count - 1);
    return a->model->memory.use[pfn] == USE_SHARED ? SIM_PFN_FREE : pfn;
}

uint64_t pick_frame(struct actor *a)
{
    switch (pick(a, 12)) {
    case 0: return pick(a, page_end() + 2);
    case 1: return pick_word(a);
    case 2:
    case 3: return pick_pool(a, &a->model->frames);
    case 4: return own_frame(a, pick(a, a->model->page_count));
    default: return own_frame(a, pick_pfn(a));
    }
}

uint32_t pick_port(struct actor *a)
{
    return pick_pool(a, &a->model->ports);
}

unsigned pick_vcpu(struct actor *a)
{
    return pick_one_in(a, 12) ? (unsigned)pick_word(a) : pick(a, a->domain->vcpu_max);
}

/* ---- acts -------------------------------------------------------------------------------------
 */

static bool is_control_only(unsigned nr)
{
    const enum {
        ANYONE,
        CONTROL
    } callers[64] = {
#define HYPERCALL(nr, name, argc, caller, long_running, purpose) [nr] = caller,
#include "../../core/hypercalls.def"
#undef HYPERCALL
    };

    return nr < ARRAY_SIZE(callers) && callers[nr] == CONTROL;
}

/* The control domain changes another domain's tables, and may choose what they map. */
static void gift_note(const struct actor *a, unsigned nr, const uint64_t args[6])
{
    uint16_t id = (args[3] >> 16) - 1;

    if (nr == __HYPERVISOR_mmu_update && a->domain->is_privileged && (uint32_t)args[3] >> 16)
        models[id % MODEL_COUNT].has_gifts = true;
}

long call(struct actor *a, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
          uint64_t a4)
{
    const uint64_t args[6] = {a0, a1, a2, a3, a4};
    uint64_t op = stats_op(a->guest, nr, args);
    long result;

    gift_note(a, nr, args);
    result =
        run_options_now->is_faults ? faults_call(a, nr, args) : sim_hypercall(a->guest, nr, args);
    stats_count(nr, op, result);
    trace_call(a, nr, args, result);
    RULE("privilege",
         !is_control_only(nr) || a->domain->is_privileged || result == -EPERM || result == -EINTR,
         "d%u: hypercall %u, the control domain's, returned %ld", a->domain->id, nr, result);
    return result;
}

uint64_t args_page(struct actor *a)
{
    return sim_page_va(SIM_PFN_ARGS + 2 * (a->vcpu->id % SIM_VCPU_MAX));
}

/* Now and then where it cannot be read whole: not mapped, ours, across the end of what is mapped.
 */
static uint64_t bad_address(struct actor *a)
{
    switch (pick(a, 5)) {
    case 0: return 0;
    case 1: return HV_VIRT_START + pick(a, PAGE_SIZE);
    case 2: return sim_page_va(a->model->page_count) - pick(a, 64);
    case 3: return sim_page_va(SIM_PFN_TABLES + pick(a, 4)) + pick(a, PAGE_SIZE);
    default: return pick_word(a);
    }
}

uint64_t args_put(struct actor *a, unsigned n, const void *object, size_t size_bytes)
{
    uint64_t va = args_page(a) + n % (2 * PIECES) * PIECE_BYTES;

    if (!a->is_careful && pick_one_in(a, 64))
        return bad_address(a);
    return sim_guest_write(a->guest, va, object, size_bytes) ? va : 0;
}

bool args_get(struct actor *a, unsigned n, void *object, size_t size_bytes)
{
    return sim_guest_read(a->guest, args_page(a) + n % (2 * PIECES) * PIECE_BYTES, object,
                          size_bytes);
}

long call_struct(struct actor *a, unsigned nr, uint64_t op, void *object, size_t size_bytes)
{
    long result = call(a, nr, op, args_put(a, 0, object, size_bytes), 0, 0, 0);

    if (!args_get(a, 0, object, size_bytes))
        return -EFAULT;
    return result;
}
