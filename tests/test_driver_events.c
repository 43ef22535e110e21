/* SPDX-License-Identifier: BSD-3-Clause */
/* test_driver_events.c: fault reports: delivered, dropped, and the buffers that carry them. */
#include "driver_fixture.h"
#include "suite.h"

#define BUFFERS 16u

static const struct viommu_wire_fault sample = { VIOMMU_FAULT_R_MAPPING, VIOMMU_FAULT_F_WRITE | VIOMMU_FAULT_F_ADDRESS,
						 0x81828384, UINT64_C(0x9192939495969798) };

static const uint8_t sample_bytes[24] = { 2, 0, 0, 0, 2,    1,    0,    0,    0x84, 0x83, 0x82, 0x81,
					  0, 0, 0, 0, 0x98, 0x97, 0x96, 0x95, 0x94, 0x93, 0x92, 0x91 };

static void test_driver_process__report__reaches_the_hook(void **state)
{
	struct driver_fixture *f = driver_up(NULL);

	(void)state;
	assert_false(viommu_driver_process(&f->drv, 8));
	assert_int_equal(f->fault_count, 0);
	assert_true(script_event(f, sample_bytes, sizeof sample_bytes, sizeof sample_bytes));
	assert_false(viommu_driver_process(&f->drv, 8));
	assert_int_equal(f->fault_count, 1);
	assert_int_equal(f->faults[0].reason, sample.reason);
	assert_int_equal(f->faults[0].flags, sample.flags);
	assert_int_equal(f->faults[0].endpoint, sample.endpoint);
	assert_true(f->faults[0].address == sample.address);
	assert_int_equal(viommu_driver_get_stats(&f->drv)->faults, 1);
	assert_int_equal(viommu_driver_get_stats(&f->drv)->faults_bad, 0);
	driver_teardown(f);
}

/* IOMMU-DRV-FAULT-01 to -04, IOMMU-DEV-FAULT-04 */
static void test_driver_process__each_byte_of_a_report__counts_as_the_specification_says(void **state)
{
	struct driver_fixture *f = driver_up(NULL);

	(void)state;
	for (unsigned byte = 0; byte < sizeof sample_bytes; byte++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			uint8_t bytes[24];
			uint32_t delivered = f->fault_count, bad = viommu_driver_get_stats(&f->drv)->faults_bad;
			uint32_t unknown = ~(VIOMMU_FAULT_F_READ | VIOMMU_FAULT_F_WRITE | VIOMMU_FAULT_F_ADDRESS);

			memcpy(bytes, sample_bytes, sizeof bytes);
			bytes[byte] ^= (uint8_t)(1u << bit);
			f->fault_count = 0;
			assert_true(script_event(f, bytes, sizeof bytes, sizeof bytes));
			assert_false(viommu_driver_process(&f->drv, 8));
			if (byte >= 1 && byte <= 3) {
				assert_int_equal(f->fault_count, 0);
				assert_int_equal(viommu_driver_get_stats(&f->drv)->faults_bad, bad + 1);
				f->fault_count = delivered;
				continue;
			}
			assert_int_equal(f->fault_count, 1);
			assert_int_equal(viommu_driver_get_stats(&f->drv)->faults_bad, bad);
			assert_int_equal(f->faults[0].flags & unknown, 0);
			assert_true(f->faults[0].reason <= VIOMMU_FAULT_R_MAPPING);
			if (byte == 0)
				assert_int_equal(f->faults[0].reason,
						 bytes[0] <= 2 ? bytes[0] : VIOMMU_FAULT_R_UNKNOWN);
			if (byte >= 12 && byte <= 15)
				assert_true(f->faults[0].endpoint == sample.endpoint &&
					    f->faults[0].address == sample.address);
		}
	}
	driver_teardown(f);
}

