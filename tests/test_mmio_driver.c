/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_mmio_driver.c: the driver's side of virtio-mmio. Between it and an honest register file a bus looks at each
 * access, whether a driver may do that, and answers otherwise where the test says so.
 */
#include "register_fixture.h"
#include "suite.h"

#include "sim/env/env.h"
#include "sim/machine.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define R(name) VIOMMU_MMIO_##name
#define LOG 512u

enum lie {
	HONEST,
	LIE,       /* `answer` */
	LIE_AFTER, /* `answer`, once something was written there */
	LIE_COUNTS /* another answer each time */
};

struct access {
	bool write;
	uint32_t offset, width, value;
};

static struct {
	struct viommu_mmio *device;
	enum lie lie;
	uint32_t at; /* where it lies */
	uint32_t answer;
	bool written; /* there */
	bool gone;    /* all reads are all ones, as when the device has been unplugged */
	struct access log[LOG];
	uint32_t count;
	bool device_sel, driver_sel; /* something was selected */
	uint32_t ready;              /* as last read or written, of the selected queue */
	uint32_t size_max;           /* the last one read; 0: none */
} bus;

static void note(bool write, uint32_t offset, uint32_t width, uint32_t value)
{
	if (bus.count < LOG)
		bus.log[bus.count] = (struct access){ write, offset, width, value };
	bus.count++;
}

static bool is_queue_part(uint32_t offset)
{
	return offset == R(QUEUE_SIZE) || (offset >= R(QUEUE_DESC_LOW) && offset <= R(QUEUE_DEVICE_HIGH));
}

/* MMIO-DRV-REG-01, -02, MMIO-DRV-INIT-02 */
static void check_register(bool write, uint32_t offset, uint32_t width)
{
	static const uint32_t readable[] = { R(MAGIC_VALUE),      R(VERSION),           R(DEVICE_ID),      R(VENDOR_ID),
					     R(DEVICE_FEATURES),  R(QUEUE_READY),       R(QUEUE_SIZE_MAX), R(STATUS),
					     R(INTERRUPT_STATUS), R(CONFIG_GENERATION), R(QUEUE_RESET) };
	static const uint32_t writable[] = { R(DEVICE_FEATURES_SEL), R(DRIVER_FEATURES_SEL), R(DRIVER_FEATURES),
					     R(QUEUE_SEL),           R(QUEUE_SIZE),          R(QUEUE_READY),
					     R(QUEUE_NOTIFY),        R(INTERRUPT_ACK),       R(STATUS),
					     R(QUEUE_DESC_LOW),      R(QUEUE_DESC_HIGH),     R(QUEUE_DRIVER_LOW),
					     R(QUEUE_DRIVER_HIGH),   R(QUEUE_DEVICE_LOW),    R(QUEUE_DEVICE_HIGH),
					     R(QUEUE_RESET) };
	const uint32_t *allowed = write ? writable : readable;
	size_t count = write ? COUNT_OF(writable) : COUNT_OF(readable);
	bool found = false;

	for (size_t i = 0; i < count; i++)
		found = found || allowed[i] == offset;
	assert_true(found && width == 4);
}

static void check_access(bool write, uint32_t offset, uint32_t width)
{
	assert_true(width == 1 || width == 2 || width == 4);
	assert_int_equal(offset % width, 0);
	if (offset < R(CONFIG))
		check_register(write, offset, width);
	/* MMIO-DRV-REG-07, -08, -10 */
	assert_true(offset != R(DEVICE_FEATURES) || bus.device_sel);
	assert_true(offset != R(DRIVER_FEATURES) || bus.driver_sel);
	assert_true(!is_queue_part(offset) || bus.ready == 0);
}

