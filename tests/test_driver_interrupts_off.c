/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_driver_interrupts_off.c: the driver called with interrupts disabled, as under a kernel's own locks or in
 * firmware. Nothing in it sleeps, spins or enables them: time passes in the wait hook alone, and if that hook does not
 * wait, no call does.
 */
#include "driver_fixture.h"
#include "suite.h"

/* The machine: what the hooks and registers of the fixture are called through. */
static struct {
	bool masked;
	bool in_wait;
	bool called;        /* by WAITS, and not by what looks at the records */
	bool answers_kicks; /* the device works while it is kicked */
	uint32_t busy;      /* calls since the last wait, or since the call of the driver began */
	uint32_t busiest;
	struct viommu_driver_ops ops;
} cpu;

static void pass(void)
{
	assert_true(cpu.masked);
	assert_false(cpu.in_wait);
	cpu.busy++;
	if (cpu.called && cpu.busy > cpu.busiest)
		cpu.busiest = cpu.busy;
}

static enum viommu_result masked_wait(void *ctx, uint32_t attempt)
{
	enum viommu_result result;

	pass();
	cpu.in_wait = true;
	cpu.masked = false; /* time may pass here, and here only */
	result = cpu.ops.wait(ctx, attempt);
	cpu.masked = true;
	cpu.in_wait = false;
	cpu.busy = 0;
	return result;
}

static void masked_lock(void *ctx)
{
	pass();
	cpu.ops.lock(ctx);
}

static void masked_unlock(void *ctx)
{
	pass();
	cpu.ops.unlock(ctx);
}

static void masked_fault(void *ctx, const struct viommu_wire_fault *fault)
{
	pass();
	cpu.ops.fault(ctx, fault);
}

static void masked_failed(void *ctx, struct viommu_driver_domain *domain, const struct viommu_driver_failure *failure)
{
	pass();
	cpu.ops.failed(ctx, domain, failure);
}

static uint8_t masked_get_status(void *ctx)
{
	pass();
	return fixture_register_ops.get_status(ctx);
}

static void masked_set_status(void *ctx, uint8_t status)
{
	pass();
	fixture_register_ops.set_status(ctx, status);
}

static uint32_t masked_generation(void *ctx)
{
	pass();
	return fixture_register_ops.config_generation(ctx);
}

static void masked_config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	pass();
	fixture_register_ops.config_read(ctx, offset, dst, len);
}

static void masked_notify(void *ctx, uint32_t queue)
{
	pass();
	fixture_register_ops.notify(ctx, queue);
	if (cpu.answers_kicks)
		device_run(ctx);
}

static void masked_notify_data(void *ctx, uint32_t queue, uint32_t data)
{
	pass();
	fixture_register_ops.notify_data(ctx, queue, data);
	if (cpu.answers_kicks)
		device_run(ctx);
}

static struct viommu_register_ops registers;

static struct driver_fixture *up(uint32_t patience)
{
	struct driver_fixture *f = driver_setup(NULL);

	memset(&cpu, 0, sizeof cpu);
	cpu.ops = f->ops;
	cpu.masked = true;
	f->ops.wait = masked_wait;
	f->ops.lock = masked_lock;
	f->ops.unlock = masked_unlock;
	f->ops.fault = masked_fault;
	f->ops.failed = masked_failed;
	f->patience = patience;
	registers = fixture_register_ops;
	registers.get_status = masked_get_status;
	registers.set_status = masked_set_status;
	registers.config_generation = masked_generation;
	registers.config_read = masked_config_read;
	registers.notify = masked_notify;
	registers.notify_data = masked_notify_data;
	assert_int_equal(viommu_driver_start(&f->drv, &registers, f), VIOMMU_OK);
	return f;
}

static enum viommu_result map_page(struct viommu_driver_domain *d, uint64_t page)
{
	return viommu_driver_map(d, page * PAGE, page * PAGE + PAGE - 1, 0, RW);
}

/* How often this call waits. */
#define WAITS(f, call, expected)                                                                                       \
	((f)->waits = 0, cpu.busy = 0, cpu.called = true, assert_int_equal((call), (expected)), cpu.called = false,    \
	 assert_true(cpu.masked), (f)->waits)

/* A device that takes three waits for everything, its reset too. */
static uint32_t slowness;

static void slow_down(struct driver_fixture *f)
{
	f->script.stalled = f->last_attempt % 4 != 3;
	slowness++;
}

