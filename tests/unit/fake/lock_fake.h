/* SPDX-License-Identifier: MIT */
/* What a test may ask the fake locks. */
#pragma once

/* 0 when everything taken was released: worth an assertion at the end of each test. */
unsigned fake_locks_held(void);