static uint32_t bus_read(void *ctx, uint32_t offset, uint32_t width)
{
	uint32_t value = (uint32_t)viommu_mmio_read(bus.device, offset, width);

	assert_ptr_equal(ctx, &bus);
	check_access(false, offset, width);
	if (bus.gone)
		value = UINT32_MAX;
	else if (bus.lie != HONEST && offset == bus.at && (bus.lie != LIE_AFTER || bus.written))
		value = bus.answer;
	if (bus.lie == LIE_COUNTS)
		bus.answer++;
	if (offset == R(QUEUE_READY))
		bus.ready = value;
	if (offset == R(QUEUE_SIZE_MAX))
		bus.size_max = value;
	note(false, offset, width, value);
	return value;
}

static void bus_write(void *ctx, uint32_t offset, uint32_t width, uint32_t value)
{
	assert_ptr_equal(ctx, &bus);
	check_access(true, offset, width);
	bus.device_sel |= offset == R(DEVICE_FEATURES_SEL);
	bus.driver_sel |= offset == R(DRIVER_FEATURES_SEL);
	bus.written |= offset == bus.at;
	if (offset == R(QUEUE_READY))
		bus.ready = value;
	/* MMIO-DRV-REG-09: the last one asked for was of this queue, or there was none. */
	if (offset == R(QUEUE_SIZE) && bus.size_max != 0)
		assert_true(value <= bus.size_max);
	note(true, offset, width, value);
	if (!bus.gone)
		viommu_mmio_write(bus.device, offset, width, value);
}

static const struct viommu_mmio_accessors accessors = { .size = sizeof accessors,
							.read = bus_read,
							.write = bus_write };

/* A device of a few variables, and the driver's side alone. */

static struct register_fixture fixture;
static struct viommu_mmio device;
static struct viommu_register_queue parts[REGISTER_QUEUES];
static struct viommu_mmio_driver driver;
static bool line;
static uint32_t kicks[REGISTER_QUEUES];

static void set_line(void *ctx, bool high)
{
	(void)ctx;
	line = high;
}

static void notify(void *ctx, uint32_t queue, uint32_t value)
{
	(void)ctx;
	(void)value;
	if (queue != VIOMMU_REGISTER_NO_QUEUE)
		kicks[queue]++;
}

static const struct viommu_mmio_ops device_ops = { .size = sizeof device_ops, .set_line = set_line, .notify = notify };
static const struct viommu_register_ops *const ops = &viommu_mmio_driver_ops;

static int make(void **state)
{
	struct viommu_mmio_config config = VIOMMU_MMIO_CONFIG_INIT;

	(void)state;
	memset(&bus, 0, sizeof bus);
	memset(kicks, 0, sizeof kicks);
	line = false;
	bus.device = &device;
	register_fixture_init(&fixture, &viommu_mmio_interrupt_ops, &device);
	config.registers = &fixture.regs;
	config.queues = parts;
	config.ops = &device_ops;
	assert_int_equal(viommu_mmio_init(&device, &config), VIOMMU_OK);
	memset(&driver, 0, sizeof driver);
	return 0;
}

static int make_found(void **state)
{
	assert_int_equal(make(state), 0);
	assert_int_equal(viommu_mmio_driver_init(&driver, &accessors, &bus, VIOMMU_DEVICE_ID), VIOMMU_OK);
	bus.count = 0;
	return 0;
}

static void assert_log(uint32_t i, bool write, uint32_t offset, uint32_t value)
{
	assert_true(i < bus.count && bus.log[i].write == write && bus.log[i].offset == offset);
	assert_true(bus.log[i].value == value);
}

/* Init */

static void test_mmio_driver_init__wrong_arguments__nothing_is_accessed(void **state)
{
	struct viommu_mmio_accessors bad = accessors;

	(void)state;
	bad.size = 0;
	assert_int_equal(viommu_mmio_driver_init(&driver, &bad, &bus, 23), VIOMMU_E_ABI);
	bad = accessors;
	bad.read = NULL;
	assert_int_equal(viommu_mmio_driver_init(&driver, &bad, &bus, 23), VIOMMU_E_ARG);
	bad = accessors;
	bad.write = NULL;
	assert_int_equal(viommu_mmio_driver_init(&driver, &bad, &bus, 23), VIOMMU_E_ARG);
	assert_int_equal(viommu_mmio_driver_init(&driver, &accessors, &bus, 0), VIOMMU_E_ARG);
	assert_int_equal(bus.count, 0);
}

