/* SPDX-License-Identifier: MIT */
/* Keeps stopped page-table walks with their vCPU (mm/walk.h). */
#include <kr/cpu.h>
#include <kr/hypercall.h>
#include <kr/log.h>
#include <x86/walk.h>

#include "pagetable.h"
#include "walk.h"

static unsigned level_of(enum page_type type)
{
    return type - PAGE_TYPE_L1;
}

bool walk_should_stop(void)
{
    return current_vcpu() && hypercall_should_yield();
}

/* The place keeps the frame, too: its owner may give it up meanwhile. */
static bool keep(struct table_walk *place, struct page *p, unsigned index)
{
    if (place->page || !page_get_again(p))
        return false;
    *place = (struct table_walk){p, index};
    return true;
}

static void release_on(struct table_walk *place)
{
    struct page *p = place->page;

    place->page = NULL;
    table_release(p, page_type_of(p->type), place->index);
    page_put(p);
}

/* A check that is still kept at this level was never asked for again: it is undone. */
bool walk_keep_validation(struct page *p, enum page_type type, unsigned index)
{
    struct table_walk *place = &current_vcpu()->arch.validating[level_of(type)];

    if (place->page)
        release_on(place);
    return keep(place, p, index);
}

bool walk_take_validation(struct page *p, enum page_type type, unsigned *index)
{
    struct vcpu *v = current_vcpu();
    struct table_walk *place;

    if (!v || !page_type_is_table(type))
        return false;
    place = &v->arch.validating[level_of(type)];
    if (place->page != p)
        return false;
    *index = place->index;
    place->page = NULL;
    page_put(p); /* the caller holds the frame */
    return true;
}

bool walk_keep_release(struct page *p, enum page_type type, unsigned index)
{
    struct vcpu *v = current_vcpu();

    if (!keep(&v->arch.releasing[level_of(type)], p, index))
        return false;
    v->arch.walk_is_pending = true;
    return true;
}

bool walk_release_is_pending(void)
{
    struct vcpu *v = current_vcpu();

    return v && v->arch.walk_is_pending;
}

/* The lowest level first: its table came out of the one above, and makes room for the next. */
void walk_release_step(struct vcpu *v)
{
    for (unsigned i = 0; i < TABLE_LEVELS; i++) {
        if (v->arch.releasing[i].page) {
            release_on(&v->arch.releasing[i]);
            return;
        }
    }
    v->arch.walk_is_pending = false;
}

int walk_drop(struct vcpu *v)
{
    for (unsigned i = 0; i < TABLE_LEVELS; i++) {
        if (v->arch.releasing[i].page)
            release_on(&v->arch.releasing[i]);
        else if (v->arch.validating[i].page)
            release_on(&v->arch.validating[i]);
        else
            continue;
        return -ERESTART;
    }
    v->arch.walk_is_pending = false;
    return 0;
}
