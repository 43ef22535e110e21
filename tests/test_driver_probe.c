/* SPDX-License-Identifier: BSD-3-Clause */
/* test_driver_probe.c: PROBE: the request, the property list of honest and hostile devices, and its failures. */
#include "driver_fixture.h"
#include "suite.h"

#include "sim/env/env.h"
#include "sim/random.h"

#define CAPACITY 4u

struct list {
	uint8_t bytes[512];
	size_t len;
};

static void add_property(struct list *l, uint16_t type, uint16_t length, const uint8_t *value, size_t value_len)
{
	l->bytes[l->len++] = (uint8_t)type;
	l->bytes[l->len++] = (uint8_t)(type >> 8);
	l->bytes[l->len++] = (uint8_t)length;
	l->bytes[l->len++] = (uint8_t)(length >> 8);
	if (value_len > 0) {
		memcpy(l->bytes + l->len, value, value_len);
		l->len += value_len;
	}
}

static void add_region(struct list *l, uint16_t type, uint8_t subtype, uint64_t first, uint64_t last)
{
	uint8_t value[20] = { subtype, 0xaa, 0xbb, 0xcc }; /* IOMMU-DRV-RESV-02: reserved bytes mean nothing */

	for (unsigned i = 0; i < 8; i++) {
		value[4 + i] = (uint8_t)(first >> 8 * i);
		value[12 + i] = (uint8_t)(last >> 8 * i);
	}
	add_property(l, type, sizeof value, value, sizeof value);
}

struct probed {
	struct driver_fixture *f;
	struct viommu_driver_endpoint e;
	struct viommu_resv_region *regions; /* exactly CAPACITY of them, watched by the address sanitizer */
};

static void set_up(struct probed *p, uint32_t probe_size)
{
	struct driver_options o;

	driver_options_init(&o);
	o.space.probe_size = probe_size;
	p->f = driver_up(&o);
	p->regions = sim_env_alloc(CAPACITY * sizeof *p->regions);
	memset(p->regions, 0xee, CAPACITY * sizeof *p->regions);
}

static void tear_down(struct probed *p)
{
	driver_teardown(p->f); /* looks at attached endpoints, and so at their regions */
	sim_env_free(p->regions);
}

static enum viommu_result probe(struct probed *p, const struct list *l, uint32_t capacity)
{
	p->f->script.properties = l->bytes;
	p->f->script.properties_len = l->len;
	return viommu_driver_endpoint_init(&p->e, &p->f->drv, 8, p->regions, capacity);
}

static uint32_t region_count(const struct probed *p)
{
	uint32_t count;

	assert_ptr_equal(viommu_driver_endpoint_regions(&p->e, &count), p->regions);
	return count;
}

static void assert_region(const struct probed *p, uint32_t i, uint8_t subtype, uint64_t first, uint64_t last)
{
	assert_true(i < region_count(p));
	assert_int_equal(p->regions[i].subtype, subtype);
	assert_true(p->regions[i].range.first == first && p->regions[i].range.last == last);
}

/* IOMMU-DRV-PROBE-01, -02, IOMMU-DRV-INIT-02 */
static void test_driver_probe__sample_request__is_these_bytes(void **state)
{
	static const uint8_t bytes[72] = { 5, 0, 0, 0, 8 };
	struct list l = { .len = 0 };
	struct probed p;

	(void)state;
	set_up(&p, 61); /* not a multiple of anything: the tail is misaligned */
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
	assert_int_equal(p.f->script.count, 1);
	assert_int_equal(script_last(p.f)->len, sizeof bytes);
	assert_memory_equal(script_last(p.f)->bytes, bytes, sizeof bytes);
	assert_int_equal(script_last(p.f)->writable, 65);
	assert_int_equal(region_count(&p), 0);
	tear_down(&p);
}

/* GEN-DRV-FEAT-06 */
static void test_driver_probe__not_negotiated__sends_nothing(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;
	struct viommu_driver_endpoint e;
	uint32_t count = 7;

	(void)state;
	driver_options_init(&o);
	o.offered &= ~VIOMMU_F_PROBE;
	o.space.probe_size = 0xffffffff;
	f = driver_up(&o);
	assert_int_equal(viommu_driver_endpoint_init(&e, &f->drv, 8, NULL, 0), VIOMMU_OK);
	assert_int_equal(f->script.count, 0);
	(void)viommu_driver_endpoint_regions(&e, &count);
	assert_int_equal(count, 0);
	driver_teardown(f);
}