/* MMIO-DRV-INIT-01 */
static void test_mmio_driver_init__iommu__found_in_three_reads(void **state)
{
	(void)state;
	assert_int_equal(viommu_mmio_driver_init(&driver, &accessors, &bus, 23), VIOMMU_OK);
	assert_int_equal(bus.count, 3);
	assert_log(0, false, R(MAGIC_VALUE), 0x74726976);
	assert_log(1, false, R(VERSION), 2);
	assert_log(2, false, R(DEVICE_ID), 23);
}

/* MMIO-DRV-REG-04, -05, -06 */
static void test_mmio_driver_init__something_else__left_alone(void **state)
{
	static const struct {
		uint32_t at, answer;
		enum viommu_result result;
		uint32_t reads;
	} cases[] = {
		{ R(MAGIC_VALUE), 0, VIOMMU_E_PEER, 1 },
		{ R(MAGIC_VALUE), 0x76697274, VIOMMU_E_PEER, 1 },
		{ R(MAGIC_VALUE), UINT32_MAX, VIOMMU_E_PEER, 1 },
		{ R(VERSION), 0, VIOMMU_E_PEER, 2 },
		{ R(VERSION), 1, VIOMMU_E_PEER, 2 }, /* legacy */
		{ R(VERSION), 3, VIOMMU_E_PEER, 2 },
		{ R(DEVICE_ID), 0, VIOMMU_E_NOENT, 3 },
		{ R(DEVICE_ID), 2, VIOMMU_E_UNSUPP, 3 },
		{ R(DEVICE_ID), 0x10017, VIOMMU_E_UNSUPP, 3 },
	};

	(void)state;
	bus.lie = LIE;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		bus.count = 0;
		bus.at = cases[i].at;
		bus.answer = cases[i].answer;
		assert_int_equal(viommu_mmio_driver_init(&driver, &accessors, &bus, 23), cases[i].result);
		assert_int_equal(bus.count, cases[i].reads);
		assert_false(bus.log[bus.count - 1].write);
		assert_null(driver.accessors);
	}
}

/* Each operation */

static void test_mmio_driver__features__both_halves(void **state)
{
	(void)state;
	assert_true(ops->get_features(&driver) == (REGISTER_FEATURES | REGISTER_RING_FEATURES));
	ops->set_status(&driver, ACK_DRIVER);
	ops->set_features(&driver, VIOMMU_F_VERSION_1 | REGISTER_FEATURES);
	assert_true(fixture.regs.features == (VIOMMU_F_VERSION_1 | REGISTER_FEATURES));
	ops->set_status(&driver, AGREED);
	assert_int_equal(ops->get_status(&driver), AGREED);
}

