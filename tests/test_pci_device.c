/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio device as a PCI function: init, configuration space, BARs, resets. Interrupts: test_pci_interrupt.c. */
#include "pci_fixture.h"

static struct pci_world world;
static struct pci_world *const w = &world;

/* Init */

static enum viommu_result init(const struct viommu_pci_config *config)
{
	return viommu_pci_init(&w->pci, config);
}

static void test_init__unknown_struct_size__abi(void **state)
{
	struct viommu_pci_config config;
	struct viommu_pci_ops ops = pci_world_ops;

	(void)state;
	pci_setup(w);
	config = pci_world_config(w);
	config.size--;
	assert_int_equal(init(&config), VIOMMU_E_ABI);
	config = pci_world_config(w);
	config.ops = &ops;
	ops.size++;
	assert_int_equal(init(&config), VIOMMU_E_ABI);
	assert_true(viommu_pci_check(&w->pci)); /* the one before is untouched */
}

static void test_init__missing_part__arg(void **state)
{
	struct viommu_pci_config config;
	struct viommu_pci_ops ops = pci_world_ops;

	(void)state;
	pci_setup(w);
	config = pci_world_config(w);
	config.registers = NULL;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
	config = pci_world_config(w);
	config.queues = NULL;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
	config = pci_world_config(w);
	config.ops = NULL;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
	config = pci_world_config(w);
	config.vectors = NULL;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
	config = pci_world_config(w);
	config.ops = &ops;
	ops.msi = NULL;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
	ops = pci_world_ops;
	ops.notify = NULL;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
	ops = pci_world_ops;
	assert_int_equal(init(&config), VIOMMU_OK);
}

static void test_init__number_out_of_range__arg(void **state)
{
	struct viommu_pci_config config;

	(void)state;
	pci_setup(w);
	config = pci_world_config(w);
	config.device_id = 0;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
	config.device_id = 64;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
	config.device_id = 63;
	assert_int_equal(init(&config), VIOMMU_OK);
	config.subsystem_id = 0x3f;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
	config.subsystem_id = 0x40;
	assert_int_equal(init(&config), VIOMMU_OK);
	config.vector_count = VIOMMU_PCI_VECTORS_MAX + 1;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
	config.vector_count = VECTORS;
	config.device_config_size = VIOMMU_PCI_DEVICE_CONFIG_MAX + 1;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
	config.device_config_size = VIOMMU_PCI_DEVICE_CONFIG_MAX;
	assert_int_equal(init(&config), VIOMMU_OK);
	config.class_code = 0x1000000;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
	config.class_code = 0xffffff;
	assert_int_equal(init(&config), VIOMMU_OK);
	w->regs.queue_count = VIOMMU_PCI_QUEUES_MAX + 1;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
}

static void test_init__interrupts_wired_to_somebody_else__arg(void **state)
{
	struct viommu_pci_config config;
	struct viommu_pci other;

	(void)state;
	pci_setup(w);
	config = pci_world_config(w);
	assert_int_equal(viommu_pci_init(&other, &config), VIOMMU_E_ARG);
	w->regs.interrupts = NULL;
	assert_int_equal(init(&config), VIOMMU_E_ARG);
}

/* Configuration space */

/* The header and the capabilities, after a reset. */
static const uint8_t golden[256] = {
	/* 00 */ 0xf4, 0x1a, 0x57, 0x10, 0x00, 0x00, 0x10, 0x00,
	0x01,          0x00, 0x06, 0x08, 0x00, 0x00, 0x00, 0x00,
	/* 10 */ 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00,          0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	/* 20 */ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00,          0x00, 0x00, 0x00, 0xf4, 0x1a, 0x57, 0x10,
	/* 30 */ 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00,
	0x00,          0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
	/* 40 */ 0x09, 0x50, 0x10, 0x01, 0x00, 0x00, 0x00, 0x00,
	0x00,          0x00, 0x00, 0x00, 0x3c, 0x00, 0x00, 0x00,
	/* 50 */ 0x09, 0x60, 0x10, 0x03, 0x00, 0x00, 0x00, 0x00,
	0x00,          0x10, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	/* 60 */ 0x09, 0x74, 0x14, 0x02, 0x00, 0x00, 0x00, 0x00,
	0x00,          0x30, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00,
	/* 70 */ 0x04, 0x00, 0x00, 0x00, 0x09, 0x88, 0x14, 0x05,
	0x00,          0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	/* 80 */ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x09,          0x98, 0x10, 0x04, 0x00, 0x00, 0x00, 0x00,
	/* 90 */ 0x00, 0x20, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x00,
	0x11,          0x00, 0x27, 0x00, 0x02, 0x00, 0x00, 0x00,
	/* a0 */ 0x02, 0x08, 0x00, 0x00,
};

/* Which bits of it a driver can store. */
static const uint8_t writable[256] = {
	/* 00 */ 0x00, 0x00, 0x00, 0x00, 0x06, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00,          0x00, 0x00, 0x00,
	/* 10 */ 0x00, 0xc0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0xf0, 0xff, 0xff,
	0x00,          0x00, 0x00, 0x00,
	/* 20 */ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00,          0x00, 0x00, 0x00,
	/* 30 */ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0xff,          0x00, 0x00, 0x00,
	/* 40 */ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00,          0x00, 0x00, 0x00,
	/* 50 */ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00,          0x00, 0x00, 0x00,
	/* 60 */ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00,          0x00, 0x00, 0x00,
	/* 70 */ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0x00, 0x00, 0x00,
	0xff,          0xff, 0xff, 0xff,
	/* 80 */ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
	0x00,          0x00, 0x00, 0x00,
	/* 90 */ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0,
};