static void test_driver_probe__sizes__all_work(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 3, 4, 23, 24, 25, 511, 512 };

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct list l = { .len = 0 };
		struct probed p;

		set_up(&p, sizes[i]);
		add_region(&l, 1, 1, 0xfee00000, 0xfeefffff);
		if (l.len > sizes[i])
			l.len = 0;
		assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
		assert_int_equal(region_count(&p), sizes[i] >= 24 ? 1 : 0);
		tear_down(&p);
	}
}

static void test_driver_probe__regions__are_read(void **state)
{
	struct list l = { .len = 0 };
	struct probed p;

	(void)state;
	set_up(&p, 128);
	add_region(&l, 1, 0, 0, 0xfff);
	add_region(&l, 1, 1, 0xfee00000, 0xfeefffff);
	add_region(&l, 1, 7, 0x100000, 0x1fffff); /* IOMMU-DRV-RESV-03 */
	add_region(&l, 1, 255, UINT64_MAX, UINT64_MAX);
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
	assert_int_equal(region_count(&p), 4);
	assert_region(&p, 0, VIOMMU_RESV_MEM_RESERVED, 0, 0xfff);
	assert_region(&p, 1, VIOMMU_RESV_MEM_MSI, 0xfee00000, 0xfeefffff);
	assert_region(&p, 2, VIOMMU_RESV_MEM_RESERVED, 0x100000, 0x1fffff);
	assert_region(&p, 3, VIOMMU_RESV_MEM_RESERVED, UINT64_MAX, UINT64_MAX);
	tear_down(&p);
}

/* IOMMU-DRV-PROBE-03 to -06 */
static void test_driver_probe__properties_that_are_not_ours__are_skipped(void **state)
{
	static const uint8_t nothing[40] = { 0 };
	struct list l = { .len = 0 };
	struct probed p;

	(void)state;
	set_up(&p, 256);
	add_property(&l, 2, 0, NULL, 0);
	add_property(&l, 0xfff, 5, nothing, 5);
	for (uint16_t bit = 0x1000; bit != 0; bit = (uint16_t)(bit << 1))
		add_region(&l, 1 | bit, 0, 0x5000, 0x5fff);
	add_region(&l, 1, 0, 0x6000, 0x6fff);
	add_property(&l, 3, 40, nothing, 40);
	add_region(&l, 1, 0, 0x7000, 0x7fff);
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
	assert_int_equal(region_count(&p), 2);
	assert_region(&p, 0, VIOMMU_RESV_MEM_RESERVED, 0x6000, 0x6fff);
	assert_region(&p, 1, VIOMMU_RESV_MEM_RESERVED, 0x7000, 0x7fff);
	tear_down(&p);
}

/* A later revision may lengthen a property: the stride comes from the length (IOMMU-DRV-PROBE-04). */
static void test_driver_probe__longer_region__is_read_by_its_known_part(void **state)
{
	uint8_t value[30] = { 1, 0, 0, 0, 0x00, 0x50, 0, 0, 0, 0, 0, 0, 0xff, 0x5f };
	struct list l = { .len = 0 };
	struct probed p;

	(void)state;
	set_up(&p, 128);
	add_property(&l, 1, sizeof value, value, sizeof value);
	add_region(&l, 1, 0, 0x7000, 0x7fff);
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
	assert_int_equal(region_count(&p), 2);
	assert_region(&p, 0, VIOMMU_RESV_MEM_MSI, 0x5000, 0x5fff);
	assert_region(&p, 1, VIOMMU_RESV_MEM_RESERVED, 0x7000, 0x7fff);
	tear_down(&p);
}

/* INF-12: the terminator ends the list whatever its length, and with reserved bits too. */
static void test_driver_probe__terminator__ends_the_list(void **state)
{
	static const struct {
		uint16_t type, length;
	} table[] = { { 0, 0 }, { 0, 4 }, { 0, 0xffff }, { 0x1000, 0 }, { 0xf000, 24 } };

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct list l = { .len = 0 };
		struct probed p;

		set_up(&p, 128);
		add_region(&l, 1, 0, 0x6000, 0x6fff);
		add_property(&l, table[i].type, table[i].length, NULL, 0);
		add_region(&l, 1, 0, 0x7000, 0x7fff);
		assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
		assert_int_equal(region_count(&p), 1);
		tear_down(&p);
	}
}

