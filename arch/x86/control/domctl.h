/* SPDX-License-Identifier: MIT */
/* Between arch/x86/control/domctl.c and the files that hold some of its operations. */
#pragma once

#include <kr/domain.h>

#include <xen/domctl.h>

long domctl_op_set_ext_vcpucontext(struct domain *d, struct xen_domctl *op);
long domctl_op_get_ext_vcpucontext(struct domain *d, struct xen_domctl *op);
long domctl_op_setvcpuextstate(struct domain *d, struct xen_domctl *op);
long domctl_op_getvcpuextstate(struct domain *d, struct xen_domctl *op);
long domctl_op_get_vcpu_msrs(struct domain *d, struct xen_domctl *op);
long domctl_op_set_vcpu_msrs(struct domain *d, struct xen_domctl *op);
long domctl_op_getpageframeinfo3(struct domain *d, struct xen_domctl *op);
long domctl_op_get_cpu_policy(struct domain *d, struct xen_domctl *op);
long domctl_op_set_cpu_policy(struct domain *d, struct xen_domctl *op);
