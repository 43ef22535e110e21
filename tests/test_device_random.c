/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A million buffers at seam A, half of them nonsense and half of them nearly requests, cut at random. Nothing crashes,
 * nothing is written that is not part of an answer, and the device still works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_fixture.h"
#include "suite.h"
#include "sim/env/env.h"
#include "sim/random.h"

#define BUFFERS 1000000u
#define EPISODE 1000u
#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)
#define PIECES 12u
#define ARENA 256u
#define PROBE_SIZE 48u

static const struct viommu_resv_region regions[] = { { { 0x6000, 0x6fff }, VIOMMU_RESV_MEM_MSI } };

/* A buffer in an arena of its own with at least one byte between the pieces; `owner` says who may write which byte. */
struct part {
	uint8_t bytes[ARENA];
	uint8_t before[ARENA];
	struct viommu_segment segments[PIECES];
	uint32_t count;
	size_t len;
};

/* Small numbers more often than large ones, and now and then an edge. */
static uint64_t random_number(struct sim_random *r)
{
	switch (sim_random_below(r, 8)) {
	case 0:
		return sim_random_next(r);
	case 1:
		return UINT64_MAX - sim_random_below(r, 3) * 0xfff;
	case 2:
		return sim_random_below(r, 16) * 0x1000 + 0xfff;
	case 3:
		return sim_random_below(r, 10);
	default:
		return sim_random_below(r, 16) * 0x1000;
	}
}

/* Lays `len` bytes out in random pieces. */
static void cut(struct sim_random *r, struct part *part, const uint8_t *bytes, size_t len)
{
	size_t at = 1;

	memset(part->bytes, 0xc3, sizeof(part->bytes));
	part->count = 0;
	part->len = len;
	while (len > 0) {
		struct viommu_segment *segment = &part->segments[part->count++];
		size_t piece = part->count == PIECES ? len : (size_t)sim_random_below(r, len + 1);

		if (sim_random_below(r, 3) == 0)
			piece = len;
		segment->base = part->bytes + at;
		segment->len = piece;
		if (bytes != NULL) {
			memcpy(segment->base, bytes, piece);
			bytes += piece;
		}
		at += piece + 1 + (size_t)sim_random_below(r, 3);
		len -= piece;
	}
	memcpy(part->before, part->bytes, sizeof(part->before));
}

/* Bytes of the arena that are not among the first `written` of the part have to be what they were. */
static void assert_only_written(const struct part *part, size_t written)
{
	uint8_t now[ARENA];
	size_t n;
	uint32_t i;

	assert_true(written <= part->len);
	memcpy(now, part->bytes, sizeof(now));
	for (i = 0; i < part->count && written > 0; i++) {
		n = part->segments[i].len < written ? part->segments[i].len : written;
		memcpy(now + (part->segments[i].base - part->bytes),
		       part->before + (part->segments[i].base - part->bytes), n);
		written -= n;
	}
	assert_memory_equal(now, part->before, sizeof(now));
}

static size_t random_request(struct sim_random *r, uint8_t bytes[96])
{
	static const uint32_t endpoints[] = { DEVICE_EP0, DEVICE_EP1, DEVICE_EP2, DEVICE_EP3, DEVICE_EP_UNKNOWN };
	struct viommu_wire_request request;
	uint32_t domain, endpoint, flags;
	uint64_t a, b, c;
	size_t i, len;

	for (i = 0; i < 96; i++)
		bytes[i] = (uint8_t)sim_random_next(r);
	if (sim_random_below(r, 2) == 0)
		return (size_t)sim_random_below(r, 96);
	/* One after the other: arguments of a call are computed in any order. */
	domain = (uint32_t)sim_random_below(r, 4);
	endpoint = endpoints[sim_random_below(r, 5)];
	a = random_number(r);
	b = random_number(r);
	c = random_number(r);
	flags = (uint32_t)sim_random_below(r, 9);
	switch (sim_random_below(r, 5)) {
	case 0:
		request = device_attach_request(domain, endpoint, flags < 2);
		break;
	case 1:
		request = device_detach_request(domain, endpoint);
		break;
	case 2:
		request = device_map_request(domain, a, b, c, flags);
		break;
	case 3:
		request = device_unmap_request(domain, a, b);
		break;
	default:
		request = device_probe_request(endpoint);
		break;
	}
	len = viommu_wire_request_encode(&request, bytes, 96);
	if (sim_random_below(r, 8) == 0) { /* one bit wrong */
		i = (size_t)sim_random_below(r, len);
		bytes[i] ^= (uint8_t)(1u << sim_random_below(r, 8));
	}
	if (sim_random_below(r, 8) == 0) /* cut short */
		return (size_t)sim_random_below(r, len);
	return len;
}