/* VQ-DRV-USED-01 */
static void test_driver_process__report_cut_short__is_dropped_and_counted(void **state)
{
	struct driver_fixture *f = driver_up(NULL);

	(void)state;
	for (uint32_t used = 0; used < 24; used++) {
		/* The bytes are all there, left by the report before: the length says that they are not this one's. */
		assert_true(script_event(f, sample_bytes, sizeof sample_bytes, used));
		assert_false(viommu_driver_process(&f->drv, 8));
		assert_int_equal(f->fault_count, 0);
		assert_int_equal(viommu_driver_get_stats(&f->drv)->faults_bad, used + 1);
	}
	/* Too much is cut. */
	assert_true(script_event(f, sample_bytes, sizeof sample_bytes, 25));
	assert_true(script_event(f, sample_bytes, sizeof sample_bytes, UINT32_MAX));
	assert_false(viommu_driver_process(&f->drv, 8));
	assert_int_equal(f->fault_count, 2);
	driver_teardown(f);
}

/* INF-14 */
static void test_driver_process__more_reports_than_buffers__buffers_are_given_back(void **state)
{
	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		struct driver_options o;
		struct driver_fixture *f;

		driver_options_init(&o);
		if (event_idx == 0)
			o.offered &= ~VIOMMU_F_EVENT_IDX;
		f = driver_up(&o);
		for (uint32_t round = 0; round < 100; round++) {
			struct viommu_wire_fault fault = sample;
			uint32_t n = 0;

			f->fault_count = 0;
			fault.address = round;
			while (script_fault(f, &fault))
				fault.endpoint = ++n;
			assert_int_equal(n, BUFFERS);
			assert_false(viommu_driver_process(&f->drv, BUFFERS + 1));
			assert_int_equal(f->fault_count, BUFFERS);
			for (uint32_t i = 1; i < BUFFERS; i++)
				assert_true(f->faults[i].endpoint == i && f->faults[i].address == round);
		}
		assert_int_equal(viommu_driver_get_stats(&f->drv)->faults, 100 * BUFFERS);
		driver_teardown(f);
	}
}

/* IN_ORDER lets a device return a buffer that it has never looked at: what was in it has been reported already. */
static void test_driver_process__in_order_buffer_skipped__is_not_reported_again(void **state)
{
	struct viommu_segment segments[8];
	struct viommu_chain chain = { .segments = segments, .capacity = 8 };
	struct viommu_virtq_device *q;
	struct driver_options o;
	struct driver_fixture *f;

	(void)state;
	driver_options_init(&o);
	o.offered |= VIOMMU_F_IN_ORDER;
	f = driver_up(&o);
	for (uint32_t i = 0; i < BUFFERS; i++)
		assert_true(script_fault(f, &sample));
	assert_false(viommu_driver_process(&f->drv, BUFFERS + 1));
	assert_int_equal(f->fault_count, BUFFERS);

	/* The second buffer's report, in an entry that stands for both; the other entry is one that nobody reads. */
	q = &f->script.queues[VIOMMU_QUEUE_EVENT];
	for (int i = 0; i < 2; i++)
		assert_int_equal(viommu_virtq_device_pop(q, &chain), VIOMMU_OK);
	viommu_port_copy_out(segments[0].base, sample_bytes, sizeof sample_bytes);
	for (int i = 0; i < 2; i++)
		assert_int_equal(viommu_virtq_device_push(q, chain.head, sizeof sample_bytes), VIOMMU_OK);
	(void)viommu_virtq_device_publish(q);
	assert_false(viommu_driver_process(&f->drv, 8));
	assert_int_equal(f->fault_count, BUFFERS + 1);
	assert_int_equal(viommu_driver_get_stats(&f->drv)->faults_bad, 1);
	driver_teardown(f);
}

static void test_driver_process__malformed_reports__cost_no_buffers(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	uint8_t bytes[24] = { 0, 1 };

	(void)state;
	for (uint32_t i = 0; i < 10 * BUFFERS; i++) {
		assert_true(script_event(f, bytes, sizeof bytes, i % 25));
		assert_false(viommu_driver_process(&f->drv, 8));
	}
	assert_int_equal(viommu_driver_get_stats(&f->drv)->faults_bad, 10 * BUFFERS);
	for (uint32_t i = 0; i < BUFFERS; i++)
		assert_true(script_fault(f, &sample));
	assert_false(script_fault(f, &sample));
	driver_teardown(f);
}

