/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_pump_memory.c: guest memory that goes away, moves and comes back while the device works. The ram of the fixture
 * is the rings, one after the other, and behind them the buffers.
 */
#include "env_memory.h"
#include "pump_fixture.h"
#include "suite.h"

#include "sim/copied.h"

#define BUFFERS (VIOMMU_QUEUE_COUNT * RING_LEN)

static struct viommu_memory_region regions[3]; /* kept by the table */

static void change(struct world *w, uint32_t count)
{
	assert_int_equal(viommu_memory_table_set(&ram_table, regions, count), VIOMMU_OK);
	viommu_pump_memory_changed(&w->pump);
	sim_transport_take_interrupts(&w->transport);
}

/* [at, at + len) of the ram is not there any more. */
static void take_away(struct world *w, size_t at, size_t len)
{
	uint32_t count = 0;

	if (at != 0)
		regions[count++] = (struct viommu_memory_region){ RAM_BASE, RAM_BASE + at - 1, ram, 3 };
	if (at + len < RAM_LEN)
		regions[count++] =
			(struct viommu_memory_region){ RAM_BASE + at + len, RAM_BASE + RAM_LEN - 1, ram + at + len, 3 };
	change(w, count);
}

static void give_back(struct world *w)
{
	assert_int_equal(viommu_memory_table_set(&ram_table, &ram_region, 1), VIOMMU_OK);
	viommu_pump_memory_changed(&w->pump);
}

static bool is_settled(struct world *w)
{
	return viommu_device_memory_is_settled(&w->f.dev);
}

static bool needs_reset(struct world *w)
{
	return (viommu_registers_get_status(viommu_pump_registers(&w->pump)) & VIOMMU_STATUS_NEEDS_RESET) != 0;
}

/* The driver resets the device; everything works again. */
static void start_anew(struct world *w)
{
	viommu_registers_set_status(viommu_pump_registers(&w->pump), 0);
	assert_int_equal(viommu_registers_get_status(viommu_pump_registers(&w->pump)), 0);
	bring_up(w, VIOMMU_F_EVENT_IDX);
	prepare_domains(w);
}

static void begin(struct world *w)
{
	setup(w, 0);
	bring_up(w, 0);
	prepare_domains(w);
}

static struct viommu_access_token open_section(struct world *w, uint32_t index)
{
	struct viommu_access_token token;

	assert_int_equal(viommu_access_begin(&w->f.accesses[index], &token), VIOMMU_OK);
	return token;
}

static void test_memory__nobody_uses_it__settled_at_once(void **state)
{
	struct viommu_wire_request map = device_map_request(1, 0x5000, 0x5fff, 0xc000, RW);
	struct world *w = &world;

	(void)state;
	begin(w);
	assert_true(is_settled(w));
	take_away(w, RAM_LEN - 0x1000, 0x1000);
	assert_true(is_settled(w));
	assert_int_equal(ask(w, &map), VIOMMU_S_OK);
	assert_false(needs_reset(w));
	give_back(w);
	assert_true(is_settled(w));
	teardown(w);
}

/* Either ring: the driver hears of it, the other queue stops as well, and where the ring was nobody writes. */
static void test_memory__ring_goes_away__needs_reset_and_not_touched(void **state)
{
	struct viommu_wire_request map = device_map_request(1, 0x5000, 0x5fff, 0xc000, RW);
	static uint8_t before[RAM_LEN];
	struct world *w = &world;

	(void)state;
	for (uint32_t queue = 0; queue < VIOMMU_QUEUE_COUNT; queue++) {
		begin(w);
		(void)post(w, &map);
		(void)post_event(w, VIOMMU_WIRE_FAULT_SIZE);
		publish(w);
		raise_faults(w, 0, 1);
		memcpy(before, ram, sizeof(before));
		take_away(w, queue * RING_LEN, RING_LEN);
		if (suite_memory_is_copied()) {
			process(w); /* only now does it show */
			memcpy(before + BUFFERS, ram + BUFFERS, RAM_LEN - BUFFERS);
		}
		assert_true(needs_reset(w));
		assert_int_equal(w->transport.config, 1);
		assert_true(is_settled(w));
		process(w);
		process(w);
		assert_memory_equal(ram + queue * RING_LEN, before + queue * RING_LEN, RING_LEN);
		assert_int_equal(w->transport.config, 1);

		/* Back again: that alone mends nothing, the driver's reset does. */
		give_back(w);
		process(w);
		assert_true(needs_reset(w));
		assert_memory_equal(ram + queue * RING_LEN, before + queue * RING_LEN, RING_LEN);
		start_anew(w);
		teardown(w);
	}
}

