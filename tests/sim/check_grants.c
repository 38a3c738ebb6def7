/* SPDX-License-Identifier: MIT */
/* Rules of grant tables: every use of an entry is some domain's mapping, and every mapping is a
 * use. */
#include "check.h"
#include "gen.h"

#include <kr/cpu.h>
#include <kr/page.h>

#include <stdatomic.h>

#include "../../core/grant_internal.h"

#define REFS_COUNTED 32768 /* of each domain; more are not compared */

/* What the mappings of all domains say of an entry; empty between two checks. */
struct use {
    uint16_t reads, writes, user_id;
};
static struct use uses[CHECK_DOMAINS_MAX][REFS_COUNTED];
static uint32_t mappings_of[CHECK_DOMAINS_MAX];

static unsigned place_of(uint16_t id)
{
    unsigned at = 0;

    while (at < check_domain_count && check_domain[at]->id != id)
        at++;
    return at;
}

uint32_t check_grant_mappings_of(const struct domain *d)
{
    return mappings_of[place_of(d->id)];
}

/* ---- mappings ---------------------------------------------------------------------------------
 */

static void mapping_count(const struct domain *mapper, uint32_t handle,
                          const struct grant_mapping *m)
{
    unsigned owner = place_of(m->owner_id);
    struct use *use;

    RULE("grant mapping", owner < check_domain_count && check_domain[owner]->grants,
         "d%u handle %u is of d%u, which is not there", mapper->id, handle, m->owner_id);
    RULE("grant mapping", !(m->flags & GRANT_MAPPING_BUSY), "d%u handle %u is busy", mapper->id,
         handle);
    RULE("grant mapping", m->flags & (GRANT_MAPPING_HOST | GRANT_MAPPING_DEVICE),
         "d%u handle %u maps nothing: %#x", mapper->id, handle, m->flags);
    mappings_of[owner]++;
    if (m->ref >= REFS_COUNTED)
        return;
    use = &uses[owner][m->ref];
    RULE("grant user", (use->reads | use->writes) == 0 || use->user_id == mapper->id,
         "grant %u of d%u is used by d%u and d%u", m->ref, m->owner_id, use->user_id, mapper->id);
    use->user_id = mapper->id;
    *(m->flags & GRANT_MAPPING_READONLY ? &use->reads : &use->writes) += 1;
}

/* Of one vCPU; the number of them. Each is free and of a chunk of that vCPU's. */
static uint32_t check_free_list(const struct domain *d, const struct vcpu *v, uint32_t most)
{
    const struct grant_table *gt = d->grants;
    uint32_t next = (uint32_t)atomic_load(&v->grant_handles), count = 0;

    for (; next != 0; next = grant_mapping_at(gt, next - 1)->ref, count++) {
        uint32_t handle = next - 1;

        RULE("free handles",
             count < most && handle < grant_handle_count(gt) &&
                 grant_mapping_at(gt, handle)->flags == 0,
             "d%uv%u: handle %u after %u of %u free ones", d->id, v->id, handle, count, most);
        RULE("free handles", gt->chunks[handle / GRANT_MAPPING_CHUNK].home == v->id,
             "d%uv%u: handle %u is of vCPU %u", d->id, v->id, handle,
             gt->chunks[handle / GRANT_MAPPING_CHUNK].home);
    }
    return count;
}

static void check_free_handles(const struct domain *d, uint32_t free)
{
    uint32_t count = 0;
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i) count += check_free_list(d, v, free - count);
    /* A dying domain's are not put back: nobody asks for one again. */
    RULE("free handles", count == free || d->destroy_step >= 2,
         "d%u: %u free ones in the lists of %u", d->id, count, free);
}

static void check_mappings(const struct domain *d)
{
    struct grant_table *gt = d->grants;
    uint32_t used = 0, total = grant_handle_count(gt);

    RULE("grant handles", gt->chunk_count <= gt->chunk_max, "d%u: %u chunks of at most %u", d->id,
         gt->chunk_count, gt->chunk_max);
    for (uint32_t handle = 0; handle < total; handle++) {
        const struct grant_mapping *m = grant_mapping_at(gt, handle);

        if (m->flags == 0)
            continue;
        used++;
        mapping_count(d, handle, m);
    }
    RULE("locks", !spin_is_locked(&gt->maptrack_lock), "mappings of d%u", d->id);
    check_free_handles(d, total - used);
}

/* ---- entries ----------------------------------------------------------------------------------
 */

