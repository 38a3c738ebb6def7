# System tests: `make test-system`, ONLY="word ..." for some, KERNEL= for another hypervisor, LONG=1 for
# those too that take long.
.PHONY: test-system
test-system: $(KERNEL) $(B)/dom0/stamp $(if $(LONG),$(B)/dom0/qemu.cpio) ## Debian's dom0 on the hypervisor in QEMU (ONLY="clients storage")
	$(Q)python3 tests/system/run.py --kernel '$(KERNEL)' $(if $(LONG),--long) $(ONLY)