static void test_memory__ring_elsewhere_in_the_host__goes_on_there(void **state)
{
	struct viommu_wire_request map = device_map_request(1, 0x5000, 0x5fff, 0xc000, RW);
	static uint8_t before[RAM_LEN], rings[BUFFERS] __attribute__((aligned(16)));
	struct world *w = &world;
	struct slot *s;

	(void)state;
	begin(w);
	s = post(w, &map);
	publish(w);
	memcpy(rings, ram, sizeof(rings));
	memcpy(before, ram, sizeof(before));
	regions[0] = (struct viommu_memory_region){ RAM_BASE, RAM_BASE + BUFFERS - 1, rings, 3 };
	regions[1] = (struct viommu_memory_region){ RAM_BASE + BUFFERS, RAM_BASE + RAM_LEN - 1, ram + BUFFERS, 3 };
	change(w, 2);
	process(w);
	assert_false(needs_reset(w));
	assert_memory_equal(ram, before, BUFFERS);
	memcpy(ram, rings, sizeof(rings)); /* the driver of the fixture looks there */
	give_back(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), s);
	assert_int_equal(status_of(s), VIOMMU_S_OK);
	teardown(w);
}

/* P3: whichever endpoint the section is of; those that begin later do not count, and no request waits for it. */
static void test_memory__section_open__settled_when_it_has_ended(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token old, younger;
	struct world *w = &world;
	uint32_t wakes;

	(void)state;
	for (uint32_t index = 0; index < DEVICE_ENDPOINTS; index++) {
		begin(w);
		old = open_section(w, index);
		take_away(w, RAM_LEN - 0x1000, 0x1000);
		assert_false(is_settled(w));
		younger = open_section(w, index);
		assert_false(is_settled(w));
		if (index != 0)
			assert_int_equal(ask(w, &unmap), VIOMMU_S_OK); /* of endpoint 0 alone */
		give_back(w);
		assert_false(is_settled(w));
		take_away(w, RAM_LEN - 0x2000, 0x2000);
		wakes = w->f.wakes;
		viommu_access_end(&w->f.accesses[index], younger);
		younger = open_section(w, (index + 1) % DEVICE_ENDPOINTS);
		assert_false(is_settled(w));
		viommu_access_end(&w->f.accesses[index], old);
		assert_true(w->f.wakes > wakes);
		assert_true(is_settled(w));
		wakes = w->f.wakes;
		viommu_access_end(&w->f.accesses[(index + 1) % DEVICE_ENDPOINTS], younger);
		assert_int_equal(w->f.wakes, wakes); /* nobody waits any more */
		teardown(w);
	}
}

/* A stream of sections, one always open, does not keep it waiting. */
static void test_memory__sections_overlap_for_ever__settled(void **state)
{
	struct viommu_access_token tokens[2];
	struct world *w = &world;
	unsigned i;

	(void)state;
	begin(w);
	tokens[0] = open_section(w, 0);
	take_away(w, RAM_LEN - 0x1000, 0x1000);
	for (i = 1; i < 100 && !is_settled(w); i++) {
		tokens[i % 2] = open_section(w, 0);
		viommu_access_end(&w->f.accesses[0], tokens[(i + 1) % 2]);
	}
	assert_true(i < 5);
	teardown(w);
}

/* Its tail is written to where it was, which is why the memory has to stay until then. */
static void test_memory__request_pending__settled_when_it_is_answered(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct world *w = &world;
	struct slot *s;

	(void)state;
	begin(w);
	token = open_section(w, 0);
	s = post(w, &unmap);
	publish(w);
	process(w);
	assert_null(collect(w, VIOMMU_QUEUE_REQUEST));
	take_away(w, BUFFERS, RAM_LEN - BUFFERS);
	assert_false(is_settled(w));
	viommu_access_end(&w->f.accesses[0], token);
	assert_false(is_settled(w));
	process(w);
	assert_true(is_settled(w));
	assert_false(needs_reset(w));
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), s);
	/* Without pointers there is no way to the old memory: the driver is not told. */
	assert_int_equal(status_of(s), suite_memory_is_copied() ? DEVICE_UNANSWERED : VIOMMU_S_OK);
	give_back(w);
	teardown(w);
}

