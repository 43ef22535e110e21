/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_driver_hostile.c: a device that writes what it likes into the shared memory whenever it likes. The driver owes:
 * no access outside its memory, documented results, bounded waiting, and a working life after stop and start.
 * test_driver_attacks.c has the single attacks.
 */
#include "driver_fixture.h"
#include "suite.h"

#include "sim/env/env.h"
#include "sim/random.h"

#define DOMAINS 5u
#define ENDPOINTS 4u
#define PAGES 48u
#define ROUNDS 100000u
#define REGIONS 2u

struct siege {
	struct driver_fixture *f;
	struct sim_random random;
	struct viommu_driver_domain domains[DOMAINS];
	bool made[DOMAINS];
	struct viommu_driver_endpoint endpoints[ENDPOINTS];
	bool known[ENDPOINTS];
	struct viommu_resv_region *regions[ENDPOINTS];
	uint32_t results[256];
	uint32_t restarts;
};

static struct siege *siege;

static uint64_t below(uint64_t n)
{
	return sim_random_below(&siege->random, n);
}

static void fill(uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)sim_random_next(&siege->random);
}

/* Used entries that could be true, for heads that could be in flight, with answers that could be. */
static void plausible_answers(struct driver_fixture *f)
{
	uint8_t *slots = f->drv.slot_memory.base;

	for (uint32_t i = 0; i < f->drv.queue_size; i++) {
		if (below(3) == 0)
			slots[i * 64 + 48] = (uint8_t)(below(2) == 0 ? 0 : below(12));
	}
	if (below(4) == 0)
		fill(f->drv.probe_memory.base, f->drv.probe_memory.len);
	else
		memset(f->drv.probe_memory.base, 0, f->drv.probe_memory.len);
	for (uint64_t n = below(4); n > 0; n--) {
		const struct viommu_virtq_shadow *shadow = f->drv.shadows[VIOMMU_QUEUE_REQUEST];
		uint32_t id = (uint32_t)below(f->script.layouts[0].size);

		/* Mostly an honest one. */
		for (uint32_t i = 0; i < 8 && (shadow[id].token == NULL || !shadow[id].visible); i++)
			id = (uint32_t)below(f->script.layouts[0].size);
		if (below(200) == 0 || (shadow[id].token != NULL && shadow[id].visible))
			script_lie(f, VIOMMU_QUEUE_REQUEST, id, (uint32_t)(below(3) != 0 ? 4 : below(80)), 1);
	}
}

static void mischief(struct driver_fixture *f)
{
	uint8_t *shared = f->shared.base;
	uint32_t len;
	uint64_t r;

	switch (below(2000)) {
	case 0:
		fill(shared, f->shared.len);
		break;
	case 1:
		r = sim_random_next(&siege->random);
		script_lie(f, (uint32_t)(r >> 63), (uint32_t)r, r >> 40 & 63, (uint16_t)(r >> 46));
		break;
	case 2:
		fill(shared + below(f->shared.len - 64), 64);
		break;
	default:
		if (below(4) == 0) {
			r = below(f->script.layouts[1].size);
			len = (uint32_t)below(30);
			script_lie(f, VIOMMU_QUEUE_EVENT, (uint32_t)r, len, below(100) == 0);
		}
		if (below(3) != 0)
			plausible_answers(f);
		break;
	}
}

/* One of the results that the header lists for this call, 0 (OK) always among them. */
static bool is_listed(enum viommu_result result, const enum viommu_result *list, size_t count)
{
	siege->results[(unsigned)-result & 255]++;
	if (result == VIOMMU_OK)
		return true;
	for (size_t i = 0; i < count; i++) {
		if (list[i] == result)
			return true;
	}
	return false;
}