static bool is_window(uint32_t i)
{
	return i >= CAP_PCI + 16 && i < CAP_PCI + 20;
}

/* The image of configuration space, byte by byte. The window into the BAR reads 0: it points nowhere. */
static void assert_image(const uint8_t expected[256])
{
	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal(config_space(w, i, 1), is_window(i) ? 0 : expected[i]);
}

static bool is_access(uint32_t offset, uint32_t width)
{
	return (width == 1 || width == 2 || width == 4) && offset % width == 0;
}

/*
 * PCI-DEV-ID-01 and -02, PCI-DEV-CAP-01, PCI-DEV-COMMON-01, PCI-DEV-NOTIFY-01, PCI-DEV-ISR-01, PCI-DEV-CONFIG-01,
 * PCI-DEV-WINDOW-01, PCI-DEV-MSIX-01 and -02
 */
static void test_config_space__every_offset_and_width__reads_as_in_the_table(void **state)
{
	(void)state;
	pci_setup(w);
	for (uint32_t width = 0; width <= 9; width++) {
		for (uint32_t offset = 0; offset < 0x120; offset++) {
			uint32_t expected = UINT32_MAX;

			if (is_access(offset, width) && offset < 256) {
				expected = 0;
				for (uint32_t i = 0; i < width; i++)
					expected |= (uint32_t)golden[offset + i] << 8 * i;
			}
			assert_int_equal(config_space(w, offset, width), expected);
		}
	}
	assert_int_equal(config_space(w, UINT32_MAX - 3, 4), UINT32_MAX);
	assert_int_equal(w->looks + w->kicks + w->message_count + w->line_changes + w->bar_changes, 0);
}

static void test_config_space__every_store__changes_what_can_be_stored(void **state)
{
	uint8_t image[256];

	(void)state;
	for (uint32_t width = 0; width <= 5; width++) {
		for (uint32_t offset = 0; offset < 0x104; offset++) {
			pci_setup(w);
			memcpy(image, golden, sizeof(image));
			set_config_space(w, offset, width, UINT32_MAX);
			for (uint32_t i = offset; is_access(offset, width) && i < offset + width && i < 256; i++)
				image[i] |= writable[i];
			assert_image(image);
			/* And back. */
			set_config_space(w, offset, width, 0);
			assert_image(golden);
		}
	}
}

static void test_config_space__without_vectors_config_or_pin__not_there(void **state)
{
	struct viommu_pci_ops ops = pci_world_ops;
	struct viommu_pci_config config = pci_world_config(w);
	uint8_t image[256];

	(void)state;
	ops.msi = NULL;
	ops.set_line = NULL;
	config.ops = &ops;
	config.vectors = NULL;
	config.vector_count = 0;
	config.device_config_size = 0;
	config.subsystem_vendor = 0x1234;
	config.subsystem_id = 0x5678;
	config.is_multi_function = true;
	pci_setup_with(w, &config);
	memcpy(image, golden, sizeof(image));
	image[0x0e] = 0x80;
	memcpy(image + 0x2c, "\x34\x12\x78\x56", 4);
	image[0x3d] = 0;
	image[CAP_PCI + 1] = 0; /* the last one */
	memset(image + CAP_DEVICE, 0, 256 - CAP_DEVICE);
	assert_image(image);
	set_config_space(w, BAR(2), 4, UINT32_MAX);
	set_config_space(w, CAP_MSIX, 4, UINT32_MAX);
	assert_image(image);
	pci_power(w);
	assert_int_equal(viommu_pci_bar_read(&w->pci, 2, 0, 4), UINT64_MAX);
	viommu_pci_bar_write(&w->pci, 2, 0, 4, 1);
	assert_int_equal(bar0(w, CONFIG, 1), 0);
	/* A vector cannot be mapped. */
	set_bar0(w, CONFIG_VECTOR, 2, 0);
	assert_int_equal(bar0(w, CONFIG_VECTOR, 2), NO_VECTOR);
}

/* BARs and their decoding */

static void test_bar__sizing__reads_back_the_size(void **state)
{
	(void)state;
	pci_setup(w);
	for (uint32_t i = 0; i < 6; i++)
		set_config_space(w, BAR(i), 4, UINT32_MAX);
	assert_int_equal(config_space(w, BAR(0), 4), 0xffffc004);
	assert_int_equal(config_space(w, BAR(1), 4), UINT32_MAX);
	assert_int_equal(config_space(w, BAR(2), 4), 0xfffff000);
	assert_int_equal(config_space(w, BAR(3), 4), 0);
	assert_int_equal(config_space(w, BAR(4), 4), 0);
	assert_int_equal(config_space(w, BAR(5), 4), 0);
	assert_int_equal(w->bar_changes, 0); /* nobody decodes them yet */
}

