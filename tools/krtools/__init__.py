# SPDX-License-Identifier: MIT
"""What run, the system tests and the benchmark share. Python's standard library only."""