/* A request that came after the change waits for sections as ever, and the memory does not wait for it. */
static void test_memory__request_pending_since_later__does_not_count(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token old, younger;
	struct world *w = &world;
	struct slot *s;

	(void)state;
	begin(w);
	old = open_section(w, 0);
	take_away(w, RAM_LEN - 0x1000, 0x1000);
	assert_false(is_settled(w));
	younger = open_section(w, 0);
	s = post(w, &unmap);
	publish(w);
	process(w);
	viommu_access_end(&w->f.accesses[0], old);
	assert_true(is_settled(w));
	process(w);
	assert_null(collect(w, VIOMMU_QUEUE_REQUEST));
	viommu_access_end(&w->f.accesses[0], younger);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), s);
	assert_int_equal(status_of(s), VIOMMU_S_OK);
	teardown(w);
}

/* A driver that never resets does not keep the memory: what it waited for ends, unheard. */
static void test_memory__ring_gone_and_request_pending__settled_without_a_reset(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	static uint8_t before[RAM_LEN];
	struct world *w = &world;

	(void)state;
	begin(w);
	token = open_section(w, 0);
	(void)post(w, &unmap);
	publish(w);
	process(w);
	memcpy(before, ram, sizeof(before));
	take_away(w, 0, RAM_LEN);
	assert_false(is_settled(w));
	process(w);
	assert_true(needs_reset(w));
	viommu_access_end(&w->f.accesses[0], token);
	assert_false(is_settled(w));
	process(w);
	assert_true(is_settled(w));
	assert_memory_equal(ram, before, BUFFERS);
	memcpy(before, ram, sizeof(before));
	process(w);
	assert_memory_equal(ram, before, sizeof(before));
	assert_true(viommu_pump_check(&w->pump));
	give_back(w);
	start_anew(w);
	teardown(w);
}

/* With IN_ORDER one waits for its section and one for its turn: the ring is gone for both, and the memory for neither. */
static void test_memory__in_order_ring_gone_and_request_held__settled_without_a_reset(void **state)
{
	struct viommu_wire_request unmap1 = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request unmap2 = device_unmap_request(2, 0x1000, 0x1fff);
	struct viommu_access_token token;
	static uint8_t before[RAM_LEN];
	struct world *w = &world;

	(void)state;
	setup_with_domains(w, 0, VIOMMU_F_IN_ORDER);
	token = open_section(w, 0);
	(void)post(w, &unmap1);
	(void)post(w, &unmap2);
	publish(w);
	process(w);
	assert_int_equal(w->f.dev.pending_count, 1);
	memcpy(before, ram, sizeof(before));
	take_away(w, 0, RAM_LEN);
	assert_true(viommu_pump_check(&w->pump));
	process(w);
	assert_true(needs_reset(w));
	assert_false(is_settled(w));
	viommu_access_end(&w->f.accesses[0], token);
	process(w);
	assert_true(is_settled(w));
	assert_memory_equal(ram, before, BUFFERS);
	assert_true(viommu_pump_check(&w->pump));
	give_back(w);
	start_anew(w);
	teardown(w);
}

/* A queue that was reset has no ring any more, and what came from it no buffers; the section is still there. */
static void test_memory__queue_was_reset__only_the_section_counts(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_registers *regs = viommu_pump_registers(&world.pump);
	struct viommu_access_token token;
	struct world *w = &world;

	(void)state;
	setup_with_domains(w, 0, VIOMMU_F_RING_RESET);
	token = open_section(w, 0);
	(void)post(w, &unmap);
	publish(w);
	process(w);
	assert_int_equal(viommu_registers_queue_reset(regs, VIOMMU_QUEUE_REQUEST), VIOMMU_OK);
	take_away(w, VIOMMU_QUEUE_REQUEST * RING_LEN, RING_LEN);
	process(w);
	assert_false(needs_reset(w));
	assert_false(is_settled(w));
	assert_false(viommu_registers_queue_is_resetting(regs, VIOMMU_QUEUE_REQUEST));
	viommu_access_end(&w->f.accesses[0], token);
	process(w);
	assert_true(is_settled(w));
	assert_false(needs_reset(w));
	give_back(w);
	start_anew(w);
	teardown(w);
}

