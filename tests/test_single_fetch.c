/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_single_fetch.c: requests, replies and reports over accessors of the test (sim/env/port.h).
 *
 * The accessors know which bytes of the peer's memory may be read now. Each of them is read once at most, and no other.
 * (For the rings there is test_virtq_single_fetch.c.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/device.h>
#include <viommu/driver.h>

#include "suite.h"

#include "sim/env/env.h"
#include "sim/env/port.h"

/* Accessors */

#define PEER_MAX 1024u

static struct {
	const uint8_t *base;
	size_t len;
	uint8_t reads[PEER_MAX]; /* of each byte */
	uint32_t total;
} readable;

static struct {
	uint8_t *base;
	size_t len;
} writable;

static void allow(const uint8_t *r, size_t r_len, uint8_t *w, size_t w_len)
{
	assert_true(r_len <= PEER_MAX);
	memset(&readable, 0, sizeof readable);
	readable.base = r;
	readable.len = r_len;
	writable.base = w;
	writable.len = w_len;
}

static bool lies_in(const uint8_t *p, size_t n, const uint8_t *base, size_t len)
{
	uintptr_t at = (uintptr_t)p - (uintptr_t)base;

	return at <= len && n <= len - at;
}

static void copy_in(uint8_t *dst, const uint8_t *p, size_t len)
{
	assert_true(lies_in(p, len, readable.base, readable.len));
	for (size_t i = 0; i < len; i++)
		assert_int_equal(++readable.reads[p + i - readable.base], 1);
	readable.total += (uint32_t)len;
	memcpy(dst, p, len);
}

static void copy_out(uint8_t *peer, const uint8_t *src, size_t len)
{
	assert_true(lies_in(peer, len, writable.base, writable.len));
	memcpy(peer, src, len);
}

/* There is no ring here. */

static uint64_t no_load(const uint8_t *p, unsigned bytes)
{
	(void)p;
	(void)bytes;
	fail();
	return 0;
}

static void no_store(uint8_t *p, unsigned bytes, uint64_t value)
{
	(void)p;
	(void)bytes;
	(void)value;
	fail();
}

static void no_fence(void)
{
}

static const struct sim_env_port port = { no_load, no_store, copy_in, copy_out, no_fence };

/* The device */

/* VQ-DEV-DESC-01, -02: the device reads what is readable, once, and nothing of what is writable. */
static void test_submit__every_request_and_length__readable_once_writable_never(void **state)
{
	static uint8_t mem[VIOMMU_DEVICE_MEM(2, 2, 64)];
	static struct viommu_device dev;
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
	static const uint8_t requests[][36] = {
		{ 1, 0, 0, 0, 1, 0, 0, 0, 8 },
		{ 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x0f, [32] = 3 },
		{ 5, 0, 0, 0, 8 },
		{ 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x0f },
		{ 4, 0, 0, 0, 9 }, /* no such domain */
		{ 2, 0, 0, 0, 1, 0, 0, 0, 8 },
		{ 1, 0, 0, 0, 1, 0, 0, 0, 9 }, /* no such endpoint */
		{ 99 },
	};
	uint8_t in[100], out[100];
	struct viommu_endpoint *handle;

	(void)state;
	sim_env_port = &port;
	endpoint.id = 8;
	config.probe_size = 64;
	config.max_endpoints = 2;
	config.max_domains = 2;
	assert_int_equal(viommu_device_init(&dev, &config, mem, sizeof mem), VIOMMU_OK);
	assert_int_equal(viommu_device_add_endpoint(&dev, &endpoint, &handle), VIOMMU_OK);
	assert_int_equal(viommu_device_negotiate(&dev, config.features), VIOMMU_OK);
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		memset(in, 0, sizeof in);
		memcpy(in, requests[i], sizeof requests[i]);
		for (size_t r = 0; r <= sizeof in; r++) {
			for (size_t w = 0; w <= sizeof out; w++) {
				struct viommu_segment pieces[4] = { { .base = in, .len = r / 2 },
								    { .base = in + r / 2, .len = r - r / 2 },
								    { .base = out, .len = w / 3 },
								    { .base = out + w / 3, .len = w - w / 3 } };
				struct viommu_request request = { .readable = pieces,
								  .readable_count = 2,
								  .writable = pieces + 2,
								  .writable_count = 2 };

				sim_env_operation();
				allow(in, r, out, w);
				assert_int_equal(viommu_device_submit(&dev, &request), VIOMMU_OK);
				assert_int_equal(request.state, VIOMMU_REQUEST_DONE);
				assert_int_equal(readable.total, r < 72 ? r : 72);
			}
		}
	}
}

/* The driver, over queues of the test */

struct posted {
	void *token;
	uint8_t *reply;
	uint32_t len;
};

struct world {
	struct viommu_driver drv;
	_Alignas(64) uint8_t shared[16384];
	_Alignas(16) uint8_t private_memory[32768];
	struct posted posted[VIOMMU_QUEUE_COUNT][64];
	uint32_t added[VIOMMU_QUEUE_COUNT], popped[VIOMMU_QUEUE_COUNT];
	uint32_t answers[VIOMMU_QUEUE_COUNT]; /* that will come */
	uint32_t written;                     /* their used length */
};

