/* SPDX-License-Identifier: MIT */
/* A user address space built from own pages: pinned L4 without any kernel mapping. */
#include "guest.h"
#include "user.h"

uint8_t *user_code;
uint64_t *user_data;
mfn_t user_root;
uint8_t user_kernel_stack[8192] __aligned(16);

static void table_seal(void *table)
{
    long err = page_set_writable(table, false);

    if (err)
        test_die("table stays writable: %ld", err);
}

void user_init(void)
{
    uint64_t *l4 = page_alloc(), *l3 = page_alloc(), *l2 = page_alloc(), *l1 = page_alloc();

    user_code = page_alloc();
    user_data = page_alloc();
    l1[USER_CODE >> 12 & 511] = pte_make(va_to_mfn(user_code), PTE_RO);
    l1[USER_DATA >> 12 & 511] = pte_make(va_to_mfn(user_data), PTE_RW | PTE_NX);
    l2[USER_CODE >> 21 & 511] = pte_make(va_to_mfn(l1), PTE_TABLE);
    l3[0] = pte_make(va_to_mfn(l2), PTE_TABLE);
    l4[0] = pte_make(va_to_mfn(l3), PTE_TABLE);
    table_seal(l1);
    table_seal(l2);
    table_seal(l3);
    table_seal(l4);
    user_root = va_to_mfn(l4);

    long err = mmuext(MMUEXT_PIN_L4_TABLE, user_root);

    if (!err)
        err = mmuext(MMUEXT_NEW_USER_BASEPTR, user_root);
    if (!err)
        err = stack_switch(FLAT_KERNEL_SS, user_kernel_stack_end);
    if (err)
        test_die("no user address space: %ld", err);
}

void user_frame(struct trap_frame *frame, const void *code, uint64_t size_bytes, uint64_t rflags)
{
    memset(user_code, 0x90, PAGE_SIZE);
    memcpy(user_code, code, size_bytes);
    memset(frame, 0, sizeof(*frame));
    frame->rip = USER_CODE;
    frame->cs = FLAT_USER_CS;
    frame->rflags = rflags;
    frame->rsp = USER_STACK;
    frame->ss = FLAT_USER_SS;
}

int user_run(struct trap_frame *frame)
{
    static struct trap_frame copy; /* not on the stack: it is left by an iret for good */

    copy = *frame;
    return FAULT_OF(trap_resume(&copy));
}

int user_run_code(const void *code, uint64_t size_bytes)
{
    struct trap_frame frame;

    user_frame(&frame, code, size_bytes, 2);
    return user_run(&frame);
}
