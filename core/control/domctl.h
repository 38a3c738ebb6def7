/* SPDX-License-Identifier: MIT */
/* Between core/control/domctl.c and the files that hold some of its operations. */
#pragma once

#include "control.h"

long domctl_op_setvcpuaffinity(struct domain *d, struct xen_domctl *op);
long domctl_op_getvcpuaffinity(struct domain *d, struct xen_domctl *op);
long domctl_op_setvcpucontext(struct domain *d, struct xen_domctl *op);
long domctl_op_getvcpucontext(struct domain *d, struct xen_domctl *op);
long domctl_op_getvcpuinfo(struct domain *d, struct xen_domctl *op);