static void test_bar__place__as_stored_while_memory_is_on(void **state)
{
	struct viommu_range range = { 1, 2 };

	(void)state;
	pci_setup(w);
	set_config_space(w, BAR(0), 4, 0xe0004000);
	set_config_space(w, BAR(1), 4, 0x12);
	set_config_space(w, BAR(2), 4, 0xfebff000);
	assert_false(viommu_pci_bar(&w->pci, 0, &range));
	assert_int_equal(w->bar_changes, 0);
	set_config_space(w, COMMAND, 2, MEMORY_ON);
	assert_int_equal(w->bar_changes, 1);
	assert_true(viommu_pci_bar(&w->pci, 0, &range));
	assert_int_equal(range.first, UINT64_C(0x12e0004000));
	assert_int_equal(range.last, UINT64_C(0x12e0007fff));
	assert_true(viommu_pci_bar(&w->pci, 2, &range));
	assert_int_equal(range.first, 0xfebff000);
	assert_int_equal(range.last, 0xfebfffff);
	assert_false(viommu_pci_bar(&w->pci, 1, &range));
	assert_false(viommu_pci_bar(&w->pci, 3, &range));
	assert_false(viommu_pci_bar(&w->pci, UINT32_MAX, &range));
	assert_int_equal(range.first, 0xfebff000); /* as it was */

	/* At the top it does not run over. */
	set_config_space(w, BAR(0), 4, UINT32_MAX);
	set_config_space(w, BAR(1), 4, UINT32_MAX);
	set_config_space(w, BAR(2), 4, UINT32_MAX);
	assert_int_equal(w->bar_changes, 4);
	set_config_space(w, BAR(2), 4, UINT32_MAX); /* the same again */
	assert_int_equal(w->bar_changes, 4);
	assert_true(viommu_pci_bar(&w->pci, 0, &range));
	assert_int_equal(range.last, UINT64_MAX);
	assert_true(viommu_pci_bar(&w->pci, 2, &range));
	assert_int_equal(range.last, UINT32_MAX);
	set_config_space(w, COMMAND, 2, 0);
	assert_int_equal(w->bar_changes, 5);
	set_config_space(w, COMMAND, 2, INTX_OFF);
	assert_int_equal(w->bar_changes, 5);
}

static void test_bar__nobody_wants_to_know__not_told(void **state)
{
	struct viommu_pci_ops ops = pci_world_ops;
	struct viommu_pci_config config = pci_world_config(w);

	(void)state;
	ops.bars_changed = NULL;
	config.ops = &ops;
	pci_setup_with(w, &config);
	pci_power(w);
	set_config_space(w, BAR(0), 4, 0xe0000000);
	viommu_pci_reset(&w->pci);
	assert_int_equal(w->bar_changes, 0);
}

static void test_bar__memory_off__ones_and_nothing_stored(void **state)
{
	(void)state;
	pci_setup(w);
	assert_int_equal(viommu_pci_bar_read(&w->pci, 0, QUEUE_COUNT, 2), UINT64_MAX);
	set_bar0(w, DEVICE_STATUS, 1, ACKNOWLEDGE);
	set_bar2(w, ENTRY(0) + 8, 0x1234);
	pci_power(w);
	assert_int_equal(bar0(w, QUEUE_COUNT, 2), QUEUES);
	assert_int_equal(bar0(w, DEVICE_STATUS, 1), 0);
	assert_int_equal(bar2(w, ENTRY(0) + 8), 0);
	assert_int_equal(viommu_pci_bar_read(&w->pci, 1, 0, 4), UINT64_MAX);
	viommu_pci_bar_write(&w->pci, 1, 0, 4, 0);
}

/* BAR 0 */

struct field {
	uint32_t offset;
	uint32_t width;
	uint32_t at_reset;
	uint32_t stored; /* what all ones leave there, before anything else is set up */
};

/* ("Common configuration structure layout") */
static const struct field fields[] = {
	{ FEATURES_SELECT, 4, 0, UINT32_MAX },
	{ FEATURES, 4, 0x3000002d, 0x3000002d }, /* INDIRECT_DESC and EVENT_IDX, and the class's */
	{ DRIVER_FEATURES_SELECT, 4, 0, UINT32_MAX },
	{ DRIVER_FEATURES, 4, 0, 0 }, /* not before DRIVER */
	{ CONFIG_VECTOR, 2, NO_VECTOR, NO_VECTOR },
	{ QUEUE_COUNT, 2, QUEUES, QUEUES },
	{ DEVICE_STATUS, 1, 0, 0x83 }, /* ACKNOWLEDGE, DRIVER, FAILED: no features were accepted */
	{ GENERATION, 1, 0, 0 },
	{ SELECT, 2, 0, 0xffff },
	{ SIZE, 2, QUEUE_SIZE, 0 },
	{ QUEUE_VECTOR, 2, NO_VECTOR, NO_VECTOR },
	{ ENABLE, 2, 0, 0 },
	{ NOTIFY_OFF, 2, 0, 0 },
	{ DESC, 4, 0, UINT32_MAX },
	{ DESC + 4, 4, 0, UINT32_MAX },
	{ AVAIL, 4, 0, UINT32_MAX },
	{ AVAIL + 4, 4, 0, UINT32_MAX },
	{ USED, 4, 0, UINT32_MAX },
	{ USED + 4, 4, 0, UINT32_MAX },
	{ QUEUE_RESET, 2, 0, 0 }, /* not without RING_RESET */
};