/* The reset takes the request away, not the section; and it does not wait for the memory. */
static void test_memory__reset_meanwhile__each_waits_for_its_own(void **state)
{
	struct viommu_wire_request detach = device_detach_request(1, DEVICE_EP0);
	struct viommu_access_token attached, elsewhere;
	struct world *w = &world;

	(void)state;
	begin(w);
	attached = open_section(w, 0);
	elsewhere = open_section(w, 3); /* in no domain, and without bypass */
	(void)post(w, &detach);
	publish(w);
	process(w);
	take_away(w, RAM_LEN - 0x1000, 0x1000);
	viommu_registers_set_status(viommu_pump_registers(&w->pump), 0);
	assert_int_not_equal(viommu_registers_get_status(viommu_pump_registers(&w->pump)), 0);
	viommu_access_end(&w->f.accesses[0], attached);
	assert_int_equal(viommu_registers_get_status(viommu_pump_registers(&w->pump)), 0);
	assert_false(is_settled(w));
	viommu_access_end(&w->f.accesses[3], elsewhere);
	assert_true(is_settled(w));
	teardown(w);
}

static void test_memory__buffer_gone_before_it_is_taken__malformed(void **state)
{
	struct viommu_wire_request map = device_map_request(1, 0x5000, 0x5fff, 0xc000, RW);
	struct world *w = &world;
	struct slot *s, *event;

	(void)state;
	begin(w);
	s = post(w, &map);
	event = post_event(w, VIOMMU_WIRE_FAULT_SIZE);
	publish(w);
	take_away(w, BUFFERS, RAM_LEN - BUFFERS);
	raise_faults(w, 0, 1);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_REQUEST), s);
	assert_int_equal(status_of(s), DEVICE_UNANSWERED);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_EVENT), event);
	assert_int_equal(event->written, 0);
	assert_false(needs_reset(w));
	give_back(w);
	event = post_event(w, VIOMMU_WIRE_FAULT_SIZE);
	publish(w);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_EVENT), event); /* the report waited */
	assert_int_equal(event->written, VIOMMU_WIRE_FAULT_SIZE);
	teardown(w);
}

/* Without pointers, whatever the environment says. */
static void begin_copied(struct world *w)
{
	static const struct viommu_memory pointers = { &env_memory_ops, &ram_table };
	struct viommu_pump_config config;
	size_t bytes;

	setup(w, 0);
	config = pump_config(w);
	config.memory = sim_copied(&pointers);
	assert_int_equal(viommu_pump_mem_size(&config, &bytes), VIOMMU_OK);
	assert_int_equal(viommu_pump_init(&w->pump, &config, w->pump_mem, bytes), VIOMMU_OK);
	bring_up(w, 0);
	prepare_domains(w);
}

/* [gpa, gpa + len) can only be read from now on, and the device is told. */
static void protect(struct world *w, viommu_gpa gpa, size_t len)
{
	size_t at = (size_t)(gpa - RAM_BASE);

	regions[0] = (struct viommu_memory_region){ RAM_BASE, gpa - 1, ram, 3 };
	regions[1] = (struct viommu_memory_region){ gpa, gpa + len - 1, ram + at, VIOMMU_ACCESS_READ };
	regions[2] = (struct viommu_memory_region){ gpa + len, RAM_BASE + RAM_LEN - 1, ram + at + len, 3 };
	change(w, 3);
}

/*
 * A store into the used ring fails when nobody need look at the queue again: the budget is used up, or there is no
 * other report, or all that is left to do was to publish. The driver has to hear of it in this call; it would not kick.
 */
static void test_memory__used_ring_cannot_be_written__needs_reset_in_the_same_call(void **state)
{
	enum {
		INDEX = 2,
		FIRST_ENTRY = 4
	};
	static const struct {
		uint32_t queue, at, len;
	} parts[] = {
		{ VIOMMU_QUEUE_REQUEST, INDEX, 2 },
		{ VIOMMU_QUEUE_REQUEST, FIRST_ENTRY, 8 * QUEUE_SIZE },
		{ VIOMMU_QUEUE_EVENT, INDEX, 2 },
		{ VIOMMU_QUEUE_EVENT, FIRST_ENTRY, 8 * QUEUE_SIZE },
	};
	struct viommu_wire_request map = device_map_request(1, 0x5000, 0x5fff, 0xc000, RW);
	struct world *w = &world;

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		begin_copied(w);
		if (parts[i].queue == VIOMMU_QUEUE_REQUEST) {
			(void)post(w, &map);
		} else {
			(void)post_event(w, VIOMMU_WIRE_FAULT_SIZE);
			raise_faults(w, 0, 1);
		}
		publish(w);
		protect(w, w->layouts[parts[i].queue].used + parts[i].at, parts[i].len);
		assert_false(needs_reset(w)); /* there are no pointers that would show it */
		(void)step(w, 1);
		assert_true(needs_reset(w));
		assert_int_equal(w->transport.config, 1);
		assert_null(collect(w, parts[i].queue));
		assert_true(viommu_pump_check(&w->pump));
		give_back(w);
		process(w);
		assert_int_equal(w->transport.config, 1);
		start_anew(w);
		teardown(w);
	}
}