static void test_driver_process__budget__is_kept_and_more_is_said(void **state)
{
	struct driver_fixture *f = driver_up(NULL);

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		assert_true(script_fault(f, &sample));
	assert_true(viommu_driver_process(&f->drv, 3));
	assert_int_equal(f->fault_count, 3);
	assert_true(viommu_driver_process(&f->drv, 3));
	assert_int_equal(f->fault_count, 6);
	assert_false(viommu_driver_process(&f->drv, 5));
	assert_int_equal(f->fault_count, 10);
	driver_teardown(f);
}

/* A device without EVENT_IDX that does not say "no kicks" is told of the buffers it got back. */
static void test_driver_process__malformed_reports__count_against_the_budget(void **state)
{
	struct driver_fixture *f = driver_up(NULL);

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		assert_true(script_event(f, sample_bytes, sizeof sample_bytes, 7));
	assert_true(viommu_driver_process(&f->drv, 3));
	assert_int_equal(viommu_driver_get_stats(&f->drv)->faults_bad, 3);
	driver_teardown(f);
}

static void test_driver_process__buffers_given_back__device_is_kicked(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;

	(void)state;
	driver_options_init(&o);
	o.offered &= ~VIOMMU_F_EVENT_IDX;
	f = driver_up(&o);
	f->kicks[VIOMMU_QUEUE_EVENT] = 0;
	assert_true(script_fault(f, &sample));
	assert_true(script_fault(f, &sample));
	assert_false(viommu_driver_process(&f->drv, 8));
	assert_int_equal(f->kicks[VIOMMU_QUEUE_EVENT], 1);
	/* Nothing came, nothing is given. */
	assert_false(viommu_driver_process(&f->drv, 8));
	assert_int_equal(f->kicks[VIOMMU_QUEUE_EVENT], 1);
	driver_teardown(f);
}

static struct viommu_driver_domain *mapped;

static void map_the_page(struct driver_fixture *f, const struct viommu_wire_fault *fault)
{
	uint64_t first = fault->address & ~(PAGE - 1);

	(void)viommu_driver_process(&f->drv, 4);
	assert_int_equal(viommu_driver_map(mapped, first, first + PAGE - 1, 0, RW), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(mapped, NULL), VIOMMU_OK);
}

static void test_driver_process__fault_hook__may_call_the_driver(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	domain_up(f, &d, &e, 8);
	mapped = &d;
	f->on_fault = map_the_page;
	for (uint64_t i = 0; i < 5; i++) {
		struct viommu_wire_fault fault = sample;

		fault.address = i * PAGE + 0x123;
		assert_true(script_fault(f, &fault));
	}
	assert_false(viommu_driver_process(&f->drv, 8));
	assert_int_equal(f->fault_count, 5);
	assert_int_equal(record_count(&d), 5);
	assert_record_is_model(f, &d);
	driver_teardown(f);
}

static void stop_it(struct driver_fixture *f, const struct viommu_wire_fault *fault)
{
	(void)fault;
	assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
}

static void test_driver_process__fault_hook_stops_the_driver__ends(void **state)
{
	struct driver_fixture *f = driver_up(NULL);

	(void)state;
	f->on_fault = stop_it;
	for (uint32_t i = 0; i < 5; i++)
		assert_true(script_fault(f, &sample));
	(void)viommu_driver_process(&f->drv, 8);
	assert_int_equal(f->fault_count, 1);
	driver_teardown(f);
}

static void count_one(void *ctx, const struct viommu_wire_fault *fault)
{
	uint64_t *addresses = ctx;

	*addresses += fault->address;
}

static void report(struct driver_fixture *f, uint32_t endpoint, uint64_t address)
{
	struct viommu_wire_fault fault = sample;

	fault.endpoint = endpoint;
	fault.address = address;
	assert_true(script_fault(f, &fault));
	assert_false(viommu_driver_process(&f->drv, 8));
}