static const struct field *field_at(uint32_t offset, uint32_t width)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].offset == offset && fields[i].width == width)
			return &fields[i];
	}
	return NULL;
}

/* What a naturally aligned read of up to 4 bytes finds after a reset. */
static uint64_t expected_at(uint32_t offset, uint32_t width)
{
	const struct field *f = field_at(offset, width);
	uint64_t value = 0;

	if (!is_access(offset, width))
		return 0;
	if (f != NULL)
		return f->at_reset;
	if (offset < CONFIG || offset + width > CONFIG + CONFIG_SIZE)
		return 0;
	for (uint32_t i = 0; i < width; i++)
		value |= (uint64_t)w->fake.config[offset - CONFIG + i] << 8 * i;
	return value;
}

static void test_bar0__every_offset_and_width__reads_as_in_the_table(void **state)
{
	(void)state;
	pci_setup(w);
	pci_power(w);
	for (uint32_t width = 0; width <= 17; width++) {
		for (uint32_t offset = 0; offset < 0x4010; offset++) {
			uint64_t expected = expected_at(offset, width);

			if (width == 8 && offset % 8 == 0)
				expected = expected_at(offset, 4) | expected_at(offset + 4, 4) << 32;
			assert_int_equal(viommu_pci_bar_read(&w->pci, 0, offset, width), expected);
		}
	}
	assert_true(viommu_pci_check(&w->pci));
}

/* An offset that is a register if it is cut to 32 or to 14 bits. */
static void test_bar0__offset_far_behind_the_end__reads_zero_and_stores_nothing(void **state)
{
	static const uint64_t far[] = { UINT64_C(0x100000000), UINT64_C(0xffffffff00000000), 0x4000, 0x80000000 };
	static struct pci_world before;

	(void)state;
	pci_setup(w);
	pci_power(w);
	pci_negotiate(w);
	before = *w;
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		for (uint32_t offset = 0; offset < 0x4000; offset += 2) {
			assert_int_equal(viommu_pci_bar_read(&w->pci, 0, far[i] + offset, 2), 0);
			viommu_pci_bar_write(&w->pci, 0, far[i] + offset, 2, 0);
		}
		assert_int_equal(viommu_pci_bar_read(&w->pci, 0, far[i] + DEVICE_STATUS, 1), 0);
		assert_int_equal(viommu_pci_bar_read(&w->pci, 0, far[i] + CONFIG, 8), 0);
		viommu_pci_bar_write(&w->pci, 0, far[i] + DEVICE_STATUS, 1, 0);
	}
	assert_int_equal(viommu_pci_bar_read(&w->pci, 0, UINT64_MAX - 7, 8), 0);
	assert_memory_equal(w, &before, sizeof(before));
}

/* Is there anything that a store of ones can have an effect on? */
static bool is_writable(uint32_t offset, uint32_t width)
{
	if (!is_access(offset, width))
		return false;
	if (offset < 0x1000)
		return field_at(offset, width) != NULL;
	if (offset < CONFIG)
		return false;
	return offset < NOTIFY ? offset + width <= CONFIG + CONFIG_SIZE
			       : width != 1 && offset % 4 == 0 && offset < NOTIFY + 4 * QUEUES;
}

static void test_bar0__every_store_that_is_none__changes_nothing(void **state)
{
	static struct pci_world before;

	(void)state;
	pci_setup(w);
	pci_power(w);
	pci_negotiate(w);
	before = *w;
	for (uint32_t width = 0; width <= 17; width++) {
		for (uint32_t offset = 0; offset < 0x4010; offset++) {
			if (is_writable(offset, width) || (width == 8 && offset % 8 == 0))
				continue;
			viommu_pci_bar_write(&w->pci, 0, offset, width, UINT64_MAX);
			assert_memory_equal(w, &before, sizeof(before));
		}
	}
}

static void test_bar0__every_field__stores_as_in_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *f = &fields[i];

		pci_setup(w);
		pci_power(w);
		set_bar0(w, f->offset, f->width, UINT64_MAX);
		assert_int_equal(bar0(w, f->offset, f->width), f->stored);
		/* The others are as they were, where they are not shown through a selector. */
		if (f->offset == FEATURES_SELECT || f->offset == DRIVER_FEATURES_SELECT || f->offset == SELECT)
			continue;
		for (size_t k = 0; k < sizeof(fields) / sizeof(fields[0]); k++) {
			if (k != i)
				assert_int_equal(bar0(w, fields[k].offset, fields[k].width), fields[k].at_reset);
		}
	}
}

/* PCI-DEV-COMMON-02, PCI-DEV-COMMON-08 */
static void test_bar0__selector_out_of_range__reads_zero_and_stores_nothing(void **state)
{
	(void)state;
	pci_setup(w);
	pci_power(w);
	set_bar0(w, FEATURES_SELECT, 4, 2);
	assert_int_equal(bar0(w, FEATURES, 4), 0);
	set_bar0(w, SELECT, 2, QUEUES);
	assert_int_equal(bar0(w, SIZE, 2), 0);
	assert_int_equal(bar0(w, NOTIFY_OFF, 2), 0);
	assert_int_equal(bar0(w, QUEUE_VECTOR, 2), NO_VECTOR);
	set_bar0(w, SIZE, 2, 8);
	set_bar0(w, DESC, 8, UINT64_MAX);
	assert_int_equal(bar0(w, SIZE, 2), 0);
	assert_int_equal(bar0(w, DESC, 4), 0);
	for (uint32_t q = 0; q < QUEUES; q++) {
		set_bar0(w, SELECT, 2, q);
		assert_int_equal(bar0(w, SIZE, 2), QUEUE_SIZE);
		assert_int_equal(bar0(w, DESC, 4), 0);
		assert_int_equal(bar0(w, NOTIFY_OFF, 2), q);
	}
}