#define ASSERT_LISTED(call, ...)                                                                                       \
	do {                                                                                                           \
		static const enum viommu_result listed[] = { __VA_ARGS__ };                                            \
		enum viommu_result got = (call);                                                                       \
		if (!is_listed(got, listed, sizeof listed / sizeof listed[0]))                                         \
			fail_msg("%s: %d", #call, got);                                                                \
	} while (0)

static void restart(struct driver_fixture *f)
{
	const uint64_t offered = f->script.offered;
	const struct viommu_wire_config config = f->script.config;

	siege->restarts++;
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
	if (below(4) == 0) {
		/* A different device, perhaps one that makes no sense. */
		if (below(2) == 0)
			f->script.offered ^= UINT64_C(1) << below(36);
		if (below(2) == 0)
			f->script.config.domain_last = (uint32_t)below(8);
		if (below(2) == 0)
			f->script.config.probe_size = (uint32_t)below(70);
		if (below(2) == 0)
			f->script.config.input_range.first = below(4) * 0x1800;
		f->script.queue_max[0] = (uint32_t)below(20);
		ASSERT_LISTED(driver_start(f), VIOMMU_E_UNSUPP, VIOMMU_E_NOMEM, VIOMMU_E_PEER, VIOMMU_E_TIMEOUT);
	}
	f->script.queue_max[0] = 256;
	if (f->drv.state == VIOMMU_DRIVER_STOPPED) {
		f->script.offered = offered;
		f->script.config = config;
		assert_int_equal(driver_start(f), VIOMMU_OK);
	}
}

static void attack_once(struct driver_fixture *f)
{
	uint32_t i = (uint32_t)below(DOMAINS), j = (uint32_t)below(ENDPOINTS);
	struct viommu_driver_domain *d = &siege->domains[i];
	struct viommu_driver_endpoint *e = &siege->endpoints[j];
	uint64_t page = below(PAGES), pages = 1 + below(4);
	struct viommu_mapping m;
	struct viommu_driver_failure failure;
	uint64_t phys;
	uint8_t status;

	if (!siege->made[i]) {
		ASSERT_LISTED(viommu_driver_domain_init(d, &f->drv, VIOMMU_DOMAIN_ANY, i == 0), VIOMMU_E_STATE,
			      VIOMMU_E_FULL, VIOMMU_E_UNSUPP);
		siege->made[i] = d->drv != NULL;
		return;
	}
	switch (below(16)) {
	case 0:
		if (!siege->known[j] || e->domain == NULL) {
			ASSERT_LISTED(viommu_driver_endpoint_init(e, &f->drv, 8 + j, siege->regions[j], REGIONS),
				      VIOMMU_E_STATE, VIOMMU_E_REJECTED, VIOMMU_E_PEER, VIOMMU_E_NOMEM, VIOMMU_E_BUSY,
				      VIOMMU_E_TIMEOUT, VIOMMU_E_BROKEN);
			siege->known[j] = e->drv != NULL;
		}
		break;
	case 1:
	case 2:
		if (siege->known[j])
			ASSERT_LISTED(viommu_driver_attach(d, e, &status), VIOMMU_E_STATE, VIOMMU_E_RANGE,
				      VIOMMU_E_UNSUPP, VIOMMU_E_BUSY, VIOMMU_E_REJECTED, VIOMMU_E_PEER,
				      VIOMMU_E_TIMEOUT, VIOMMU_E_BROKEN);
		break;
	case 3:
		if (siege->known[j])
			ASSERT_LISTED(viommu_driver_detach(e, &status), VIOMMU_E_STATE, VIOMMU_E_REJECTED,
				      VIOMMU_E_PEER, VIOMMU_E_TIMEOUT, VIOMMU_E_BROKEN);
		break;
	case 4:
	case 5:
		ASSERT_LISTED(viommu_driver_sync(d, &failure), VIOMMU_E_STATE, VIOMMU_E_REJECTED, VIOMMU_E_PEER,
			      VIOMMU_E_TIMEOUT, VIOMMU_E_BROKEN);
		break;
	case 6:
		(void)viommu_driver_process(&f->drv, (uint32_t)below(20));
		break;
	case 7:
	case 8:
	case 9:
		ASSERT_LISTED(viommu_driver_unmap(d, page * PAGE, (page + pages) * PAGE - 1), VIOMMU_E_STATE,
			      VIOMMU_E_RANGE, VIOMMU_E_TIMEOUT, VIOMMU_E_BROKEN);
		break;
	case 10:
		(void)viommu_driver_next_mapping(d, page * PAGE, &m);
		(void)!viommu_driver_iova_to_phys(d, page * PAGE, &phys);
		break;
	case 11:
		if (below(16) == 0 && viommu_driver_domain_deinit(d) == VIOMMU_OK) {
			memset(d, 0, sizeof *d);
			siege->made[i] = false;
		}
		break;
	default:
		ASSERT_LISTED(
			viommu_driver_map(d, page * PAGE, (page + pages) * PAGE - 1, page * PAGE, (uint32_t)below(8)),
			VIOMMU_E_STATE, VIOMMU_E_UNSUPP, VIOMMU_E_RANGE, VIOMMU_E_EXISTS, VIOMMU_E_NOMEM,
			VIOMMU_E_TIMEOUT, VIOMMU_E_BROKEN);
		break;
	}
}

/* Every mapping of the records is what some map call asked for, and the tree is sound. */
static void check_records(void)
{
	for (uint32_t i = 0; i < DOMAINS; i++) {
		struct viommu_mapping m;
		uint64_t from = 0;

		if (!siege->made[i])
			continue;
		assert_true(viommu_map_check(&siege->domains[i].map));
		while (viommu_driver_next_mapping(&siege->domains[i], from, &m)) {
			assert_int_equal(m.first % PAGE, 0);
			assert_true((m.last + 1 - m.first) / PAGE <= 4 && m.last < (PAGES + 4) * PAGE);
			assert_int_equal(m.phys, m.first);
			from = m.last + 1;
		}
	}
}

static void peace(struct driver_fixture *f)
{
	struct driver_options o;

	driver_options_init(&o);
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
	f->on_wait = NULL;
	f->script.stalled = false;
	f->script.offered = o.offered;
	f->script.config = o.space;
	memset(&siege->endpoints, 0, sizeof siege->endpoints);
	f->script.count = 0;
	assert_int_equal(driver_start(f), VIOMMU_OK);
	for (uint32_t i = 0; i < DOMAINS; i++) {
		struct viommu_driver_domain *d = &siege->domains[i];
		struct viommu_driver_endpoint *e = &siege->endpoints[0];
		uint32_t before;

		if (!siege->made[i])
			continue;
		before = record_count(d);
		assert_int_equal(viommu_driver_endpoint_init(e, &f->drv, 8, siege->regions[0], REGIONS), VIOMMU_OK);
		assert_int_equal(viommu_driver_attach(d, e, NULL), VIOMMU_OK);
		if (i > 0) {
			assert_int_equal(record_count(d), before);
			assert_record_is_model(f, d);
			assert_int_equal(viommu_driver_unmap(d, 0, UINT64_MAX), VIOMMU_OK);
			for (uint64_t page = 0; page < PAGES; page++)
				assert_int_equal(viommu_driver_map(d, page * PAGE, page * PAGE + PAGE - 1, 0, RW),
						 VIOMMU_OK);
			assert_int_equal(viommu_driver_unmap(d, 0, UINT64_MAX), VIOMMU_OK);
			assert_int_equal(viommu_driver_sync(d, NULL), VIOMMU_OK);
			assert_record_is_model(f, d);
		}
		assert_int_equal(viommu_driver_detach(e, NULL), VIOMMU_OK);
		assert_int_equal(viommu_driver_domain_deinit(d), VIOMMU_OK);
		memset(d, 0, sizeof *d);
		siege->made[i] = false;
	}
	/* No request is lost in the slots: all of them can be in flight again. */
	assert_int_equal(viommu_driver_get_stats(&f->drv)->requests[VIOMMU_T_ATTACH] > 0, 1);
}

static void lay_siege(uint64_t seed, bool indirect)
{
	struct driver_options o;
	struct driver_fixture *f;

	driver_options_init(&o);
	o.config.queue_size = 16;
	o.nodes = 256;
	if (!indirect)
		o.offered &= ~VIOMMU_F_INDIRECT_DESC;
	siege = sim_env_zalloc(sizeof *siege);
	siege->random.state = seed;
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		siege->regions[i] = sim_env_zalloc(REGIONS * sizeof *siege->regions[i]);
	f = driver_up(&o);
	siege->f = f;
	f->patience = 4;
	f->script.stalled = true;
	f->on_wait = mischief;
	for (uint32_t round = 0; round < ROUNDS / 2; round++) {
		mischief(f);
		f->waits = 0;
		attack_once(f);
		/* A wait ends after `patience` without progress; progress is an answer, and there are 16 requests. */
		assert_true(f->waits < 20 * 4 * 16);
		if (f->drv.state == VIOMMU_DRIVER_FAILED || below(500) == 0)
			restart(f);
		if (round % 16 == 0)
			check_records();
	}
	/* It was a siege and not a series of refusals. */
	assert_true(siege->results[0] > ROUNDS / 10);
	assert_true(siege->results[(unsigned)-VIOMMU_E_REJECTED & 255] > 100);
	assert_true(siege->results[(unsigned)-VIOMMU_E_TIMEOUT & 255] > 100);
	assert_true(siege->results[(unsigned)-VIOMMU_E_PEER & 255] > 100);
	assert_true(siege->results[(unsigned)-VIOMMU_E_BROKEN & 255] > 5);
	assert_true(viommu_driver_get_stats(&f->drv)->late > 100);
	peace(f);
	driver_teardown(f);
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		sim_env_free(siege->regions[i]);
	sim_env_free(siege);
}

static void test_driver__device_rewrites_shared_memory_at_will__survives_and_recovers(void **state)
{
	(void)state;
	lay_siege(1, true);
	lay_siege(2, false);
}

/* Nothing but noise: 10^5 rounds of random bytes in all of the shared memory, rings included. */
static void all_noise(struct driver_fixture *f)
{
	fill(f->shared.base, f->shared.len);
}

static void test_driver__shared_memory_is_noise__every_call_ends(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;

	(void)state;
	driver_options_init(&o);
	o.config.queue_size = 4;
	o.config.event_count = 2;
	o.config.probe_size_max = 64;
	siege = sim_env_zalloc(sizeof *siege);
	siege->random.state = 3;
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		siege->regions[i] = sim_env_zalloc(REGIONS * sizeof *siege->regions[i]);
	f = driver_up(&o);
	siege->f = f;
	f->patience = 2;
	f->script.stalled = true;
	f->on_wait = all_noise;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		if (round % 4 == 0)
			all_noise(f);
		f->waits = 0;
		attack_once(f);
		assert_true(f->waits < 20);
		if (f->drv.state == VIOMMU_DRIVER_FAILED)
			restart(f);
	}
	check_records();
	peace(f);
	driver_teardown(f);
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		sim_env_free(siege->regions[i]);
	sim_env_free(siege);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver__device_rewrites_shared_memory_at_will__survives_and_recovers),
		cmocka_unit_test(test_driver__shared_memory_is_noise__every_call_ends),
	};

	return suite_run(tests);
}