/* A list that is cut off or upside down, in each position, is an error: a region may hide in it. */
static void test_driver_probe__lists_that_make_no_sense__are_an_error(void **state)
{
	(void)state;
	for (int what = 0; what < 4; what++) {
		for (uint32_t position = 0; position < 3; position++) {
			struct list l = { .len = 0 };
			struct probed p;

			for (uint32_t i = 0; i < 3; i++) {
				if (i != position)
					add_region(&l, 1, 0, 0x6000, 0x6fff);
				else if (what == 0)
					add_region(&l, 1, 0, 0x6fff, 0x6000); /* end below start */
				else if (what == 1)
					add_property(&l, 1, 0xffff, NULL, 0);
				else if (what == 2)
					add_property(&l, 0x123, 300, NULL, 0);
				else
					add_property(&l, 1, (uint16_t)(128 - l.len - 4 + 1), NULL, 0);
			}
			set_up(&p, 128);
			assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_E_PEER);
			/* The driver goes on. */
			l.len = 0;
			assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
			tear_down(&p);
		}
	}
}

/* A RESV_MEM that is too short to be one: skipped or an error, but never half read. */
static void test_driver_probe__short_region__is_not_half_read(void **state)
{
	static const uint8_t value[20] = { 1, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0xff, 0x5f };

	(void)state;
	for (uint16_t length = 0; length < 20; length++) {
		struct list l = { .len = 0 };
		struct probed p;
		enum viommu_result result;

		add_property(&l, 1, length, value, length);
		set_up(&p, 128);
		result = probe(&p, &l, CAPACITY);
		assert_true(result == VIOMMU_OK || result == VIOMMU_E_PEER);
		assert_int_equal(region_count(&p), 0);
		/* At the very end of the area too. */
		tear_down(&p);
		set_up(&p, (uint32_t)l.len);
		result = probe(&p, &l, CAPACITY);
		assert_true(result == VIOMMU_OK || result == VIOMMU_E_PEER);
		assert_int_equal(region_count(&p), 0);
		tear_down(&p);
	}
}

static void test_driver_probe__more_regions_than_capacity__is_nomem(void **state)
{
	(void)state;
	for (uint32_t capacity = 0; capacity <= CAPACITY; capacity++) {
		struct list l = { .len = 0 };
		struct probed p;

		for (uint64_t i = 0; i < capacity; i++)
			add_region(&l, 1, 0, i * 0x1000, i * 0x1000 + 0xfff);
		set_up(&p, 256);
		assert_int_equal(probe(&p, &l, capacity), VIOMMU_OK);
		assert_int_equal(region_count(&p), capacity);
		add_region(&l, 1, 0, 0x100000, 0x100fff);
		assert_int_equal(probe(&p, &l, capacity), VIOMMU_E_NOMEM);
		tear_down(&p);
	}
}

static struct verdict chosen;

static struct verdict choose(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)r;
	(void)number;
	return chosen;
}

/* IOMMU-DRV-INIT-02: and there is no ATTACH without a PROBE that went well. */
static void test_driver_probe__bad_statuses__are_rejected(void **state)
{
	struct viommu_driver_domain d;

	(void)state;
	for (int status = 1; status < 256; status++) {
		bool written = status < 0xff; /* which stands there before */
		struct list l = { .len = 0 };
		struct probed p;

		set_up(&p, 64);
		add_region(&l, 1, 0, 0x6000, 0x6fff);
		p.f->script.decide = choose;
		chosen = VERDICT_STATUS(status);
		assert_int_equal(probe(&p, &l, CAPACITY), written ? VIOMMU_E_REJECTED : VIOMMU_E_PEER);
		chosen = VERDICT_HONEST;
		assert_int_equal(viommu_driver_domain_init(&d, &p.f->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
		assert_int_equal(viommu_driver_attach(&d, &p.e, NULL), VIOMMU_E_STATE);
		assert_int_equal(script_count(p.f, VIOMMU_T_ATTACH), 0);
		assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
		assert_int_equal(region_count(&p), 1);
		assert_int_equal(viommu_driver_attach(&d, &p.e, NULL), VIOMMU_OK);
		tear_down(&p);
	}
}

/* What it must keep off is not known: nobody can attach it, and there is nothing to detach. */
static void test_driver_probe__failed__endpoint_is_nobodys(void **state)
{
	struct viommu_driver_domain d;
	struct list l = { .len = 0 };
	struct probed p;

	(void)state;
	set_up(&p, 64);
	assert_int_equal(viommu_driver_domain_init(&d, &p.f->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
	add_region(&l, 1, 0, 0x6fff, 0x6000);
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_E_PEER);
	p.f->script.count = 0;
	assert_int_equal(viommu_driver_attach(&d, &p.e, NULL), VIOMMU_E_STATE);
	assert_int_equal(viommu_driver_detach(&p.e, NULL), VIOMMU_E_STATE);
	assert_int_equal(p.f->script.count, 0);
	tear_down(&p);
}

static void test_driver_probe__broken_driver__is_broken(void **state)
{
	struct list l = { .len = 0 };
	struct probed p;

	(void)state;
	set_up(&p, 64);
	script_lie(p.f, VIOMMU_QUEUE_REQUEST, 0, 4, 1); /* nothing is in flight */
	(void)viommu_driver_process(&p.f->drv, 1);
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_E_BROKEN);
	assert_int_equal(p.f->script.count, 0);
	assert_int_equal(viommu_driver_stop(&p.f->drv), VIOMMU_OK);
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_E_STATE);
	tear_down(&p);
}

/* IOMMU-DRV-OPS-03: the status is behind the properties, so every length short of it hides it. */
static void test_driver_probe__used_length_without_status__is_a_failure(void **state)
{
	(void)state;
	for (uint32_t used = 0; used <= 70; used++) {
		struct list l = { .len = 0 };
		struct probed p;

		set_up(&p, 64);
		add_region(&l, 1, 0, 0x6000, 0x6fff);
		p.f->script.decide = choose;
		chosen = VERDICT_USED(used);
		assert_int_equal(probe(&p, &l, CAPACITY), used < 68 ? VIOMMU_E_PEER : VIOMMU_OK);
		tear_down(&p);
	}
}

static void test_driver_probe__silent_device__times_out_then_is_busy_until_the_late_answer(void **state)
{
	struct list l = { .len = 0 };
	struct probed p;

	(void)state;
	set_up(&p, 64);
	p.f->script.stalled = true;
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_E_TIMEOUT);
	/* The device still has the memory. */
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_E_BUSY);
	p.f->script.stalled = false;
	device_run(p.f);
	(void)viommu_driver_process(&p.f->drv, 1);
	assert_int_equal(viommu_driver_get_stats(&p.f->drv)->late, 1);
	add_region(&l, 1, 0, 0x6000, 0x6fff);
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
	assert_int_equal(region_count(&p), 1);
	tear_down(&p);
}