static void check_sizes(const struct domain *d)
{
    struct grant_table *gt = d->grants;

    RULE("grant table", gt->version >= 1 && gt->version <= gt->version_max, "d%u: version %u of %u",
         d->id, gt->version, gt->version_max);
    RULE("grant table",
         gt->frame_count <= gt->frame_max && gt->status_count <= grant_status_needed(gt->frame_max),
         "d%u: %u frames of at most %u, %u status frames", d->id, gt->frame_count, gt->frame_max,
         gt->status_count);
    RULE("grant table",
         gt->version == 1 || gt->status_count >= grant_status_needed(gt->frame_count),
         "d%u: %u frames, only %u status frames", d->id, gt->frame_count, gt->status_count);
    RULE("locks", !spin_is_locked(&gt->lock), "grant table of d%u", d->id);
}

/* The granting guest must see that its entry is in use. */
static void check_marks(struct domain *d, uint32_t ref, const struct grant_active *active)
{
    struct grant_table *gt = d->grants;
    uint16_t wanted = active->writes ? GTF_reading | GTF_writing : GTF_reading, flags;

    if (gt->is_dead || model_of(d)->scribbles || model_of(d)->overwrites_grants)
        return;
    flags = gt->version == 1 ? grant_v1(gt, ref)->flags : *grant_v2_status(gt, ref);
    RULE("grant flags", (flags & wanted) == wanted,
         "d%u grant %u: %u readers, %u writers, flags %#x", d->id, ref, active->reads,
         active->writes, flags);
}

static bool check_entry(struct domain *d, unsigned place, uint32_t ref,
                        const struct grant_active *active)
{
    const struct use *use = &uses[place][ref];
    const struct page *page;

    if ((active->reads | active->writes | use->reads | use->writes) == 0)
        return false;
    RULE("grant uses", active->reads == use->reads && active->writes == use->writes,
         "d%u grant %u: %u readers, %u writers; mappings: %u, %u of d%u", d->id, ref, active->reads,
         active->writes, use->reads, use->writes, use->user_id);
    RULE("grant user", active->user_id == use->user_id, "d%u grant %u is used by d%u, not d%u",
         d->id, ref, use->user_id, active->user_id);
    RULE("grant frame", frame_is_valid(active->mfn), "d%u grant %u: frame %#x", d->id, ref,
         active->mfn);
    page = page_of(active->mfn);
    RULE("grant frame", page->owner == d->id, "d%u grant %u: frame %#x of d%u", d->id, ref,
         active->mfn, page->owner);
    check_marks(d, ref, active);
    return true;
}

static void check_entries(struct domain *d, unsigned place)
{
    struct grant_table *gt = d->grants;
    uint32_t per_frame = gt->version == 1 ? GRANT_V1_PER_FRAME : GRANT_V2_PER_FRAME, pinned = 0;

    for (uint32_t frame = 0; gt->active && frame < gt->frame_count; frame++)
        for (uint32_t i = 0; gt->active[frame] && i < per_frame; i++)
            if (frame * per_frame + i < REFS_COUNTED)
                pinned += check_entry(d, place, frame * per_frame + i, &gt->active[frame][i]);
    RULE("grant uses", pinned == gt->pinned_count, "d%u: %u grants in use, %u are counted", d->id,
         pinned, gt->pinned_count);
}

/* Mappings of entries for which there is no active one would stay unseen. */
static void uses_forget(const struct domain *d)
{
    const struct grant_table *gt = d->grants;

    for (uint32_t handle = 0; handle < grant_handle_count(gt); handle++) {
        const struct grant_mapping *m = grant_mapping_at(gt, handle);
        struct domain *owner = m->flags ? check_domain[place_of(m->owner_id)] : NULL;

        if (!owner || m->ref >= REFS_COUNTED)
            continue;
        RULE("grant uses",
             m->ref < grant_entry_count(owner->grants) && grant_active(owner, m->ref, false),
             "d%u handle %u is of d%u grant %u, which is not in use", d->id, handle, owner->id,
             m->ref);
        uses[place_of(m->owner_id)][m->ref] = (struct use){0};
    }
}

void check_grants(void)
{
    for (unsigned i = 0; i < CHECK_DOMAINS_MAX; i++)
        mappings_of[i] = 0;
    for (unsigned i = 0; i < check_domain_count; i++)
        if (check_domain[i]->grants)
            check_mappings(check_domain[i]);
    for (unsigned i = 0; i < check_domain_count; i++) {
        if (!check_domain[i]->grants)
            continue;
        check_sizes(check_domain[i]);
        check_entries(check_domain[i], i);
    }
    for (unsigned i = 0; i < check_domain_count; i++)
        if (check_domain[i]->grants)
            uses_forget(check_domain[i]);
}
