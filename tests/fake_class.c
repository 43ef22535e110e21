/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_class.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t features(void *ctx)
{
	return ((const struct fake_class *)ctx)->features;
}

static enum viommu_result negotiate(void *ctx, uint64_t wanted)
{
	assert_int_equal(wanted & ~features(ctx), 0);
	return VIOMMU_OK;
}

static bool has_byte(const struct fake_class *f, uint64_t at)
{
	assert_true(at < f->config_size || !f->is_bounded);
	return at < f->config_size;
}

static void config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	const struct fake_class *f = ctx;

	for (uint32_t i = 0; i < len; i++)
		((uint8_t *)dst)[i] = has_byte(f, (uint64_t)offset + i) ? f->config[offset + i] : 0;
}

static void config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	struct fake_class *f = ctx;

	f->config_writes++;
	f->config_offset = offset;
	f->config_len = len;
	for (uint32_t i = 0; i < len; i++) {
		if (has_byte(f, (uint64_t)offset + i))
			f->config[offset + i] = ((const uint8_t *)src)[i];
	}
}

static void reset(void *ctx)
{
	((struct fake_class *)ctx)->resets++;
}

static bool is_settled(void *ctx)
{
	return ((const struct fake_class *)ctx)->settled;
}

static void queue_reset(void *ctx, uint32_t queue)
{
	struct fake_class *f = ctx;

	assert_true(queue < f->queue_count);
	f->queue_resets++;
}

static bool queue_is_settled(void *ctx, uint32_t queue)
{
	assert_true(queue < ((const struct fake_class *)ctx)->queue_count);
	return is_settled(ctx);
}

const struct viommu_register_class fake_class = {
	.size = sizeof fake_class,
	.features = features,
	.negotiate = negotiate,
	.config_read = config_read,
	.config_write = config_write,
	.reset = reset,
	.is_settled = is_settled,
	.queue_reset = queue_reset,
	.queue_is_settled = queue_is_settled,
};