/* Every number that a selector or the place of a kick can name. An emulator took one for an index before it looked. */
static void test_bar0__every_queue_number__only_those_that_are_there(void **state)
{
	static const struct {
		uint32_t offset, width;
	} stores[] = { { SIZE, 2 },      { QUEUE_VECTOR, 2 }, { DESC, 4 },     { DESC + 4, 4 }, { AVAIL, 4 },
		       { AVAIL + 4, 4 }, { USED, 4 },         { USED + 4, 4 }, { ENABLE, 2 },   { QUEUE_RESET, 2 } };
	static struct pci_world before;

	(void)state;
	pci_setup(w);
	pci_power(w);
	pci_go_live(w);
	for (uint32_t number = QUEUES; number <= UINT16_MAX; number++) {
		set_bar0(w, SELECT, 2, number);
		before = *w;
		for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
			viommu_pci_bar_write(&w->pci, 0, stores[i].offset, stores[i].width, 1);
			assert_int_equal(viommu_pci_bar_read(&w->pci, 0, stores[i].offset, stores[i].width),
					 stores[i].offset == QUEUE_VECTOR ? NO_VECTOR : 0);
		}
		viommu_pci_bar_write(&w->pci, 0, NOTIFY + UINT64_C(4) * number, 2, number);
		w->looks = before.looks; /* QUEUE_RESET was stored */
		assert_memory_equal(w, &before, sizeof(before));
	}
}

/* A small hypervisor let a running queue be moved and resized, and wrote outside of it. */
static void test_bar0__queue_stored_after_driver_ok__stays_as_it_is(void **state)
{
	static struct pci_world before;

	(void)state;
	pci_setup(w);
	pci_power(w);
	pci_go_live(w);
	for (uint32_t queue = 0; queue < QUEUES; queue++) {
		static const uint32_t values[] = { 0, 1, 2, 8, 15, 17, 0x8000, UINT32_MAX };

		set_bar0(w, SELECT, 2, queue);
		before = *w;
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			viommu_pci_bar_write(&w->pci, 0, SIZE, 2, values[i]);
			for (uint32_t offset = DESC; offset < USED + 8; offset += 4)
				viommu_pci_bar_write(&w->pci, 0, offset, 4, values[i]);
			if (values[i] != 0)
				viommu_pci_bar_write(&w->pci, 0, ENABLE, 2, values[i]);
		}
		w->looks = before.looks; /* ENABLE was stored */
		assert_memory_equal(w, &before, sizeof(before));
	}
}

/* PCI-DEV-COMMON-08 */
static void test_bar0__queue_size_that_is_none__queue_is_unavailable(void **state)
{
	(void)state;
	pci_setup(w);
	pci_power(w);
	pci_negotiate(w);
	set_bar0(w, DESC, 8, RAM_FIRST);
	set_bar0(w, AVAIL, 8, RAM_FIRST + 0x400);
	set_bar0(w, USED, 8, RAM_FIRST + 0x800);
	set_bar0(w, SIZE, 2, 3);
	assert_int_equal(bar0(w, SIZE, 2), 0);
	set_bar0(w, ENABLE, 2, 1);
	assert_int_equal(bar0(w, ENABLE, 2), 0);
	set_bar0(w, SIZE, 2, 8);
	assert_int_equal(bar0(w, SIZE, 2), 8);
	set_bar0(w, ENABLE, 2, 1);
	assert_int_equal(bar0(w, ENABLE, 2), 1);
	assert_int_equal(w->queues[0].size, 8);
}