/* Two threads */

/*
 * Another thread probes while the first one waits, as it might: from the wait hook, where no lock is held. The answer
 * to the first PROBE is taken by the second thread, which then finds that all slots are in flight and gives up waiting.
 */
static struct viommu_driver_domain crowd;
static struct viommu_driver_endpoint second;
static enum viommu_result second_result;
static bool inside;

static void probe_from_another_thread(struct driver_fixture *f)
{
	struct viommu_driver_limits l;

	if (inside)
		return;
	inside = true;
	f->on_wait = NULL;
	viommu_driver_get_limits(&f->drv, &l);
	f->kicked = false;
	device_run(f);
	(void)viommu_driver_process(&f->drv, 1);
	f->script.stalled = true;
	for (uint64_t i = 0; i < l.slots - 1; i++)
		assert_int_equal(viommu_driver_map(&crowd, i * PAGE, i * PAGE + PAGE - 1, 0, RW), VIOMMU_OK);
	second_result = viommu_driver_endpoint_init(&second, &f->drv, 10, NULL, 0);
	f->script.stalled = false;
	inside = false;
}

static void test_driver_probe__second_thread_gives_up__first_one_keeps_its_reply(void **state)
{
	struct list l = { .len = 0 };
	struct viommu_driver_endpoint member;
	struct probed p;

	(void)state;
	inside = false;
	set_up(&p, 64);
	domain_up(p.f, &crowd, &member, 9);
	add_region(&l, 1, 0, 0x6000, 0x6fff);
	p.f->on_wait = probe_from_another_thread;
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
	assert_true(second_result == VIOMMU_E_TIMEOUT || second_result == VIOMMU_E_BUSY);
	assert_int_equal(region_count(&p), 1);
	assert_int_equal(viommu_driver_sync(&crowd, NULL), VIOMMU_OK);
	assert_record_is_model(p.f, &crowd);
	tear_down(&p);
}

static void probe_second(struct driver_fixture *f)
{
	f->on_wait = NULL;
	second_result = viommu_driver_endpoint_init(&second, &f->drv, 10, NULL, 0);
}

