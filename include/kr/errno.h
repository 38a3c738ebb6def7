/* SPDX-License-Identifier: MIT */
/* Error numbers under their plain names: Xen's public values, which are Linux's. */
#pragma once

#if __STDC_HOSTED__
#include <errno.h>
#else
#define XEN_ERRNO(name, value) name = value,
enum errno_value {
#include <xen/errno.h>
    ERESTART = 85, /* never reaches a guest, so the public header hides it */
};
#endif