/* Owners get what is about their endpoints as long as these are attached; the driver's hook gets the rest. */
static void test_driver_process__endpoints_with_owners__each_is_told_of_its_own(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_driver_domain a, b;
	struct viommu_driver_endpoint ea, eb, beside;
	uint64_t of_a = 0, of_b = 0;

	(void)state;
	domain_up(f, &a, &ea, 8);
	domain_up(f, &b, &eb, 9);
	endpoint_up(f, &beside, 10);
	assert_int_equal(viommu_driver_attach(&b, &beside, NULL), VIOMMU_OK);
	viommu_driver_endpoint_set_fault(&ea, count_one, &of_a);
	viommu_driver_endpoint_set_fault(&eb, count_one, &of_b);
	report(f, 8, 0x1);
	report(f, 9, 0x10);
	assert_int_equal(f->fault_count, 0);
	report(f, 10, 0x100); /* without an owner */
	report(f, 11, 0x1000);
	assert_int_equal(f->fault_count, 2);
	report(f, 8, 0x2);
	assert_int_equal(of_a, 0x3);
	assert_int_equal(of_b, 0x10);
	viommu_driver_endpoint_set_fault(&ea, NULL, NULL);
	report(f, 8, 0x4);
	assert_int_equal(f->fault_count, 3);
	assert_int_equal(viommu_driver_detach(&eb, NULL), VIOMMU_OK);
	report(f, 9, 0x20);
	assert_int_equal(f->fault_count, 4);
	assert_int_equal(of_a, 0x3);
	assert_int_equal(of_b, 0x10);
	assert_int_equal(viommu_driver_get_stats(&f->drv)->faults, 7);
	driver_teardown(f);
}

/* A report that is none is about nobody, whatever was reported before. */
static void test_driver_process__malformed_report_after_a_good_one__nobody_is_told(void **state)
{
	struct driver_fixture *f = driver_up(NULL);
	struct viommu_wire_fault fault = sample;
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;
	uint64_t told = 0;

	(void)state;
	domain_up(f, &d, &e, 8);
	viommu_driver_endpoint_set_fault(&e, count_one, &told);
	fault.endpoint = 8;
	fault.address = 0x1;
	assert_true(script_fault(f, &fault));
	assert_true(script_event(f, sample_bytes, sizeof sample_bytes, 0));
	assert_false(viommu_driver_process(&f->drv, 8));
	assert_int_equal(told, 1);
	assert_int_equal(f->fault_count, 0);
	driver_teardown(f);
}

static void test_driver_process__used_entry_that_names_nothing__fails_the_driver(void **state)
{
	static const struct {
		uint32_t id;
		uint16_t steps;
	} table[] = { { BUFFERS, 1 },     { UINT32_MAX, 1 }, { 0x10000, 1 },
		      { 0, BUFFERS + 1 }, { 0, 0x8000 },     { 0, 0xffff } };

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct driver_fixture *f = driver_up(NULL);
		struct viommu_driver_domain d;
		struct viommu_driver_endpoint e;

		domain_up(f, &d, &e, 8);
		script_lie(f, VIOMMU_QUEUE_EVENT, table[i].id, 24, table[i].steps);
		(void)viommu_driver_process(&f->drv, 64);
		assert_int_equal(viommu_driver_map(&d, 0, PAGE - 1, 0, RW), VIOMMU_E_BROKEN);
		assert_int_equal(viommu_driver_attach(&d, &e, NULL), VIOMMU_E_BROKEN);
		assert_false(viommu_driver_process(&f->drv, 64));
		assert_int_equal(driver_start(f), VIOMMU_E_STATE);
		assert_int_equal(viommu_driver_stop(&f->drv), VIOMMU_OK);
		assert_int_equal(driver_start(f), VIOMMU_OK);
		f->fault_count = 0;
		assert_true(script_fault(f, &sample));
		assert_false(viommu_driver_process(&f->drv, 64));
		assert_int_equal(f->fault_count, 1);
		driver_teardown(f);
	}
}