/* The private copy of the reply is nobody else's memory. */
static void test_driver_probe__longest_reply__touches_no_record(void **state)
{
	static const uint8_t noise[508];
	struct list l = { .len = 0 };
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint member;
	struct probed p;

	(void)state;
	set_up(&p, 512);
	domain_up(p.f, &d, &member, 9);
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(viommu_driver_map(&d, i * 64 * PAGE, i * 64 * PAGE + PAGE - 1, i * PAGE, RW),
				 VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	add_property(&l, 0x7ff, sizeof noise, noise, sizeof noise);
	memset(l.bytes + 4, 0x5a, sizeof noise);
	assert_int_equal(l.len, 512);
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
	assert_true(viommu_map_check(&d.map));
	assert_record_is_model(p.f, &d);
	for (uint64_t i = 64; i < 128; i++)
		assert_int_equal(viommu_driver_map(&d, i * 64 * PAGE, i * 64 * PAGE + PAGE - 1, i * PAGE, RW),
				 VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
	assert_record_is_model(p.f, &d);
	tear_down(&p);
}

static void test_driver_probe__another_in_flight__is_busy(void **state)
{
	struct list l = { .len = 0 };
	struct probed p;

	(void)state;
	set_up(&p, 64);
	add_region(&l, 1, 0, 0x6000, 0x6fff);
	p.f->on_wait = probe_second;
	assert_int_equal(probe(&p, &l, CAPACITY), VIOMMU_OK);
	assert_int_equal(second_result, VIOMMU_E_BUSY);
	assert_int_equal(region_count(&p), 1);
	assert_int_equal(p.f->script.count, 1);
	tear_down(&p);
}

/* Hostile */

/* What came out is believable, whatever went in. */
static void test_driver_probe__random_lists__never_yield_nonsense(void **state)
{
	struct sim_random random = { 7 };
	struct list l = { .len = 0 };
	struct probed p;
	uint32_t accepted = 0, refused = 0;

	(void)state;
	set_up(&p, 96);
	for (int round = 0; round < 100000; round++) {
		enum viommu_result result;

		l.len = (size_t)sim_random_below(&random, 97);
		for (size_t i = 0; i < l.len; i++)
			l.bytes[i] = (uint8_t)(sim_random_below(&random, 2) != 0 ? sim_random_below(&random, 4)
										 : sim_random_next(&random));
		/* Often something that looks like a list. */
		for (size_t at = 0; at + 24 <= l.len && sim_random_below(&random, 4) != 0; at += 24) {
			struct list one = { .len = 0 };
			uint64_t r = sim_random_next(&random);
			uint64_t a = sim_random_next(&random) >> (r & 63);
			uint64_t b = sim_random_next(&random) >> (r >> 6 & 63);

			add_region(&one, (r >> 12 & 7) != 0 ? 1 : (uint16_t)(r >> 16), (uint8_t)(r >> 32), a, b);
			memcpy(l.bytes + at, one.bytes, 24);
		}
		result = probe(&p, &l, CAPACITY);
		assert_true(result == VIOMMU_OK || result == VIOMMU_E_PEER || result == VIOMMU_E_NOMEM);
		assert_true(region_count(&p) <= CAPACITY);
		for (uint32_t i = 0; i < region_count(&p); i++) {
			assert_true(p.regions[i].range.first <= p.regions[i].range.last);
			assert_true(p.regions[i].subtype <= VIOMMU_RESV_MEM_MSI);
		}
		accepted += result == VIOMMU_OK && region_count(&p) > 0;
		refused += result != VIOMMU_OK;
	}
	assert_true(accepted > 1000 && refused > 1000);
	tear_down(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_probe__sample_request__is_these_bytes),
		cmocka_unit_test(test_driver_probe__not_negotiated__sends_nothing),
		cmocka_unit_test(test_driver_probe__sizes__all_work),
		cmocka_unit_test(test_driver_probe__regions__are_read),
		cmocka_unit_test(test_driver_probe__properties_that_are_not_ours__are_skipped),
		cmocka_unit_test(test_driver_probe__longer_region__is_read_by_its_known_part),
		cmocka_unit_test(test_driver_probe__terminator__ends_the_list),
		cmocka_unit_test(test_driver_probe__lists_that_make_no_sense__are_an_error),
		cmocka_unit_test(test_driver_probe__short_region__is_not_half_read),
		cmocka_unit_test(test_driver_probe__more_regions_than_capacity__is_nomem),
		cmocka_unit_test(test_driver_probe__bad_statuses__are_rejected),
		cmocka_unit_test(test_driver_probe__failed__endpoint_is_nobodys),
		cmocka_unit_test(test_driver_probe__broken_driver__is_broken),
		cmocka_unit_test(test_driver_probe__used_length_without_status__is_a_failure),
		cmocka_unit_test(test_driver_probe__silent_device__times_out_then_is_busy_until_the_late_answer),
		cmocka_unit_test(test_driver_probe__second_thread_gives_up__first_one_keeps_its_reply),
		cmocka_unit_test(test_driver_probe__longest_reply__touches_no_record),
		cmocka_unit_test(test_driver_probe__another_in_flight__is_busy),
		cmocka_unit_test(test_driver_probe__random_lists__never_yield_nonsense),
	};

	return suite_run(tests);
}
