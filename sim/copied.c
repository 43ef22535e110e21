/* SPDX-License-Identifier: BSD-3-Clause */
#include "copied.h"

#include <string.h>

#include "sim/env/env.h"

static void *piece(const struct viommu_memory *pointers, viommu_gpa gpa, uint32_t kind, uint64_t *len)
{
	return pointers->ops->resolve(pointers->ctx, gpa, kind, len);
}

static bool read(void *ctx, viommu_gpa gpa, void *dst, size_t len)
{
	uint8_t *to = dst;

	while (len > 0) {
		uint64_t n = len;
		const void *from = piece(ctx, gpa, VIOMMU_ACCESS_READ, &n);

		if (from == NULL)
			return false;
		memcpy(to, from, (size_t)n);
		sim_env_read(from, (size_t)n, false);
		gpa += n;
		to += n;
		len -= (size_t)n;
	}
	return true;
}

static bool write(void *ctx, viommu_gpa gpa, const void *src, size_t len)
{
	const uint8_t *from = src;

	while (len > 0) {
		uint64_t n = len;
		void *to = piece(ctx, gpa, VIOMMU_ACCESS_WRITE, &n);

		if (to == NULL)
			return false;
		memcpy(to, from, (size_t)n);
		sim_env_wrote(to, (size_t)n);
		gpa += n;
		from += n;
		len -= (size_t)n;
	}
	return true;
}

static const struct viommu_memory_ops copied_ops = {
	.size = sizeof(struct viommu_memory_ops),
	.read = read,
	.write = write,
};

struct viommu_memory sim_copied(const struct viommu_memory *pointers)
{
	return (struct viommu_memory){ .ops = &copied_ops, .ctx = (void *)(uintptr_t)pointers };
}