static void test_driver_process__same_buffer_twice__fails_the_driver(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;

	(void)state;
	driver_options_init(&o);
	f = driver_up(&o);
	script_lie(f, VIOMMU_QUEUE_EVENT, 3, 24, 1);
	script_lie(f, VIOMMU_QUEUE_EVENT, 3, 24, 1);
	(void)viommu_driver_process(&f->drv, 64);
	(void)viommu_driver_process(&f->drv, 64);
	assert_int_equal(f->drv.state, VIOMMU_DRIVER_FAILED);
	driver_teardown(f);
}

static void test_driver_start__event_counts__that_many_buffers(void **state)
{
	static const struct {
		uint32_t wanted, max, expected;
	} table[] = { { 1, 256, 1 }, { 2, 256, 2 }, { 64, 256, 64 }, { 64, 8, 8 }, { 0, 256, 16 }, { 16, 2, 2 } };

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct driver_options o;
		struct driver_fixture *f;

		driver_options_init(&o);
		o.config.event_count = table[i].wanted;
		o.queue_max = table[i].max;
		f = driver_up(&o);
		for (uint32_t round = 0; round < 3; round++) {
			for (uint32_t n = 0; n < table[i].expected; n++)
				assert_true(script_fault(f, &sample));
			assert_false(script_fault(f, &sample));
			assert_false(viommu_driver_process(&f->drv, 1000));
			assert_int_equal(f->fault_count, (round + 1) * table[i].expected);
		}
		driver_teardown(f);
	}
}

static void test_driver_process__real_device__reports_a_refused_access(void **state)
{
	struct driver_options o;
	struct driver_fixture *f;
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;
	uint64_t gpa;

	(void)state;
	driver_options_init(&o);
	o.real = true;
	f = driver_up(&o);
	domain_up(f, &d, &e, REAL_FIRST_ENDPOINT);
	for (uint32_t i = 0; i < 100; i++) {
		assert_false(real_translate(f, 0, i * PAGE + 0x77, VIOMMU_ACCESS_WRITE, &gpa));
		device_run(f);
		f->fault_count = 0;
		assert_false(viommu_driver_process(&f->drv, 8));
		assert_int_equal(f->fault_count, 1);
		assert_int_equal(f->faults[0].endpoint, REAL_FIRST_ENDPOINT);
		assert_int_equal(f->faults[0].reason, VIOMMU_FAULT_R_MAPPING);
		assert_int_equal(f->faults[0].flags, VIOMMU_FAULT_F_WRITE | VIOMMU_FAULT_F_ADDRESS);
		assert_int_equal(f->faults[0].address, i * PAGE + 0x77);
	}
	driver_teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_process__report__reaches_the_hook),
		cmocka_unit_test(test_driver_process__each_byte_of_a_report__counts_as_the_specification_says),
		cmocka_unit_test(test_driver_process__report_cut_short__is_dropped_and_counted),
		cmocka_unit_test(test_driver_process__more_reports_than_buffers__buffers_are_given_back),
		cmocka_unit_test(test_driver_process__in_order_buffer_skipped__is_not_reported_again),
		cmocka_unit_test(test_driver_process__malformed_reports__cost_no_buffers),
		cmocka_unit_test(test_driver_process__budget__is_kept_and_more_is_said),
		cmocka_unit_test(test_driver_process__malformed_reports__count_against_the_budget),
		cmocka_unit_test(test_driver_process__buffers_given_back__device_is_kicked),
		cmocka_unit_test(test_driver_process__fault_hook__may_call_the_driver),
		cmocka_unit_test(test_driver_process__fault_hook_stops_the_driver__ends),
		cmocka_unit_test(test_driver_process__endpoints_with_owners__each_is_told_of_its_own),
		cmocka_unit_test(test_driver_process__malformed_report_after_a_good_one__nobody_is_told),
		cmocka_unit_test(test_driver_process__used_entry_that_names_nothing__fails_the_driver),
		cmocka_unit_test(test_driver_process__same_buffer_twice__fails_the_driver),
		cmocka_unit_test(test_driver_start__event_counts__that_many_buffers),
		cmocka_unit_test(test_driver_process__real_device__reports_a_refused_access),
	};

	return suite_run(tests);
}
