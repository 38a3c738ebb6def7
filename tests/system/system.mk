# System tests: `make test-system`, ONLY="word ..." for some, KERNEL= for another hypervisor.
.PHONY: test-system test-system-long
test-system: guest-kernels $(KERNEL) $(B)/dom0/stamp ## Debian's dom0 on the hypervisor in QEMU (ONLY="clients storage")
	$(Q)python3 tests/system/run.py --kernel '$(KERNEL)' $(ONLY)

test-system-long: guest-kernels $(KERNEL) $(B)/dom0/stamp $(B)/dom0/qemu.cpio
	$(Q)SYSTEM_JOBS=1 python3 tests/system/run.py --kernel '$(KERNEL)' --long $(ONLY)