/* MMIO-DRV-REG-03: each field in its own width, 8 bytes in two. */
static void test_mmio_driver__config__widths_of_the_fields(void **state)
{
	static const struct {
		uint32_t offset, len;
		uint32_t widths[4];
	} cases[] = {
		{ 0, 1, { 1 } },           { 1, 1, { 1 } },    { 2, 2, { 2 } },       { 4, 4, { 4 } },
		{ 8, 8, { 4, 4 } },        { 0, 0, { 0 } },    { 3, 1, { 1 } },       { 0, 2, { 2 } },
		{ 1, 2, { 1, 1 } },        { 6, 4, { 2, 2 } }, { 1, 7, { 1, 2, 4 } }, { 4, 7, { 4, 2, 1 } },
		{ 8, 16, { 4, 4, 4, 4 } }, { 2, 3, { 2, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint8_t bytes[20], copy[REGISTER_CONFIG];
		uint32_t n = 0;

		memset(bytes, 0xee, sizeof bytes);
		bus.count = 0;
		ops->config_read(&driver, cases[i].offset, bytes, cases[i].len);
		for (uint32_t k = 0; k < sizeof bytes; k++)
			assert_int_equal(bytes[k], k < cases[i].len ? 0x10 + cases[i].offset + k : 0xee);
		while (n < 4 && cases[i].widths[n] != 0) {
			assert_true(!bus.log[n].write && bus.log[n].width == cases[i].widths[n]);
			n++;
		}
		assert_int_equal(bus.count, n);

		bus.count = 0;
		for (uint32_t k = 0; k < sizeof bytes; k++)
			bytes[k] = (uint8_t)(0xf0 - k);
		memcpy(copy, fixture.fake.config, sizeof copy);
		ops->config_write(&driver, cases[i].offset, bytes, cases[i].len);
		for (uint32_t k = 0; k < REGISTER_CONFIG; k++) {
			bool inside = k >= cases[i].offset && k < cases[i].offset + cases[i].len;

			assert_int_equal(fixture.fake.config[k], inside ? 0xf0 - (k - cases[i].offset) : copy[k]);
		}
		assert_int_equal(bus.count, n);
		for (uint32_t k = 0; k < n; k++)
			assert_true(bus.log[k].write && bus.log[k].width == cases[i].widths[k]);
		memcpy(fixture.fake.config, copy, sizeof copy);
	}
}

static void agree(void)
{
	ops->set_status(&driver, ACK_DRIVER);
	ops->set_features(&driver, VIOMMU_F_VERSION_1);
	ops->set_status(&driver, AGREED);
	bus.count = 0;
}

/* MMIO-DRV-INIT-03 */
static void test_mmio_driver__queue__set_up_in_the_prescribed_order(void **state)
{
	struct viommu_virtq_layout l = register_fixture_layout(1);
	uint32_t i = 0;

	(void)state;
	agree();
	assert_int_equal(ops->queue_size_max(&driver, 1), REGISTER_QUEUE_SIZE);
	assert_log(i++, true, R(QUEUE_SEL), 1);
	assert_log(i++, false, R(QUEUE_SIZE_MAX), REGISTER_QUEUE_SIZE);
	assert_int_equal(ops->queue_enable(&driver, 1, &l), VIOMMU_OK);
	assert_log(i++, true, R(QUEUE_SEL), 1);
	assert_log(i++, false, R(QUEUE_READY), 0);
	assert_log(i++, true, R(QUEUE_SIZE), REGISTER_QUEUE_SIZE);
	assert_log(i++, true, R(QUEUE_DESC_LOW), (uint32_t)l.desc);
	assert_log(i++, true, R(QUEUE_DESC_HIGH), (uint32_t)(l.desc >> 32));
	assert_log(i++, true, R(QUEUE_DRIVER_LOW), (uint32_t)l.avail);
	assert_log(i++, true, R(QUEUE_DRIVER_HIGH), (uint32_t)(l.avail >> 32));
	assert_log(i++, true, R(QUEUE_DEVICE_LOW), (uint32_t)l.used);
	assert_log(i++, true, R(QUEUE_DEVICE_HIGH), (uint32_t)(l.used >> 32));
	assert_log(i++, true, R(QUEUE_READY), 1);
	assert_log(i++, false, R(QUEUE_READY), 1);
	assert_int_equal(bus.count, i);
	assert_int_equal(viommu_virtq_device_state(&fixture.queues[1]), VIOMMU_VIRTQ_READY);
	assert_true(parts[1].layout.desc == l.desc && parts[1].layout.avail == l.avail &&
		    parts[1].layout.used == l.used);
	assert_int_equal(ops->queue_size_max(&driver, REGISTER_QUEUES), 0);
}

static void test_mmio_driver__queue_that_does_not_become_ready__peer(void **state)
{
	static const uint32_t answers[] = { 0, 2, 0x101, UINT32_MAX };
	struct viommu_virtq_layout l = register_fixture_layout(0);

	(void)state;
	agree();
	l.desc += 8; /* no place for a queue: the device refuses */
	assert_int_equal(ops->queue_enable(&driver, 0, &l), VIOMMU_E_PEER);
	l.desc -= 8;
	bus.lie = LIE_AFTER;
	bus.at = R(QUEUE_READY);
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		bus.answer = answers[i];
		bus.written = false;
		bus.count = 0;
		assert_int_equal(ops->queue_enable(&driver, 0, &l), VIOMMU_E_PEER);
		assert_int_equal(bus.count, 11);
		viommu_mmio_write(&device, R(QUEUE_READY), 4, 0);
		bus.ready = 0;
	}
	bus.lie = LIE;
	bus.answer = 1; /* in use already: nothing but that was asked */
	bus.count = 0;
	assert_int_equal(ops->queue_enable(&driver, 0, &l), VIOMMU_E_PEER);
	assert_int_equal(bus.count, 2);
}

/* MMIO-DRV-NOTIFY-01 */
static void test_mmio_driver__notify__index_of_the_queue(void **state)
{
	(void)state;
	agree();
	ops->notify(&driver, 1);
	assert_int_equal(bus.count, 1);
	assert_log(0, true, R(QUEUE_NOTIFY), 1);
	assert_int_equal(kicks[1], 1);
	assert_int_equal(kicks[0], 0);
}

/* INF-24 */
static void test_mmio_driver__notify_data__as_it_is(void **state)
{
	(void)state;
	agree();
	ops->notify_data(&driver, 1, 0x80050001);
	assert_int_equal(bus.count, 1);
	assert_log(0, true, R(QUEUE_NOTIFY), 0x80050001);
}

/* MMIO-DRV-REG-14 */
static void test_mmio_driver__queue_reset__over_when_it_reads_0(void **state)
{
	(void)state;
	agree();
	assert_int_equal(ops->queue_reset(&driver, 1), VIOMMU_OK);
	assert_int_equal(bus.count, 2);
	assert_log(0, true, R(QUEUE_SEL), 1);
	assert_log(1, true, R(QUEUE_RESET), 1);
	bus.lie = LIE;
	bus.at = R(QUEUE_RESET);
	bus.answer = 1;
	assert_true(ops->queue_is_resetting(&driver, 1));
	bus.answer = 0x80000000;
	assert_true(ops->queue_is_resetting(&driver, 1));
	bus.answer = 0;
	assert_false(ops->queue_is_resetting(&driver, 1));
	assert_log(2, true, R(QUEUE_SEL), 1);
}

static void test_mmio_driver__generation__as_the_device_says(void **state)
{
	(void)state;
	viommu_registers_config_changed(&fixture.regs);
	viommu_registers_config_changed(&fixture.regs);
	assert_int_equal(ops->config_generation(&driver), 2);
}

/* Interrupts */

/* MMIO-DRV-INT-01, MMIO-DRV-REG-13 */
static void test_mmio_driver_interrupt__something_happened__acknowledged_and_told(void **state)
{
	(void)state;
	agree();
	ops->set_status(&driver, RUNNING);
	viommu_registers_interrupt(&fixture.regs, 1);
	assert_true(line);
	assert_int_equal(viommu_mmio_driver_interrupt(&driver), VIOMMU_INTERRUPT_USED);
	assert_false(line);
	viommu_registers_interrupt(&fixture.regs, 0);
	viommu_registers_config_changed(&fixture.regs);
	bus.count = 0;
	assert_int_equal(viommu_mmio_driver_interrupt(&driver), VIOMMU_INTERRUPT_USED | VIOMMU_INTERRUPT_CONFIG);
	assert_int_equal(bus.count, 2);
	assert_log(0, false, R(INTERRUPT_STATUS), 3);
	assert_log(1, true, R(INTERRUPT_ACK), 3);
	assert_false(line);
}

static void test_mmio_driver_interrupt__somebody_else_s__0_and_nothing_written(void **state)
{
	(void)state;
	assert_int_equal(viommu_mmio_driver_interrupt(&driver), 0);
	assert_int_equal(bus.count, 1);
}

/* MMIO-DRV-REG-12, -13 */
static void test_mmio_driver_interrupt__undefined_bits__ignored(void **state)
{
	(void)state;
	bus.lie = LIE;
	bus.at = R(INTERRUPT_STATUS);
	bus.answer = 0xfffffffc;
	assert_int_equal(viommu_mmio_driver_interrupt(&driver), 0);
	assert_int_equal(bus.count, 1);
	bus.answer = UINT32_MAX;
	assert_int_equal(viommu_mmio_driver_interrupt(&driver), 3);
	assert_log(2, true, R(INTERRUPT_ACK), 3);
}

/* A whole driver, and a device that lies at one register */

static const uint32_t endpoint_id = 8;

static struct sim_machine *machine_up(void)
{
	struct sim_machine_config config = SIM_MACHINE_CONFIG_INIT;
	struct sim_machine *machine = sim_env_zalloc(sizeof *machine);

	config.endpoints = &endpoint_id;
	config.endpoint_count = 1;
	config.transport = &sim_transport_mmio;
	config.wait_attempts = 100;
	assert_int_equal(sim_machine_init(machine, &config), VIOMMU_OK);
	memset(&bus, 0, sizeof bus);
	bus.device = &machine->transport.mmio.device;
	assert_int_equal(viommu_mmio_driver_init(&machine->transport.mmio.driver, &accessors, &bus, VIOMMU_DEVICE_ID),
			 VIOMMU_OK);
	bus.count = 0;
	return machine;
}

/* Once it is honest again, everything works. */
static void machine_down(struct sim_machine *machine)
{
	struct viommu_driver_endpoint endpoint;
	struct viommu_resv_region regions[1];

	bus.lie = HONEST;
	bus.gone = false;
	assert_int_equal(viommu_driver_stop(&machine->driver), VIOMMU_OK);
	bus.ready = 0;
	assert_int_equal(sim_machine_start(machine), VIOMMU_OK);
	assert_int_equal(viommu_driver_endpoint_init(&endpoint, &machine->driver, endpoint_id, regions, 1), VIOMMU_OK);
	assert_true(sim_machine_check(machine));
	sim_machine_deinit(machine);
	sim_env_free(machine);
}

static void test_mmio_driver_start__device_that_lies__ends_as_promised(void **state)
{
	static const struct {
		const char *what;
		enum lie lie;
		uint32_t at, answer;
		enum viommu_result result;
	} cases[] = {
		{ "nothing", HONEST, 0, 0, VIOMMU_OK },
		{ "magic changes", LIE, R(MAGIC_VALUE), 0, VIOMMU_OK }, /* nobody looks again */
		{ "version changes", LIE, R(VERSION), 1, VIOMMU_OK },
		{ "device changes", LIE, R(DEVICE_ID), 0, VIOMMU_OK },
		{ "status stuck", LIE, R(STATUS), UINT32_MAX, VIOMMU_E_TIMEOUT },
		{ "status stuck at one bit", LIE, R(STATUS), 1, VIOMMU_E_TIMEOUT },
		{ "status always 0", LIE, R(STATUS), 0, VIOMMU_E_UNSUPP },
		{ "status 0 in 8 bits", LIE, R(STATUS), 0xffffff00, VIOMMU_E_UNSUPP },
		{ "no features", LIE, R(DEVICE_FEATURES), 0, VIOMMU_E_UNSUPP },
		{ "all features", LIE, R(DEVICE_FEATURES), UINT32_MAX, VIOMMU_E_UNSUPP }, /* the device refuses them */
		{ "queue never ready", LIE, R(QUEUE_READY), 0, VIOMMU_E_PEER },
		{ "queue in use", LIE, R(QUEUE_READY), 1, VIOMMU_E_PEER },
		{ "queue not quite ready", LIE_AFTER, R(QUEUE_READY), 2, VIOMMU_E_PEER },
		{ "no queue", LIE, R(QUEUE_SIZE_MAX), 0, VIOMMU_E_UNSUPP },
		{ "one entry", LIE, R(QUEUE_SIZE_MAX), 1, VIOMMU_E_UNSUPP },
		{ "endless queue", LIE, R(QUEUE_SIZE_MAX), UINT32_MAX, VIOMMU_OK },
		{ "generation never still", LIE_COUNTS, R(CONFIG_GENERATION), 0, VIOMMU_E_PEER },
		{ "generation of its own", LIE, R(CONFIG_GENERATION), 77, VIOMMU_OK },
		{ "only pages of 4 GiB and more", LIE, R(CONFIG), 0, VIOMMU_E_RANGE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct sim_machine *machine = machine_up();
		enum viommu_result r;

		bus.lie = cases[i].lie;
		bus.at = cases[i].at;
		bus.answer = cases[i].answer;
		r = sim_machine_start(machine);
		if (r != cases[i].result)
			fail_msg("%s: %d", cases[i].what, (int)r);
		assert_true(bus.count < 600); /* the driver has a bound, whatever it is told */
		assert_true(viommu_driver_check(&machine->driver));
		machine_down(machine);
	}
}

static void test_mmio_driver_start__device_gone__times_out(void **state)
{
	struct sim_machine *machine = machine_up();

	(void)state;
	bus.gone = true;
	assert_int_equal(sim_machine_start(machine), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_mmio_driver_interrupt(&machine->transport.mmio.driver), 3);
	machine_down(machine);
}

/* MMIO-DRV-REG-03, GEN-DRV-CONFIG-02 */
static void test_mmio_driver_start__configuration_holds_still__read_once_in_its_widths(void **state)
{
	struct sim_machine *machine = machine_up();
	uint32_t reads = 0;

	(void)state;
	assert_int_equal(sim_machine_start(machine), VIOMMU_OK);
	for (uint32_t i = 0; i < bus.count; i++)
		reads += bus.log[i].offset == R(CONFIG_GENERATION);
	assert_int_equal(reads, 2);
	/* The bypass byte is read as a byte. */
	for (uint32_t i = 0; i < bus.count; i++) {
		if (bus.log[i].offset >= R(CONFIG))
			assert_int_equal(bus.log[i].width,
					 bus.log[i].offset == R(CONFIG) + VIOMMU_WIRE_CONFIG_BYPASS ? 1 : 4);
	}
	machine_down(machine);
}

#define TEST(f) cmocka_unit_test_setup(f, make_found)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_mmio_driver_init__wrong_arguments__nothing_is_accessed, make),
		cmocka_unit_test_setup(test_mmio_driver_init__iommu__found_in_three_reads, make),
		cmocka_unit_test_setup(test_mmio_driver_init__something_else__left_alone, make),
		TEST(test_mmio_driver__features__both_halves),
		TEST(test_mmio_driver__config__widths_of_the_fields),
		TEST(test_mmio_driver__queue__set_up_in_the_prescribed_order),
		TEST(test_mmio_driver__queue_that_does_not_become_ready__peer),
		TEST(test_mmio_driver__notify__index_of_the_queue),
		TEST(test_mmio_driver__notify_data__as_it_is),
		TEST(test_mmio_driver__queue_reset__over_when_it_reads_0),
		TEST(test_mmio_driver__generation__as_the_device_says),
		TEST(test_mmio_driver_interrupt__something_happened__acknowledged_and_told),
		TEST(test_mmio_driver_interrupt__somebody_else_s__0_and_nothing_written),
		TEST(test_mmio_driver_interrupt__undefined_bits__ignored),
		cmocka_unit_test(test_mmio_driver_start__device_that_lies__ends_as_promised),
		cmocka_unit_test(test_mmio_driver_start__device_gone__times_out),
		cmocka_unit_test(test_mmio_driver_start__configuration_holds_still__read_once_in_its_widths),
	};

	return suite_run(tests);
}
