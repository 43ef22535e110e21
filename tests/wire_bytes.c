/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire_bytes.h"

#include "sim/env/env.h"

uint8_t *exact_copy(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = sim_env_alloc(len != 0 ? len : 1);

	assert_non_null(copy);
	if (len != 0)
		memcpy(copy, bytes, len);
	return copy;
}

void assert_all_bytes(const void *p, uint8_t value, size_t len)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < len; i++)
		assert_int_equal(bytes[i], value);
}

void fill_random(struct sim_random *rnd, void *p, size_t len)
{
	uint8_t *bytes = p;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)sim_random_next(rnd);
}