/* PCI-DEV-COMMON-03 */
static void test_bar0__features_refused__features_ok_does_not_stick(void **state)
{
	(void)state;
	pci_setup(w);
	pci_power(w);
	set_bar0(w, DEVICE_STATUS, 1, ACKNOWLEDGE | DRIVER);
	set_bar0(w, DRIVER_FEATURES, 4, OFFERED | 2); /* 2 is not on offer */
	set_bar0(w, DRIVER_FEATURES_SELECT, 4, 1);
	set_bar0(w, DRIVER_FEATURES, 4, 1);
	set_bar0(w, DEVICE_STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	assert_int_equal(bar0(w, DEVICE_STATUS, 1), ACKNOWLEDGE | DRIVER);
	assert_int_equal(w->looks, 2); /* for each store of a status */
}

static void test_bar0__life__queues_get_what_was_stored(void **state)
{
	(void)state;
	pci_setup(w);
	pci_power(w);
	pci_go_live(w);
	for (uint32_t q = 0; q < QUEUES; q++) {
		assert_int_equal(viommu_virtq_device_state(&w->queues[q]), VIOMMU_VIRTQ_READY);
		assert_int_equal(w->queues[q].size, QUEUE_SIZE);
	}
	/* The layout of a queue that is in use stays. */
	set_bar0(w, SIZE, 2, 8);
	set_bar0(w, DESC, 4, 0);
	assert_int_equal(bar0(w, SIZE, 2), QUEUE_SIZE);
	assert_int_equal(bar0(w, DESC, 4), RAM_FIRST + 0x1000);
	/* A driver must not disable one. If it does, it is off when the register says so. */
	w->fake.settled = false;
	w->looks = 0;
	set_bar0(w, ENABLE, 2, 0);
	assert_int_equal(w->looks, 1);
	assert_int_equal(bar0(w, ENABLE, 2), 1);
	assert_int_equal(viommu_virtq_device_state(&w->queues[1]), VIOMMU_VIRTQ_OFF);
	w->fake.settled = true;
	assert_int_equal(bar0(w, ENABLE, 2), 0);
	assert_int_equal(viommu_virtq_device_state(&w->queues[0]), VIOMMU_VIRTQ_READY);
}

static void test_notify__place_and_value__told(void **state)
{
	(void)state;
	pci_setup(w);
	pci_power(w);
	set_bar0(w, NOTIFY, 2, 0x12340000);
	assert_int_equal(w->kicks, 1);
	assert_int_equal(w->kicked, 0);
	assert_int_equal(w->kick_value, 0); /* two bytes of it */
	set_bar0(w, NOTIFY + 4, 2, 1);
	assert_int_equal(w->kicks, 2);
	assert_int_equal(w->kicked, 1);
	assert_int_equal(w->kick_value, 1);
	set_bar0(w, NOTIFY + 4, 4, 0x80070001);
	assert_int_equal(w->kicks, 3);
	assert_int_equal(w->kick_value, 0x80070001);
	/* The place counts, whatever the value says. */
	set_bar0(w, NOTIFY, 4, 0x1);
	assert_int_equal(w->kicked, 0);
	assert_int_equal(w->kicks, 4);
	/* One store is not a kick of two queues; no width but 2 and 4 is one of any. */
	set_bar0(w, NOTIFY, 8, UINT64_C(0x300000002));
	set_bar0(w, NOTIFY, 1, 0);
	assert_int_equal(w->kicks, 4);
	assert_int_equal(w->looks, 0);
}

/* PCI-DEV-ACC-01 */
static void test_device_config__store__reaches_the_class(void **state)
{
	(void)state;
	pci_setup(w);
	pci_power(w);
	set_bar0(w, CONFIG + 9, 1, 0xab);
	assert_int_equal(w->fake.config[9], 0xab);
	assert_int_equal(w->fake.config_len, 1);
	set_bar0(w, CONFIG, 8, UINT64_C(0x8070605040302010));
	assert_int_equal(w->fake.config_offset, 4); /* the upper half was the last one */
	assert_memory_equal(w->fake.config, "\x10\x20\x30\x40\x50\x60\x70\x80", 8);
	/* The owner hears of both at once. */
	assert_int_equal(w->looks, 2);
	assert_memory_equal(w->config_seen, w->fake.config, 8);
	/* What does not fit is not stored in part. */
	set_bar0(w, CONFIG + 8, 4, 0);
	assert_int_equal(w->fake.config[8], 0x99);
	assert_int_equal(w->looks, 2);
}

/* PCI-DEV-COMMON-04. A driver that reads until the generation stays the same is right, however often it changes. */
static void test_generation__any_number_of_changes__differs_after_a_read(void **state)
{
	(void)state;
	pci_setup(w);
	pci_power(w);
	for (uint32_t changes = 1; changes <= 600; changes++) {
		uint32_t before = bar0(w, GENERATION, 1);

		(void)bar0(w, CONFIG, 4);
		assert_int_equal(bar0(w, GENERATION, 1), before);
		for (uint32_t i = 0; i < changes; i++)
			viommu_registers_config_changed(&w->regs);
		(void)bar0(w, CONFIG, 4);
		assert_int_not_equal(bar0(w, GENERATION, 1), before);
	}
}

/* The window in configuration space */

static uint32_t window_read(uint32_t offset, uint32_t width)
{
	set_config_space(w, CAP_PCI + 8, 4, offset);
	set_config_space(w, CAP_PCI + 12, 4, width);
	return config_space(w, CAP_PCI + 16, 4);
}

static void window_write(uint32_t offset, uint32_t width, uint32_t value)
{
	set_config_space(w, CAP_PCI + 8, 4, offset);
	set_config_space(w, CAP_PCI + 12, 4, width);
	set_config_space(w, CAP_PCI + 16, 4, value);
}

/* PCI-DEV-WINDOW-02 and -03 */
static void test_window__all_structures__without_memory_space(void **state)
{
	(void)state;
	pci_setup(w);
	assert_int_equal(window_read(QUEUE_COUNT, 2), QUEUES);
	assert_int_equal(window_read(CONFIG + 9, 1), 0xaa);
	assert_int_equal(window_read(CONFIG, 4), 0x44332211);
	window_write(DEVICE_STATUS, 1, 0xffffff00 | ACKNOWLEDGE);
	assert_int_equal(window_read(DEVICE_STATUS, 1) & 0xff, ACKNOWLEDGE);
	window_write(NOTIFY + 4, 2, 1);
	assert_int_equal(w->kicks, 1);
	assert_int_equal(w->kicked, 1);
	/* Reading the ISR acknowledges, through this window too. */
	viommu_registers_interrupt(&w->regs, 0);
	assert_true(w->line);
	assert_int_equal(window_read(ISR, 1) & 0xff, VIOMMU_INTERRUPT_USED);
	assert_false(w->line);
}

static void test_window__any_byte__moves_the_piece(void **state)
{
	(void)state;
	pci_setup(w);
	window_write(SELECT, 2, 0);
	set_config_space(w, CAP_PCI + 17, 1, 0x01);
	assert_int_equal(window_read(SELECT, 2) & 0xffff, 0x0100);
	set_config_space(w, CAP_PCI + 16, 1, 0x01);
	assert_int_equal(config_space(w, CAP_PCI + 16, 2), 0x0101);
	assert_int_equal(config_space(w, CAP_PCI + 17, 1), 0x01);
}

static void test_window__nowhere__reads_zero_and_stores_nothing(void **state)
{
	static const struct {
		uint32_t bar, offset, width;
	} nowhere[] = {
		{ 1, QUEUE_COUNT, 2 }, { 2, 0, 4 },       { 0xff, QUEUE_COUNT, 2 },  { 0, QUEUE_COUNT, 0 },
		{ 0, QUEUE_COUNT, 3 }, { 0, CONFIG, 8 },  { 0, CONFIG + 2, 4 },      { 0, 0x4000, 4 },
		{ 0, 0xfffffffc, 4 },  { 0, CONFIG, 12 }, { 0, CONFIG, UINT32_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		pci_setup(w);
		pci_power(w);
		set_config_space(w, CAP_PCI + 4, 4, nowhere[i].bar);
		assert_int_equal(window_read(nowhere[i].offset, nowhere[i].width), 0);
		window_write(nowhere[i].offset, nowhere[i].width, UINT32_MAX);
		assert_int_equal(bar2(w, 0), 0);
		assert_int_equal(w->fake.config[0], 0x11);
		assert_int_equal(w->looks + w->kicks, 0);
	}
}

/* Bus mastering */

static void test_bus_master__switched_on__device_has_to_look(void **state)
{
	(void)state;
	pci_setup(w);
	assert_false(viommu_pci_is_bus_master(&w->pci));
	set_config_space(w, COMMAND, 2, MEMORY_ON);
	assert_false(viommu_pci_is_bus_master(&w->pci));
	assert_int_equal(w->looks, 0);
	set_config_space(w, COMMAND, 2, MEMORY_ON | MASTER_ON);
	assert_true(viommu_pci_is_bus_master(&w->pci));
	assert_int_equal(w->looks, 1);
	set_config_space(w, COMMAND, 2, MASTER_ON);
	assert_int_equal(w->looks, 1);
	set_config_space(w, COMMAND, 2, 0);
	assert_false(viommu_pci_is_bus_master(&w->pci));
	assert_int_equal(w->looks, 1);
}

/* Resets */

/* PCI-DEV-COMMON-07 */
static void test_queue_reset__negotiated__reads_1_until_it_is_done(void **state)
{
	(void)state;
	pci_setup(w);
	w->regs.offered_ring |= VIOMMU_F_RING_RESET;
	pci_power(w);
	pci_go_live(w);
	set_bar0(w, SELECT, 2, 1);
	set_bar0(w, QUEUE_RESET, 2, 2);
	assert_int_equal(w->fake.queue_resets, 0);
	w->fake.settled = false;
	w->looks = 0;
	set_bar0(w, QUEUE_RESET, 2, 1);
	assert_int_equal(w->fake.queue_resets, 1);
	assert_int_equal(w->looks, 1);
	assert_int_equal(bar0(w, QUEUE_RESET, 2), 1);
	w->fake.settled = true;
	assert_int_equal(bar0(w, QUEUE_RESET, 2), 0);
	assert_int_equal(bar0(w, ENABLE, 2), 0);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].offset >= SIZE && fields[i].offset != NOTIFY_OFF) /* GEN-DEV-VQRESET-02 */
			assert_int_equal(bar0(w, fields[i].offset, fields[i].width), fields[i].at_reset);
	}
	pci_enable_queue(w, 1);
	assert_int_equal(viommu_virtq_device_state(&w->queues[0]), VIOMMU_VIRTQ_READY);
}