/* Without pointers that shows only when it is written: the buffer goes back, and the report waits for the next one. */
static void test_memory__event_buffer_cannot_be_written__report_waits(void **state)
{
	struct world *w = &world;
	struct slot *bad, *good;

	(void)state;
	begin_copied(w);
	bad = post_event(w, VIOMMU_WIRE_FAULT_SIZE);
	good = post_event(w, VIOMMU_WIRE_FAULT_SIZE);
	publish(w);
	protect(w, bad->addr + 256, VIOMMU_WIRE_FAULT_SIZE);
	raise_faults(w, 0, 1);
	process(w);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_EVENT), bad);
	assert_int_equal(bad->written, 0);
	assert_ptr_equal(collect(w, VIOMMU_QUEUE_EVENT), good);
	assert_int_equal(good->written, VIOMMU_WIRE_FAULT_SIZE);
	assert_int_equal(viommu_pump_get_stats(&w->pump)->malformed, 1);
	assert_int_equal(viommu_pump_get_stats(&w->pump)->events, 1);
	teardown(w);
}

/* An answer that came too late for the ring: nothing is written any more, and the slot is free again. */
static void test_memory__ring_broken_while_a_request_waits__ends_unheard(void **state)
{
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_wire_request map = device_map_request(2, 0x5000, 0x5fff, 0xc000, RW);
	struct viommu_access_token token;
	struct world *w = &world;

	(void)state;
	begin_copied(w);
	token = open_section(w, 0);
	(void)post(w, &unmap);
	publish(w);
	process(w);
	(void)post(w, &map);
	publish(w);
	protect(w, w->layouts[VIOMMU_QUEUE_REQUEST].used, 4 + 8 * QUEUE_SIZE);
	process(w);
	assert_true(needs_reset(w));
	assert_true(viommu_pump_check(&w->pump));
	viommu_access_end(&w->f.accesses[0], token);
	process(w);
	assert_null(collect(w, VIOMMU_QUEUE_REQUEST));
	assert_true(viommu_pump_check(&w->pump));
	give_back(w);
	start_anew(w);
	teardown(w);
}

/* Before the driver has queues there is nothing to look for. */
static void test_memory__queues_off__nothing_happens(void **state)
{
	struct world *w = &world;

	(void)state;
	setup(w, 0);
	take_away(w, 0, RAM_LEN);
	assert_true(is_settled(w));
	assert_false(needs_reset(w));
	give_back(w);
	bring_up(w, 0);
	prepare_domains(w);
	teardown(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory__nobody_uses_it__settled_at_once),
		cmocka_unit_test(test_memory__ring_goes_away__needs_reset_and_not_touched),
		cmocka_unit_test(test_memory__ring_elsewhere_in_the_host__goes_on_there),
		cmocka_unit_test(test_memory__section_open__settled_when_it_has_ended),
		cmocka_unit_test(test_memory__sections_overlap_for_ever__settled),
		cmocka_unit_test(test_memory__request_pending__settled_when_it_is_answered),
		cmocka_unit_test(test_memory__request_pending_since_later__does_not_count),
		cmocka_unit_test(test_memory__ring_gone_and_request_pending__settled_without_a_reset),
		cmocka_unit_test(test_memory__in_order_ring_gone_and_request_held__settled_without_a_reset),
		cmocka_unit_test(test_memory__queue_was_reset__only_the_section_counts),
		cmocka_unit_test(test_memory__reset_meanwhile__each_waits_for_its_own),
		cmocka_unit_test(test_memory__buffer_gone_before_it_is_taken__malformed),
		cmocka_unit_test(test_memory__used_ring_cannot_be_written__needs_reset_in_the_same_call),
		cmocka_unit_test(test_memory__event_buffer_cannot_be_written__report_waits),
		cmocka_unit_test(test_memory__ring_broken_while_a_request_waits__ends_unheard),
		cmocka_unit_test(test_memory__queues_off__nothing_happens),
	};

	return suite_run(tests);
}