static void test_driver__interrupts_are_off__time_passes_in_the_wait_hook_alone(void **state)
{
	static const struct viommu_wire_fault report = { VIOMMU_FAULT_R_MAPPING, VIOMMU_FAULT_F_READ, 8, 0 };
	struct driver_fixture *f = up(FIXTURE_WAITS);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	slowness = 0;
	f->on_wait = slow_down;
	domain_up(f, &d, &e, 8);
	for (uint64_t page = 0; page < 200; page++)
		(void)WAITS(f, map_page(&d, page), VIOMMU_OK);
	assert_true(WAITS(f, viommu_driver_sync(&d, NULL), VIOMMU_OK) >= 4);
	assert_true(script_fault(f, &report));
	assert_int_equal(WAITS(f, viommu_driver_process(&f->drv, 8), false), 0);
	assert_int_equal(f->fault_count, 1);
	f->script.reset_reads = 5;
	assert_true(WAITS(f, viommu_driver_recover(&f->drv), VIOMMU_OK) >= 5);
	f->script.reset_reads = UINT32_MAX;
	assert_int_equal(WAITS(f, viommu_driver_recover(&f->drv), VIOMMU_E_TIMEOUT), FIXTURE_WAITS);
	f->script.reset_reads = 0;
	(void)WAITS(f, viommu_driver_recover(&f->drv), VIOMMU_OK);
	assert_record_is_model(f, &d);
	assert_int_equal(WAITS(f, viommu_driver_unmap(&d, 0, UINT64_MAX), VIOMMU_OK), 0);
	assert_true(WAITS(f, viommu_driver_sync(&d, NULL), VIOMMU_OK) >= 4);
	assert_true(WAITS(f, viommu_driver_detach(&e, NULL), VIOMMU_OK) >= 4);
	assert_true(slowness > 20);
	/* No loop polls for long without it: the most is a start, or a queue that is filled again. */
	assert_in_range(cpu.busiest, 10, 150);
	driver_teardown(f);
}

/* All that an embedder who cannot wait at all has to expect of a device that is silent. */
static void test_driver__wait_hook_that_never_waits__each_call_ends_with_it(void **state)
{
	struct driver_fixture *f = up(FIXTURE_WAITS);
	struct viommu_driver_domain d, another;
	struct viommu_driver_endpoint e, third;
	struct viommu_driver_limits l;
	uint64_t phys;

	(void)state;
	domain_up(f, &d, &e, 8);
	assert_int_equal(map_page(&d, 0), VIOMMU_OK);
	assert_int_equal(viommu_driver_sync(&d, NULL), VIOMMU_OK);
	f->patience = 0;
	f->script.stalled = true;
	viommu_driver_get_limits(&f->drv, &l);
	/* These never wait. */
	assert_int_equal(WAITS(f, viommu_driver_sync(&d, NULL), VIOMMU_OK), 0);
	assert_int_equal(WAITS(f, viommu_driver_look(&f->drv), VIOMMU_OK), 0);
	assert_int_equal(WAITS(f, viommu_driver_process(&f->drv, 8), false), 0);
	assert_int_equal(WAITS(f, viommu_driver_iova_to_phys(&d, 0, &phys), VIOMMU_OK), 0);
	assert_int_equal(WAITS(f, viommu_driver_domain_init(&another, &f->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK),
			 0);
	assert_int_equal(WAITS(f, map_page(&another, 1), VIOMMU_OK), 0);
	assert_int_equal(WAITS(f, viommu_driver_domain_deinit(&another), VIOMMU_OK), 0);
	for (uint64_t page = 1; page < l.slots; page++)
		assert_int_equal(WAITS(f, map_page(&d, page), VIOMMU_OK), 0);
	assert_int_equal(WAITS(f, viommu_driver_unmap(&d, PAGE * 1000, PAGE * 1001 - 1), VIOMMU_OK), 0);
	/* These ask the hook once for each thing that they wait for. */
	assert_int_equal(WAITS(f, map_page(&d, l.slots), VIOMMU_E_TIMEOUT), 1);
	assert_int_equal(WAITS(f, viommu_driver_sync(&d, NULL), VIOMMU_E_TIMEOUT), 0);
	assert_int_equal(WAITS(f, viommu_driver_endpoint_init(&third, &f->drv, 9, NULL, 0), VIOMMU_E_TIMEOUT), 1);
	assert_in_range(WAITS(f, viommu_driver_detach(&e, NULL), VIOMMU_E_TIMEOUT), 1, 2);
	f->script.reset_reads = UINT32_MAX;
	assert_int_equal(WAITS(f, viommu_driver_recover(&f->drv), VIOMMU_E_TIMEOUT), 1);
	assert_int_equal(WAITS(f, viommu_driver_stop(&f->drv), VIOMMU_E_TIMEOUT), 1);
	driver_teardown(f);
}

/* A device that answers while it is kicked, as a hypervisor's may: a life with one call of the hook for each sync. */
static void test_driver__device_answers_in_the_kick__one_wait_for_each_sync(void **state)
{
	struct driver_fixture *f = up(2);
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;

	(void)state;
	cpu.answers_kicks = true;
	assert_int_equal(viommu_driver_domain_init(&d, &f->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
	assert_int_equal(WAITS(f, viommu_driver_endpoint_init(&e, &f->drv, 8, NULL, 0), VIOMMU_OK), 1);
	assert_int_equal(WAITS(f, viommu_driver_attach(&d, &e, NULL), VIOMMU_OK), 1);
	for (uint64_t round = 0; round < 100; round++) {
		assert_int_equal(WAITS(f, map_page(&d, round), VIOMMU_OK), 0);
		assert_int_equal(WAITS(f, viommu_driver_sync(&d, NULL), VIOMMU_OK), 1);
	}
	assert_record_is_model(f, &d);
	assert_int_equal(WAITS(f, viommu_driver_detach(&e, NULL), VIOMMU_OK), 1);
	driver_teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver__interrupts_are_off__time_passes_in_the_wait_hook_alone),
		cmocka_unit_test(test_driver__wait_hook_that_never_waits__each_call_ends_with_it),
		cmocka_unit_test(test_driver__device_answers_in_the_kick__one_wait_for_each_sync),
	};

	return suite_run(tests);
}
