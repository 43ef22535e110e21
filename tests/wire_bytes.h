/* SPDX-License-Identifier: BSD-3-Clause */
/* wire_bytes.h: what the tests of the wire format share. */
#ifndef VIOMMU_TESTS_WIRE_BYTES_H
#define VIOMMU_TESTS_WIRE_BYTES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/wire.h>

#include "../sim/random.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CANARY 0xa5

/* A copy with nothing behind it, so that a sanitizer sees the first byte read too many. */
uint8_t *exact_copy(const uint8_t *bytes, size_t len);

void assert_all_bytes(const void *p, uint8_t value, size_t len);
void fill_random(struct sim_random *rnd, void *p, size_t len);

#endif /* VIOMMU_TESTS_WIRE_BYTES_H */