static void one_buffer(struct sim_random *r, struct device_fixture *f)
{
	static struct part readable, writable;
	struct viommu_request request;
	uint8_t bytes[96];
	size_t len = random_request(r, bytes);
	static const uint32_t lengths[] = { 4, 4, PROBE_SIZE + 4, PROBE_SIZE + 4, 120 };
	size_t room = sim_random_below(r, 4) == 0 ? (size_t)sim_random_below(r, 120) : lengths[sim_random_below(r, 5)];

	cut(r, &readable, bytes, len);
	cut(r, &writable, NULL, room);
	memset(&request, 0, sizeof(request));
	request.readable = readable.segments;
	request.readable_count = readable.count;
	request.writable = writable.segments;
	request.writable_count = writable.count;
	sim_env_operation();
	assert_int_equal(viommu_device_submit(&f->dev, &request), VIOMMU_OK);
	assert_int_equal(request.state, VIOMMU_REQUEST_DONE); /* no section is open */
	assert_only_written(&readable, 0);
	assert_only_written(&writable, request.written);
	if (len < VIOMMU_WIRE_HEAD_SIZE || room < VIOMMU_WIRE_TAIL_SIZE || bytes[0] == 0 || bytes[0] > VIOMMU_T_PROBE)
		assert_int_equal(request.written, 0);
	if (request.written != 0)
		assert_true(request.status < VIOMMU_S_COUNT && request.status != VIOMMU_S_DEVERR);
}

/* A sequence that works on any device in any state. */
static void assert_works(struct device_fixture *f)
{
	device_renegotiate(f);
	device_set_bypass(f, 0);
	assert_int_equal(device_map(f, 1, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_NOENT);
	assert_int_equal(device_attach(f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_true(device_faults(f, 0, 0x1000, 1, VIOMMU_FAULT_R_MAPPING));
	assert_int_equal(device_map(f, 1, 0x1000, 0x2fff, 0xa000, RW), VIOMMU_S_OK);
	assert_true(device_reaches(f, 0, 0x2fff, RW, 0xbfff));
	assert_int_equal(device_map(f, 1, 0x2000, 0x2fff, 0xa000, RW), VIOMMU_S_INVAL);
	assert_int_equal(device_unmap(f, 1, 0x2000, 0x2fff), VIOMMU_S_RANGE);
	assert_int_equal(device_unmap(f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
	assert_true(device_faults(f, 0, 0x2fff, 1, VIOMMU_FAULT_R_MAPPING));
	assert_int_equal(device_detach(f, 1, DEVICE_EP0), VIOMMU_S_OK);
	assert_true(device_faults(f, 0, 0x2fff, 1, VIOMMU_FAULT_R_DOMAIN));
}

static void test_device__a_million_random_buffers__still_works(void **state)
{
	struct sim_random r = { 0x5eed };
	struct device_options options;
	struct device_fixture f;
	struct viommu_translation t;
	const struct viommu_device_stats *stats;
	const uint32_t buffers = sim_env_rounds(BUFFERS, 20000);
	uint32_t i, k;

	(void)state;
	device_options_init(&options);
	options.config.max_domains = 3;
	options.config.probe_size = PROBE_SIZE;
	options.nodes = 24;
	options.regions[2] = regions;
	options.region_counts[2] = 1;
	device_setup(&f, &options);
	stats = viommu_device_get_stats(&f.dev);
	for (i = 0; i < buffers; i++) {
		one_buffer(&r, &f);
		if (i % 64 == 0) {
			uint64_t iova = random_number(&r);

			(void)!device_translate(&f, i / 64 % 4, iova, 1 + random_number(&r) / 2, RW, &t);
		}
		if (i % 64 == 0)
			assert_true(viommu_device_check(&f.dev));
		if (i % EPISODE == EPISODE - 1)
			assert_works(&f);
	}
	/* The noise was not all noise: each request succeeded and failed in its ways. */
	for (k = 0; k < VIOMMU_T_COUNT; k++)
		assert_true(stats->requests[k] > buffers / 100);
	assert_true(stats->unanswered > buffers / 100);
	for (k = 0; k < VIOMMU_S_COUNT; k++)
		if (k != VIOMMU_S_IOERR && k != VIOMMU_S_DEVERR && k != VIOMMU_S_FAULT && buffers == BUFFERS)
			assert_true(stats->statuses[k] > 0);
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device__a_million_random_buffers__still_works),
	};

	return suite_run(tests);
}