/* PCI-DEV-COMMON-05 and -06, PCI-DEV-MSIX-05. GEN-DEV-RESET-01 */
static void test_device_reset__status_zero__registers_as_after_init_and_the_function_as_it_was(void **state)
{
	(void)state;
	pci_setup(w);
	pci_power(w);
	set_config_space(w, BAR(0), 4, 0xe0000000);
	pci_use_msix(w);
	pci_go_live(w);
	w->fake.settled = false;
	set_bar0(w, DEVICE_STATUS, 1, 0);
	assert_int_equal(bar0(w, DEVICE_STATUS, 1), NEEDS_RESET);
	set_bar0(w, SELECT, 2, 1);
	assert_int_equal(bar0(w, SELECT, 2), 0); /* nothing is stored meanwhile */
	assert_int_equal(bar0(w, ENABLE, 2), 1); /* something may go on */
	w->fake.settled = true;
	assert_int_equal(bar0(w, DEVICE_STATUS, 1), 0);
	assert_int_equal(w->fake.resets, 1);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		assert_int_equal(bar0(w, fields[i].offset, fields[i].width), fields[i].at_reset);
	assert_int_equal(config_space(w, BAR(0), 4), 0xe0000004);
	assert_int_equal(config_space(w, COMMAND, 2), MEMORY_ON | MASTER_ON);
	assert_int_equal(config_space(w, MSIX_CONTROL, 2), MSIX_ON | (VECTORS - 1));
	assert_int_equal(bar2(w, ENTRY(3) + 8), 0x1003);
	pci_go_live(w);
}

