/* SPDX-License-Identifier: MIT */
/*
 * Copying between the hypervisor and the calling guest's memory. Arguments are copied once, into
 * locals, and checked there. Objects are passed by pointer so that the size is the object's.
 */
#pragma once

#include <kr/arch.h>
#include <kr/errno.h>

#define guest_read(object, guest_addr) \
    arch_guest_read((object), (uint64_t)(guest_addr), sizeof(*(object)))
#define guest_write(guest_addr, object) \
    arch_guest_write((uint64_t)(guest_addr), (object), sizeof(*(object)))
/* One element of a guest array. */
#define guest_read_at(object, guest_addr, index)                                              \
    arch_guest_read((object), (uint64_t)(guest_addr) + (uint64_t)(index) * sizeof(*(object)), \
                    sizeof(*(object)))
#define guest_write_at(guest_addr, index, object)                                              \
    arch_guest_write((uint64_t)(guest_addr) + (uint64_t)(index) * sizeof(*(object)), (object), \
                     sizeof(*(object)))
/* The address in a XEN_GUEST_HANDLE or XEN_GUEST_HANDLE_64 field. */
#define guest_handle(h) ((uint64_t)(uintptr_t)(h).p)