static enum viommu_result own_add(void *ctx, uint32_t queue, const struct viommu_bus_segment *segments,
				  uint32_t readable_count, uint32_t writable_count, void *token)
{
	struct world *w = ctx;
	const struct viommu_bus_segment *reply = &segments[readable_count];

	assert_int_equal(writable_count, 1);
	w->posted[queue][w->added[queue]++ % 64] = (struct posted){ token, w->shared + reply->addr, reply->len };
	return VIOMMU_OK;
}

static bool own_publish(void *ctx, uint32_t queue)
{
	(void)ctx;
	(void)queue;
	return false;
}

static void own_kick(void *ctx, uint32_t queue)
{
	(void)ctx;
	(void)queue;
}

/* Whoever pops may read as much of the reply as was written, which is all zeroes: success, no property, a report. */
static enum viommu_result own_pop(void *ctx, uint32_t queue, void **token, uint32_t *written)
{
	struct world *w = ctx;
	const struct posted *p = &w->posted[queue][w->popped[queue] % 64];

	if (w->answers[queue] == 0 || w->popped[queue] == w->added[queue])
		return VIOMMU_E_EMPTY;
	w->answers[queue]--;
	w->popped[queue]++;
	*written = w->written < p->len ? w->written : p->len;
	memset(p->reply, 0, *written);
	allow(p->reply, *written, w->shared, sizeof w->shared);
	*token = p->token;
	return VIOMMU_OK;
}

static enum viommu_result wait_never(void *ctx, uint32_t attempt)
{
	(void)ctx;
	(void)attempt;
	return VIOMMU_E_TIMEOUT;
}

static const struct viommu_queue_ops own_ops = {
	.size = sizeof own_ops, .add = own_add, .publish = own_publish, .kick = own_kick, .pop = own_pop
};

static struct world world;

static void start(void)
{
	static const struct viommu_driver_ops ops = { .size = sizeof ops, .wait = wait_never };
	static const uint8_t space[VIOMMU_WIRE_CONFIG_SIZE] = { [1] = 0x10, [32] = 64 };
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { world.shared, 0, sizeof world.shared };

	memset(&world, 0, sizeof world);
	allow(NULL, 0, world.shared, sizeof world.shared);
	config.ops = &ops;
	config.queue_size = 16;
	config.event_count = 4;
	assert_int_equal(
		viommu_driver_init(&world.drv, &config, world.private_memory, sizeof world.private_memory, &shared),
		VIOMMU_OK);
	assert_int_equal(viommu_driver_start_queues(&world.drv, &own_ops, &world,
						    VIOMMU_F_VERSION_1 | VIOMMU_F_MAP_UNMAP | VIOMMU_F_PROBE, space),
			 VIOMMU_OK);
}

/* How many bytes of its reply the driver has read. */
static void assert_read(uint32_t bytes)
{
	assert_int_equal(readable.total, bytes);
}

/* VQ-DRV-USED-02: what is behind the used length is not even looked at. */
static void test_driver__every_used_length__reads_no_further_and_once(void **state)
{
	(void)state;
	sim_env_port = &port;
	for (uint32_t written = 0; written < 80; written++) {
		struct viommu_driver_domain domain;
		struct viommu_driver_endpoint endpoint;
		struct viommu_resv_region none[1];

		start();
		world.answers[VIOMMU_QUEUE_REQUEST] = 1;
		world.written = written;
		assert_int_equal(viommu_driver_endpoint_init(&endpoint, &world.drv, 8, none, 0),
				 written < 68 ? VIOMMU_E_PEER : VIOMMU_OK);
		assert_read(written < 68 ? 0 : 68);

		world.answers[VIOMMU_QUEUE_REQUEST] = 1;
		world.written = 68;
		assert_int_equal(viommu_driver_endpoint_init(&endpoint, &world.drv, 8, none, 0), VIOMMU_OK);
		assert_int_equal(viommu_driver_domain_init(&domain, &world.drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
		world.answers[VIOMMU_QUEUE_REQUEST] = 1;
		assert_int_equal(viommu_driver_attach(&domain, &endpoint, NULL), VIOMMU_OK);
		world.answers[VIOMMU_QUEUE_REQUEST] = 1;
		world.written = written;
		assert_int_equal(viommu_driver_map(&domain, 0, 0xfff, 0, VIOMMU_MAP_F_READ), VIOMMU_OK);
		assert_int_equal(viommu_driver_sync(&domain, NULL), written < 4 ? VIOMMU_E_PEER : VIOMMU_OK);
		assert_read(written < 4 ? 0 : 4);

		world.answers[VIOMMU_QUEUE_EVENT] = 1;
		(void)viommu_driver_process(&world.drv, 1);
		assert_int_equal(viommu_driver_get_stats(&world.drv)->faults, written < 24 ? 0 : 1);
		assert_read(written < 24 ? 0 : 24);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_submit__every_request_and_length__readable_once_writable_never),
		cmocka_unit_test(test_driver__every_used_length__reads_no_further_and_once),
	};

	return suite_run(tests);
}