static void test_function_reset__any_state__as_after_init(void **state)
{
	(void)state;
	pci_setup(w);
	pci_power(w);
	for (uint32_t offset = 0; offset < 256; offset += 4)
		set_config_space(w, offset, 4, UINT32_MAX);
	set_config_space(w, COMMAND, 2, MEMORY_ON | MASTER_ON);
	pci_use_msix(w);
	pci_go_live(w);
	w->bar_changes = 0;
	viommu_pci_reset(&w->pci);
	assert_true(viommu_pci_check(&w->pci));
	assert_int_equal(w->bar_changes, 1);
	assert_int_equal(w->fake.resets, 1);
	assert_image(golden);
	pci_power(w);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		assert_int_equal(bar0(w, fields[i].offset, fields[i].width), fields[i].at_reset);
	for (uint32_t i = 0; i < VECTORS; i++) {
		assert_int_equal(bar2(w, ENTRY(i)), 0);
		assert_int_equal(bar2(w, ENTRY(i) + 4), 0);
		assert_int_equal(bar2(w, ENTRY(i) + 8), 0);
		assert_int_equal(bar2(w, ENTRY(i) + 12), 1);
	}
	pci_go_live(w);
}

static void test_function_reset__while_a_device_reset_is_going_on__one_reset(void **state)
{
	(void)state;
	pci_setup(w);
	pci_power(w);
	w->fake.settled = false;
	set_bar0(w, DEVICE_STATUS, 1, 0);
	viommu_registers_interrupt(&w->regs, 0); /* of a class that does not know better */
	viommu_pci_reset(&w->pci);
	assert_int_equal(w->fake.resets, 1);
	assert_false(w->line);
	w->bar_changes = 0;
	viommu_pci_reset(&w->pci); /* the memory space is off already */
	assert_int_equal(w->bar_changes, 0);
	w->fake.settled = true;
	pci_power(w);
	assert_int_equal(bar0(w, DEVICE_STATUS, 1), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init__unknown_struct_size__abi),
		cmocka_unit_test(test_init__missing_part__arg),
		cmocka_unit_test(test_init__number_out_of_range__arg),
		cmocka_unit_test(test_init__interrupts_wired_to_somebody_else__arg),
		cmocka_unit_test(test_config_space__every_offset_and_width__reads_as_in_the_table),
		cmocka_unit_test(test_config_space__every_store__changes_what_can_be_stored),
		cmocka_unit_test(test_config_space__without_vectors_config_or_pin__not_there),
		cmocka_unit_test(test_bar__sizing__reads_back_the_size),
		cmocka_unit_test(test_bar__place__as_stored_while_memory_is_on),
		cmocka_unit_test(test_bar__nobody_wants_to_know__not_told),
		cmocka_unit_test(test_bar__memory_off__ones_and_nothing_stored),
		cmocka_unit_test(test_bar0__every_offset_and_width__reads_as_in_the_table),
		cmocka_unit_test(test_bar0__offset_far_behind_the_end__reads_zero_and_stores_nothing),
		cmocka_unit_test(test_bar0__every_store_that_is_none__changes_nothing),
		cmocka_unit_test(test_bar0__every_field__stores_as_in_the_table),
		cmocka_unit_test(test_bar0__selector_out_of_range__reads_zero_and_stores_nothing),
		cmocka_unit_test(test_bar0__every_queue_number__only_those_that_are_there),
		cmocka_unit_test(test_bar0__queue_stored_after_driver_ok__stays_as_it_is),
		cmocka_unit_test(test_bar0__queue_size_that_is_none__queue_is_unavailable),
		cmocka_unit_test(test_bar0__features_refused__features_ok_does_not_stick),
		cmocka_unit_test(test_bar0__life__queues_get_what_was_stored),
		cmocka_unit_test(test_notify__place_and_value__told),
		cmocka_unit_test(test_device_config__store__reaches_the_class),
		cmocka_unit_test(test_generation__any_number_of_changes__differs_after_a_read),
		cmocka_unit_test(test_window__all_structures__without_memory_space),
		cmocka_unit_test(test_window__any_byte__moves_the_piece),
		cmocka_unit_test(test_window__nowhere__reads_zero_and_stores_nothing),
		cmocka_unit_test(test_bus_master__switched_on__device_has_to_look),
		cmocka_unit_test(test_queue_reset__negotiated__reads_1_until_it_is_done),
		cmocka_unit_test(test_device_reset__status_zero__registers_as_after_init_and_the_function_as_it_was),
		cmocka_unit_test(test_function_reset__any_state__as_after_init),
		cmocka_unit_test(test_function_reset__while_a_device_reset_is_going_on__one_reset),
	};

	return suite_run(tests);
}
