/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's side of virtio-pci against the library's own device, and against functions that lie in their
 * capabilities. Whatever they say: no access outside of a BAR, and a bounded number of them.
 */
#include "pci_fixture.h"

#include <viommu/transport/pci_driver.h>

#include "sim/random.h"

#define FUNCTION 0x00120010u
#define NO_SIZE 12u       /* that a test asks for all the same */
#define ACCESSES_MAX 300u /* of viommu_pci_driver_init */

/* A function that is 64 registers, which nobody stores to but through `writes`; its BARs are memory. */
static struct liar {
	uint32_t config[64];
	uint32_t writes;
	uint8_t bars[VIOMMU_PCI_BARS][0x4000];
	struct {
		uint32_t bar, offset, width, value;
	} last_write;
} liar;

static struct pci_world world;
static struct pci_world *const w = &world;
static bool honest; /* who answers: the world, or the liar */
static unsigned accesses;
static struct viommu_pci_driver pci;
static struct viommu_pci_driver_queue queues[QUEUES];
static struct viommu_pci_bar bars[VIOMMU_PCI_BARS];
static const struct viommu_register_ops *const ops = &viommu_pci_driver_ops;

static uint32_t config_read(void *ctx, uint32_t function, uint32_t offset)
{
	assert_ptr_equal(ctx, w);
	assert_int_equal(function, FUNCTION);
	assert_true(offset % 4 == 0 && offset < 256);
	accesses++;
	return honest ? viommu_pci_config_read(&w->pci, offset, 4) : liar.config[offset / 4];
}

static void config_write(void *ctx, uint32_t function, uint32_t offset, uint32_t value)
{
	assert_ptr_equal(ctx, w);
	assert_int_equal(function, FUNCTION);
	assert_true(offset % 4 == 0 && offset < 256);
	accesses++;
	liar.writes++;
	if (honest)
		viommu_pci_config_write(&w->pci, offset, 4, value);
}

static void assert_inside(const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width)
{
	assert_true(width == 1 || width == 2 || width == 4);
	assert_int_equal(offset % width, 0);
	assert_true(bar->number < VIOMMU_PCI_BARS && offset < bar->size && width <= bar->size - offset);
	assert_true(bar->size == bars[bar->number].size && bar->address == bars[bar->number].address);
	accesses++;
}

static uint32_t bar_read(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width)
{
	uint32_t value = 0;

	assert_ptr_equal(ctx, w);
	assert_inside(bar, offset, width);
	if (honest)
		return (uint32_t)viommu_pci_bar_read(&w->pci, bar->number, offset, width);
	for (uint32_t i = 0; i < width; i++)
		value |= (uint32_t)liar.bars[bar->number][(offset + i) % 0x4000] << 8 * i;
	return value;
}

/* What a driver must not store to the common configuration, whoever asks it to. */
static void judge_common(uint32_t offset, uint32_t width, uint32_t value)
{
	static const uint8_t widths[0x3c] = { [FEATURES_SELECT] = 4,
					      [DRIVER_FEATURES_SELECT] = 4,
					      [DRIVER_FEATURES] = 4,
					      [CONFIG_VECTOR] = 2,
					      [DEVICE_STATUS] = 1,
					      [SELECT] = 2,
					      [SIZE] = 2,
					      [QUEUE_VECTOR] = 2,
					      [ENABLE] = 2,
					      [DESC] = 4,
					      [DESC + 4] = 4,
					      [AVAIL] = 4,
					      [AVAIL + 4] = 4,
					      [USED] = 4,
					      [USED + 4] = 4,
					      [QUEUE_RESET] = 2 };

	assert_int_equal(widths[offset], width); /* 0: it may only be read */
	if (offset == SIZE)
		assert_true(value != 0 && ((value & (value - 1)) == 0 || value == NO_SIZE));
	if (offset == ENABLE) {
		const struct viommu_virtq_layout *l = &w->queue_setup[w->pci.file.queue_select].layout;

		assert_int_equal(value, 1);
		assert_true(l->size == 8 && l->desc != 0 && l->avail != 0 && l->used != 0);
	}
}

static void bar_write(void *ctx, const struct viommu_pci_bar *bar, uint32_t offset, uint32_t width, uint32_t value)
{
	assert_ptr_equal(ctx, w);
	assert_inside(bar, offset, width);
	liar.last_write.bar = bar->number;
	liar.last_write.offset = offset;
	liar.last_write.width = width;
	liar.last_write.value = value;
	if (honest) {
		if (bar->number == 0 && offset < 0x3c)
			judge_common(offset, width, value);
		/* Nobody may send half an entry. */
		assert_true(bar->number != 2 || offset % 16 == 12 || w->vectors[offset / 16].masked);
		viommu_pci_bar_write(&w->pci, bar->number, offset, width, value);
		assert_true(viommu_pci_check(&w->pci));
		return;
	}
	for (uint32_t i = 0; i < width; i++)
		liar.bars[bar->number][(offset + i) % 0x4000] = (uint8_t)(value >> 8 * i);
}

static const struct viommu_pci_accessors accessors = {
	.size = sizeof(struct viommu_pci_accessors),
	.config_read = config_read,
	.config_write = config_write,
	.bar_read = bar_read,
	.bar_write = bar_write,
};

static struct viommu_pci_driver_config default_config(void)
{
	struct viommu_pci_driver_config config = VIOMMU_PCI_DRIVER_CONFIG_INIT;

	config.function = FUNCTION;
	config.bars = bars;
	config.queues = queues;
	config.queue_count = QUEUES;
	config.accessors = &accessors;
	config.ctx = w;
	return config;
}

static enum viommu_result init(void)
{
	struct viommu_pci_driver_config config = default_config();
	enum viommu_result result;

	memset(&pci, 0xa5, sizeof(pci));
	accesses = 0;
	result = viommu_pci_driver_init(&pci, &config);
	assert_true(accesses <= ACCESSES_MAX);
	return result;
}

static void no_bars(void)
{
	for (uint32_t i = 0; i < VIOMMU_PCI_BARS; i++)
		bars[i] = (struct viommu_pci_bar){ .number = (uint8_t)i, .address = 0x10000 * i };
}

/* The library's device, with memory and bus mastering on. */
static void setup(void)
{
	honest = true;
	pci_setup(w);
	pci_power(w);
	no_bars();
	bars[0].size = VIOMMU_PCI_BAR_VIRTIO_SIZE;
	bars[2].size = VIOMMU_PCI_BAR_MSIX_SIZE;
	assert_int_equal(init(), VIOMMU_OK);
}

/* The registers that the library's device shows, to be spoiled. BAR 0 is all it has; BAR 4 would be there. */
static void setup_liar(void)
{
	setup();
	honest = false;
	for (uint32_t i = 0; i < 64; i++)
		liar.config[i] = viommu_pci_config_read(&w->pci, 4 * i, 4);
	memset(liar.bars, 0, sizeof(liar.bars));
	bars[4].size = 0x1000;
}

/* Init */

static void test_init__unknown_struct_size__abi(void **state)
{
	struct viommu_pci_driver_config config;
	struct viommu_pci_accessors other = accessors;

	(void)state;
	setup();
	config = default_config();
	config.size++;
	assert_int_equal(viommu_pci_driver_init(&pci, &config), VIOMMU_E_ABI);
	config = default_config();
	config.accessors = &other;
	other.size--;
	assert_int_equal(viommu_pci_driver_init(&pci, &config), VIOMMU_E_ABI);
}

static void test_init__something_missing__arg(void **state)
{
	static const size_t functions[] = { offsetof(struct viommu_pci_accessors, config_read),
					    offsetof(struct viommu_pci_accessors, config_write),
					    offsetof(struct viommu_pci_accessors, bar_read),
					    offsetof(struct viommu_pci_accessors, bar_write) };
	struct viommu_pci_driver_config config;
	struct viommu_pci_accessors other;

	(void)state;
	setup();
#define REFUSED(change)                                                                                                \
	do {                                                                                                           \
		config = default_config();                                                                             \
		config.change;                                                                                         \
		assert_int_equal(viommu_pci_driver_init(&pci, &config), VIOMMU_E_ARG);                                 \
	} while (0)
	REFUSED(bars = NULL);
	REFUSED(queues = NULL);
	REFUSED(accessors = NULL);
	REFUSED(queue_count = 0);
	REFUSED(device_id = 0);
	REFUSED(device_id = 64);
	bars[2].number = 3;
	REFUSED(device_id = 23);
	bars[2].size = 0;
	assert_int_equal(init(), VIOMMU_OK); /* what is not there needs no number */
	setup();
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		other = accessors;
		memset((char *)&other + functions[i], 0, sizeof(other.config_write));
		REFUSED(accessors = &other);
	}
}

/* PCI-DRV-CAP-06 */
static void test_init__honest_device__finds_the_structures(void **state)
{
	(void)state;
	liar.writes = 0;
	setup();
	assert_int_equal(liar.writes, 0);
	assert_int_equal(viommu_pci_driver_vector_count(&pci), VECTORS);
	assert_int_equal(pci.common.length, 0x3c);
	assert_int_equal(pci.notify_multiplier, 4);
	assert_int_equal(pci.device.length, CONFIG_SIZE);
}

static void test_init__nobody_there__noent(void **state)
{
	(void)state;
	setup_liar();
	memset(liar.config, 0xff, sizeof(liar.config));
	assert_int_equal(init(), VIOMMU_E_NOENT);
	assert_int_equal(accesses, 1);
}

/* PCI-DRV-CAP-07 */
static void test_init__another_device_or_legacy__unsupported(void **state)
{
	(void)state;
	setup_liar();
	liar.config[0] = 0x10541af4;
	assert_int_equal(init(), VIOMMU_E_UNSUPP);
	liar.config[0] = 0x10578086;
	assert_int_equal(init(), VIOMMU_E_UNSUPP);
	liar.config[0] = 0x10571af4;
	assert_int_equal(init(), VIOMMU_OK);
	/* Without a list, and with one in which there is nothing of virtio. */
	liar.config[1] = 0;
	assert_int_equal(init(), VIOMMU_E_UNSUPP);
	liar.config[1] = 0x100000;
	liar.config[0x34 / 4] = CAP_MSIX;
	assert_int_equal(init(), VIOMMU_E_UNSUPP);
	liar.config[0x34 / 4] = 0;
	assert_int_equal(init(), VIOMMU_E_UNSUPP);
}

/* Capabilities */

static void set_link(uint32_t at, uint32_t next)
{
	liar.config[at / 4] = (liar.config[at / 4] & 0xffff00ff) | next << 8;
}

static void test_list__loops_and_links_into_the_header__peer(void **state)
{
	static const uint32_t back[] = { CAP_COMMON, CAP_ISR, CAP_NOTIFY, CAP_PCI, CAP_DEVICE, CAP_MSIX };

	(void)state;
	for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++) {
		setup_liar();
		set_link(CAP_MSIX, back[i]);
		assert_int_equal(init(), VIOMMU_E_PEER);
	}
	for (uint32_t next = 4; next < 0x40; next += 4) {
		setup_liar();
		set_link(CAP_MSIX, next);
		assert_int_equal(init(), VIOMMU_E_PEER);
	}
	setup_liar();
	liar.config[0x34 / 4] = 0x3c;
	assert_int_equal(init(), VIOMMU_E_PEER);
}

static void test_list__as_long_as_it_can_be__walked(void **state)
{
	(void)state;
	setup_liar();
	/* 48 capabilities of nobody's: there is room for no more. */
	for (uint32_t at = 64; at < 256; at += 4)
		liar.config[at / 4] = 0xab | (at + 4) << 8;
	liar.config[63] = 0xab;
	assert_int_equal(init(), VIOMMU_E_UNSUPP);
	liar.config[63] = 0xab | 0x40 << 8;
	assert_int_equal(init(), VIOMMU_E_PEER);
}

static void test_list__lowest_bits_of_links__do_not_matter(void **state)
{
	(void)state;
	setup_liar();
	liar.config[0x34 / 4] |= 0xff03;
	set_link(CAP_COMMON, CAP_ISR | 3);
	assert_int_equal(init(), VIOMMU_OK);
}

/* PCI-DRV-CAP-01. One register of a capability spoiled, so that the structure cannot be used. */
static void test_capability__cannot_be_used__as_if_not_there(void **state)
{
	static const struct {
		uint32_t at, value;
	} spoilt[] = {
		{ CAP_COMMON, 0x010f5009 },     /* too short */
		{ CAP_COMMON, 0x0a105009 },     /* of a type that is reserved */
		{ CAP_COMMON, 0x05105009 },     /* the window */
		{ CAP_COMMON + 4, 1 },          /* no such BAR */
		{ CAP_COMMON + 4, 6 },          /* a number that is reserved */
		{ CAP_COMMON + 4, 0xff },       /* the same */
		{ CAP_COMMON + 8, 2 },          /* misaligned */
		{ CAP_COMMON + 8, 0x4000 },     /* behind the end */
		{ CAP_COMMON + 8, 0x3fcc },     /* runs over the end */
		{ CAP_COMMON + 8, 0xfffffffc }, /* far behind it */
		{ CAP_COMMON + 12, 0x37 },      /* too small */
		{ CAP_COMMON + 12, 0 },         /* the same */
		{ CAP_ISR, 0x030f6009 },         { CAP_ISR + 4, 3 },
		{ CAP_ISR + 8, 0x4000 },         { CAP_ISR + 12, 0 },
		{ CAP_DEVICE + 12, 7 },          { CAP_DEVICE + 8, 0x3ffc },
		{ CAP_DEVICE, 0x040f9809 },

		{ CAP_NOTIFY, 0x02137409 }, /* without the multiplier */
		{ CAP_NOTIFY + 4, 5 },           { CAP_NOTIFY + 8, 0x3001 },
		{ CAP_NOTIFY + 8, 0x3fff },      { CAP_NOTIFY + 12, 1 },
		{ CAP_NOTIFY + 16, 3 },          { CAP_NOTIFY + 16, UINT32_MAX },
		{ CAP_NOTIFY + 16, 0x80000001 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
		setup_liar();
		liar.config[spoilt[i].at / 4] = spoilt[i].value;
		assert_int_equal(init(), VIOMMU_E_UNSUPP);
	}
}

/* PCI-DRV-CAP-04. What lies behind the six in the driver's own memory is no BAR, whatever it looks like. */
static void test_capability__bar_number_that_is_reserved__as_if_not_there(void **state)
{
	(void)state;
	for (uint32_t bar = VIOMMU_PCI_BARS; bar < 256; bar++) {
		setup_liar();
		liar.config[CAP_ISR / 4 + 1] = bar;
		liar.config[CAP_ISR / 4 + 2] = 0;
		assert_int_equal(init(), VIOMMU_E_UNSUPP);
	}
}

/* PCI-DRV-CAP-03 and -05 */
static void test_capability__unusual_and_usable__used(void **state)
{
	static const struct {
		uint32_t at, value;
	} unusual[] = {
		{ CAP_COMMON, 0x01ff5009 },      { CAP_COMMON + 8, 0x3fc8 },
		{ CAP_COMMON + 12, UINT32_MAX }, { CAP_COMMON + 4, 0xffffff04 },
		{ CAP_ISR + 8, 0x3fff },         { CAP_ISR + 12, UINT32_MAX },
		{ CAP_NOTIFY + 12, UINT32_MAX }, { CAP_NOTIFY + 8, 0x3ffe },
		{ CAP_NOTIFY + 8, 0 }, /* over another one */
		{ CAP_NOTIFY + 16, 0 },          { CAP_NOTIFY + 16, 1 },
		{ CAP_NOTIFY + 16, 0x80000000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(unusual) / sizeof(unusual[0]); i++) {
		setup_liar();
		liar.config[unusual[i].at / 4] = unusual[i].value;
		assert_int_equal(init(), VIOMMU_OK);
	}
}

/* PCI-DRV-CAP-02. "The driver SHOULD use the first instance of each virtio structure type they can support." */
static void test_capability__several_of_a_kind__first_usable_one(void **state)
{
	(void)state;
	setup_liar();
	/* Behind the others: a second ISR, which nobody wants, and a second common configuration. */
	set_link(CAP_MSIX, 0xa4);
	memcpy(&liar.config[0xa4 / 4], (uint32_t[]){ 0x0310b409, 0, 0x1800, 1 }, 16);
	memcpy(&liar.config[0xb4 / 4], (uint32_t[]){ 0x01100009, 4, 0x100, 0x38 }, 16);
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(pci.isr.offset, 0x1000);
	assert_int_equal(pci.common.bar, 0);
	/* The first one cannot be used any more. */
	bars[0].size = 0x2000;
	liar.config[CAP_DEVICE / 4 + 2] = 0x1c00;
	liar.config[CAP_COMMON / 4 + 1] = 7;
	memcpy(&liar.config[CAP_NOTIFY / 4 + 2], (uint32_t[]){ 0x1f00 }, 4);
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(pci.common.bar, 4);
	assert_int_equal(pci.common.offset, 0x100);
}

static void test_capability__at_the_end_of_the_space__only_if_it_fits(void **state)
{
	(void)state;
	setup_liar();
	set_link(CAP_MSIX, 0xf0);
	liar.config[CAP_ISR / 4 + 1] = 7;
	memcpy(&liar.config[0xf0 / 4], (uint32_t[]){ 0x03100009, 0, 0x1800, 1 }, 16);
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(pci.isr.offset, 0x1800);
	set_link(CAP_MSIX, 0xf4);
	memcpy(&liar.config[0xf4 / 4], (uint32_t[]){ 0x03100009, 0, 0x1800 }, 12);
	assert_int_equal(init(), VIOMMU_E_UNSUPP);
	/* MSI-X needs 12 bytes. */
	setup_liar();
	set_link(CAP_DEVICE, 0xf4);
	memcpy(&liar.config[0xf4 / 4], (uint32_t[]){ 0x00010011, 2, 0x802 }, 12);
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(viommu_pci_driver_vector_count(&pci), 2);
	set_link(CAP_DEVICE, 0xf8);
	memcpy(&liar.config[0xf8 / 4], (uint32_t[]){ 0x00010011, 2 }, 8);
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(viommu_pci_driver_vector_count(&pci), 0);
}

/* PCI-DRV-MSIX-01 */
static void test_msix__table_outside_of_a_bar__no_vectors(void **state)
{
	(void)state;
	setup_liar();
	liar.config[CAP_MSIX / 4 + 1] = 1;
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(viommu_pci_driver_vector_count(&pci), 0);
	liar.config[CAP_MSIX / 4 + 1] = 7;
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(viommu_pci_driver_vector_count(&pci), 0);
	liar.config[CAP_MSIX / 4 + 1] = (0x1000 - 16 * VECTORS + 8) | 2;
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(viommu_pci_driver_vector_count(&pci), 0);
	liar.config[CAP_MSIX / 4 + 1] = (0x1000 - 16 * VECTORS) | 2;
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(viommu_pci_driver_vector_count(&pci), VECTORS);
	/* A second one is not looked at. */
	set_link(CAP_MSIX, 0xa4);
	memcpy(&liar.config[0xa4 / 4], (uint32_t[]){ 0x00010011, 2, 0x802 }, 12);
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(viommu_pci_driver_vector_count(&pci), VECTORS);
}

static void test_bar__larger_than_offsets_go__cut(void **state)
{
	(void)state;
	setup_liar();
	bars[0].size = UINT64_C(1) << 40;
	liar.config[CAP_NOTIFY / 4 + 2] = 0xfffffffe;
	liar.config[CAP_NOTIFY / 4 + 3] = UINT32_MAX;
	assert_int_equal(init(), VIOMMU_E_UNSUPP);
	liar.config[CAP_NOTIFY / 4 + 2] = 0xfffffff0;
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(pci.notify.length, 15);
}

/* Registers */

/* From a reset to FEATURES_OK. */
static void negotiate(void)
{
	ops->set_status(&pci, ACKNOWLEDGE | DRIVER);
	ops->set_features(&pci, ops->get_features(&pci));
	ops->set_status(&pci, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	assert_int_equal(ops->get_status(&pci), ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

static struct viommu_virtq_layout layout(uint32_t queue)
{
	uint64_t at = RAM_FIRST + 0x1000 * queue;

	return (struct viommu_virtq_layout){ .size = 8, .desc = at, .avail = at + 0x400, .used = at + 0x800 };
}

static enum viommu_result enable(uint32_t queue)
{
	struct viommu_virtq_layout l = layout(queue);

	return ops->queue_enable(&pci, queue, &l);
}

/* PCI-DRV-NOTIFY-01, and by judge_common PCI-DRV-COMMON-01 to -03 and -05 */
static void test_registers__honest_device__whole_life(void **state)
{
	uint8_t bytes[CONFIG_SIZE];

	(void)state;
	setup();
	assert_int_equal(ops->get_features(&pci),
			 OFFERED | VIOMMU_F_VERSION_1 | VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX);
	negotiate();
	assert_int_equal(w->regs.features, ops->get_features(&pci));
	assert_int_equal(ops->queue_size_max(&pci, 0), QUEUE_SIZE);
	assert_int_equal(ops->queue_size_max(&pci, QUEUES), 0);
	for (uint32_t q = 0; q < QUEUES; q++) {
		assert_int_equal(enable(q), VIOMMU_OK);
		assert_int_equal(w->queues[q].size, 8);
	}
	assert_int_equal(enable(0), VIOMMU_E_PEER); /* in use */
	ops->set_status(&pci, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_true(viommu_registers_is_live(&w->regs));
	for (uint32_t q = 0; q < QUEUES; q++) {
		ops->notify(&pci, q);
		assert_int_equal(w->kicks, q + 1);
		assert_int_equal(w->kicked, q);
		assert_int_equal(w->kick_value, q);
	}
	ops->config_read(&pci, 0, bytes, sizeof(bytes));
	assert_memory_equal(bytes, w->fake.config, sizeof(bytes));
	viommu_registers_config_changed(&w->regs);
	assert_int_equal(ops->config_generation(&pci), 0);
	ops->config_read(&pci, 0, bytes, 1);
	assert_int_equal(ops->config_generation(&pci), 1);
	ops->set_status(&pci, 0);
	assert_int_equal(ops->get_status(&pci), 0);
}

/* PCI-DRV-ACC-01. "one access for each field" */
static void test_config__every_piece__in_accesses_that_fit(void **state)
{
	uint8_t bytes[16];

	(void)state;
	setup();
	for (uint32_t offset = 0; offset <= CONFIG_SIZE; offset++) {
		for (uint32_t len = 0; len <= CONFIG_SIZE - offset; len++) {
			memset(bytes, 0xcc, sizeof(bytes));
			accesses = 0;
			ops->config_read(&pci, offset, bytes, len);
			assert_memory_equal(bytes, w->fake.config + offset, len);
			assert_int_equal(bytes[len], 0xcc);
			if (len == 1 || (len == 2 && offset % 2 == 0) || (len == 4 && offset % 4 == 0))
				assert_int_equal(accesses, 1);
			for (uint32_t i = 0; i < len; i++)
				bytes[i] = (uint8_t)(bytes[i] + 1);
			ops->config_write(&pci, offset, bytes, len);
			assert_memory_equal(bytes, w->fake.config + offset, len);
		}
	}
}

static void test_config__behind_the_end__zero_and_no_access(void **state)
{
	uint8_t bytes[4] = { 1, 2, 3, 4 };

	(void)state;
	setup();
	accesses = 0;
	ops->config_read(&pci, CONFIG_SIZE - 2, bytes, 4);
	assert_memory_equal(bytes, "\0\0\0\0", 4);
	ops->config_read(&pci, CONFIG_SIZE + 1, bytes, 0);
	ops->config_read(&pci, UINT32_MAX, bytes, 4);
	ops->config_write(&pci, CONFIG_SIZE - 2, bytes, 4);
	ops->config_write(&pci, UINT32_MAX, bytes, 1);
	assert_int_equal(accesses, 0);
}

/* A device that has no configuration has no capability for it. */
static void test_config__no_structure__zero(void **state)
{
	struct viommu_pci_driver_config config;
	uint8_t bytes[4] = { 1, 2, 3, 4 };

	(void)state;
	setup_liar();
	liar.config[CAP_DEVICE / 4 + 3] = 0;
	config = default_config();
	config.device_config_least = 0;
	assert_int_equal(viommu_pci_driver_init(&pci, &config), VIOMMU_OK);
	ops->config_read(&pci, 0, bytes, 4);
	assert_memory_equal(bytes, "\0\0\0\0", 4);
}

/* Queues of a device that lies */

static void put16(uint32_t offset, uint16_t value)
{
	liar.bars[0][offset] = (uint8_t)value;
	liar.bars[0][offset + 1] = (uint8_t)(value >> 8);
}

static void test_queue_enable__beyond_what_the_driver_has__arg(void **state)
{
	(void)state;
	setup();
	assert_int_equal(enable(QUEUES), VIOMMU_E_ARG);
}

static void test_queue_enable__size_not_taken__peer(void **state)
{
	struct viommu_virtq_layout l = layout(0);

	(void)state;
	setup();
	negotiate();
	l.size = NO_SIZE;
	assert_int_equal(ops->queue_enable(&pci, 0, &l), VIOMMU_E_PEER);
}

/* Not before: until its reset a device may be at work for somebody else. */
static void test_queue_enable__not_a_bus_master__is_one_afterwards(void **state)
{
	(void)state;
	setup();
	viommu_pci_config_write(&w->pci, COMMAND, 2, MEMORY_ON | 0x400);
	ops->set_status(&pci, 0);
	negotiate();
	assert_false(viommu_pci_is_bus_master(&w->pci));
	assert_int_equal(enable(0), VIOMMU_OK);
	assert_true(viommu_pci_is_bus_master(&w->pci));
	assert_int_equal(viommu_pci_config_read(&w->pci, COMMAND, 2), MEMORY_ON | MASTER_ON | 0x400);
	accesses = 0;
	liar.writes = 0;
	assert_int_equal(enable(1), VIOMMU_OK);
	assert_int_equal(liar.writes, 0); /* to configuration space */
}

static void test_queue_enable__does_not_become_a_bus_master__peer(void **state)
{
	(void)state;
	setup_liar();
	put16(SIZE, 8);
	assert_int_equal(ops->queue_enable(&pci, 0, &(struct viommu_virtq_layout){ .size = 8 }), VIOMMU_OK);
	put16(ENABLE, 0);
	liar.config[COMMAND / 4] = 0xffff0000 | MEMORY_ON;
	assert_int_equal(ops->queue_enable(&pci, 0, &(struct viommu_virtq_layout){ .size = 8 }), VIOMMU_E_PEER);
	assert_int_equal(liar.bars[0][ENABLE], 0);
}

static void test_queue_enable__not_enabled_afterwards__peer(void **state)
{
	(void)state;
	setup();
	ops->set_status(&pci, ACKNOWLEDGE | DRIVER); /* not before FEATURES_OK */
	assert_int_equal(enable(0), VIOMMU_E_PEER);
}

static void test_queue_enable__place_of_notifications__inside_or_peer(void **state)
{
	static const struct {
		uint32_t length, multiplier;
		uint16_t place;
		bool inside;
		uint32_t offset;
	} places[] = {
		{ 8, 4, 0, true, 0 },
		{ 8, 4, 1, true, 4 },
		{ 8, 4, 2, false, 0 },
		{ 6, 4, 1, true, 4 },
		{ 5, 4, 1, false, 0 },
		{ 8, 0, 0xffff, true, 0 },
		{ 8, 2, 3, true, 6 },
		{ 8, 1, 6, true, 6 },
		{ 8, 1, 5, false, 0 } /* odd */,
		{ 8, 1, 7, false, 0 },
		{ 2, 4, 0, true, 0 },
		{ 2, 4, 1, false, 0 },
		{ 8, 0x80000000, 0, true, 0 },
		{ 8, 0x80000000, 1, false, 0 },
		{ 8, 0x80000000, 2, false, 0 },
		{ 8, 0x10000, 0xffff, false, 0 },
		{ 0x1000, 2, 0x7ff, true, 0xffe },
		{ 0x1000, 2, 0x800, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		setup_liar();
		liar.config[CAP_NOTIFY / 4 + 3] = places[i].length;
		liar.config[CAP_NOTIFY / 4 + 4] = places[i].multiplier;
		assert_int_equal(init(), VIOMMU_OK);
		put16(NOTIFY_OFF, places[i].place);
		/* What is stored reads back: memory. */
		if (!places[i].inside) {
			assert_int_equal(enable(1), VIOMMU_E_PEER);
			assert_int_equal(liar.bars[0][ENABLE], 0);
			continue;
		}
		assert_int_equal(enable(1), VIOMMU_OK);
		ops->notify(&pci, 1);
		assert_int_equal(liar.last_write.offset, NOTIFY + places[i].offset);
		assert_int_equal(liar.last_write.width, 2);
		assert_int_equal(liar.last_write.value, 1);
	}
}

/* INF-24. 32 bits need a place of 32 bits. */
static void test_notify_data__place_of_four_bytes__or_peer(void **state)
{
	static const struct {
		uint32_t length, multiplier;
		uint16_t place;
		bool inside;
		uint32_t offset;
	} places[] = {
		{ 8, 4, 1, true, 4 }, { 6, 4, 1, false, 0 }, { 8, 2, 1, false, 0 }, { 8, 2, 2, true, 4 },
		{ 4, 0, 9, true, 0 }, { 3, 0, 0, false, 0 }, { 3, 4, 0, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct viommu_virtq_layout l = layout(1);

		l.features = VIOMMU_F_NOTIFICATION_DATA;
		setup_liar();
		liar.config[CAP_NOTIFY / 4 + 3] = places[i].length;
		liar.config[CAP_NOTIFY / 4 + 4] = places[i].multiplier;
		assert_int_equal(init(), VIOMMU_OK);
		put16(NOTIFY_OFF, places[i].place);
		assert_int_equal(ops->queue_enable(&pci, 1, &l), places[i].inside ? VIOMMU_OK : VIOMMU_E_PEER);
		if (!places[i].inside)
			continue;
		ops->notify_data(&pci, 1, 0x80070001);
		assert_int_equal(liar.last_write.offset, NOTIFY + places[i].offset);
		assert_int_equal(liar.last_write.width, 4);
		assert_true(liar.last_write.value == 0x80070001);
	}
}

/* PCI-DRV-COMMON-06 */
static void test_queue_reset__honest_device__over_when_it_reads_0(void **state)
{
	(void)state;
	setup();
	w->regs.offered_ring |= VIOMMU_F_RING_RESET;
	negotiate();
	assert_int_equal(enable(0), VIOMMU_OK);
	assert_int_equal(enable(1), VIOMMU_OK);
	ops->set_status(&pci, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	w->fake.settled = false;
	assert_int_equal(ops->queue_reset(&pci, 1), VIOMMU_OK);
	assert_int_equal(w->fake.queue_resets, 1);
	assert_true(ops->queue_is_resetting(&pci, 1));
	assert_false(ops->queue_is_resetting(&pci, 0));
	w->fake.settled = true;
	assert_false(ops->queue_is_resetting(&pci, 1));
	assert_int_equal(enable(1), VIOMMU_OK);
}

static void test_queue_reset__no_such_register__peer(void **state)
{
	(void)state;
	setup_liar();
	liar.config[CAP_COMMON / 4 + 3] = 0x3b;
	assert_int_equal(init(), VIOMMU_OK);
	memset(&liar.bars[0][FEATURES], 0xff, 4); /* both halves read so */
	assert_true((ops->get_features(&pci) | VIOMMU_F_RING_RESET) == UINT64_MAX);
	assert_true((ops->get_features(&pci) & VIOMMU_F_RING_RESET) == 0);
	assert_int_equal(ops->queue_reset(&pci, 0), VIOMMU_E_PEER);
	assert_true(ops->queue_is_resetting(&pci, 0));
	liar.config[CAP_COMMON / 4 + 3] = 0x3c;
	assert_int_equal(init(), VIOMMU_OK);
	assert_true(ops->get_features(&pci) == UINT64_MAX);
	assert_int_equal(ops->queue_reset(&pci, 0), VIOMMU_OK);
	assert_int_equal(liar.last_write.offset, QUEUE_RESET);
}

/* MSI-X and the ISR */

/* PCI-DRV-INT-01 */
static void test_interrupt__isr__acknowledged(void **state)
{
	(void)state;
	setup();
	assert_int_equal(viommu_pci_driver_interrupt(&pci), 0);
	viommu_registers_interrupt(&w->regs, 1);
	assert_true(w->line);
	assert_int_equal(viommu_pci_driver_interrupt(&pci), VIOMMU_INTERRUPT_USED);
	assert_false(w->line);
	assert_int_equal(viommu_pci_driver_interrupt(&pci), 0);
	setup_liar();
	liar.bars[0][ISR] = 0xff;
	assert_int_equal(viommu_pci_driver_interrupt(&pci), VIOMMU_INTERRUPT_USED | VIOMMU_INTERRUPT_CONFIG);
}

static void test_vectors__honest_device__messages_arrive(void **state)
{
	static const uint16_t queue_vectors[QUEUES] = { 1, 39 };

	(void)state;
	setup();
	assert_int_equal(viommu_pci_driver_use_vectors(&pci, 0, queue_vectors), VIOMMU_OK);
	assert_int_equal(viommu_pci_driver_set_vector(&pci, 0, 0xfee00000, 100, false), VIOMMU_OK);
	assert_int_equal(viommu_pci_driver_set_vector(&pci, 1, UINT64_C(0x1fee01000), 101, false), VIOMMU_OK);
	assert_int_equal(viommu_pci_driver_set_vector(&pci, 39, 0xfee02000, 102, true), VIOMMU_OK);
	negotiate();
	assert_int_equal(enable(0), VIOMMU_OK);
	assert_int_equal(enable(1), VIOMMU_OK);
	ops->set_status(&pci, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	viommu_registers_interrupt(&w->regs, 0);
	viommu_registers_interrupt(&w->regs, 1);
	viommu_registers_config_changed(&w->regs);
	assert_int_equal(w->message_count, 2);
	assert_int_equal(w->messages[0].address, UINT64_C(0x1fee01000));
	assert_int_equal(w->messages[0].data, 101);
	assert_int_equal(w->messages[1].address, 0xfee00000);
	assert_int_equal(w->messages[1].data, 100);
	/* What was masked comes later. */
	assert_int_equal(viommu_pci_driver_set_vector(&pci, 39, 0xfee02000, 103, false), VIOMMU_OK);
	assert_int_equal(w->message_count, 3);
	assert_int_equal(w->messages[2].data, 103);
	assert_int_equal(viommu_pci_driver_set_vector(&pci, 39, 0xfee03000, 104, false), VIOMMU_OK);
	assert_int_equal(w->message_count, 3);
	assert_int_equal(w->line_changes, 0);

	/* And without them again. */
	assert_int_equal(viommu_pci_driver_use_vectors(&pci, 5, NULL), VIOMMU_OK);
	ops->set_status(&pci, 0);
	negotiate();
	assert_int_equal(enable(0), VIOMMU_OK);
	assert_int_equal(bar0(w, QUEUE_VECTOR, 2), NO_VECTOR);
	assert_int_equal(bar0(w, CONFIG_VECTOR, 2), NO_VECTOR);
	viommu_registers_interrupt(&w->regs, 0);
	assert_true(w->line);
}

/* PCI-DRV-MSIX-02 */
static void test_vectors__not_there__range_and_nothing_changed(void **state)
{
	uint16_t queue_vectors[QUEUES] = { 0, NO_VECTOR };

	(void)state;
	setup();
	assert_int_equal(viommu_pci_driver_use_vectors(&pci, VECTORS, queue_vectors), VIOMMU_E_RANGE);
	queue_vectors[1] = VECTORS;
	assert_int_equal(viommu_pci_driver_use_vectors(&pci, 0, queue_vectors), VIOMMU_E_RANGE);
	assert_int_equal(pci.config_vector, NO_VECTOR);
	assert_int_equal(queues[0].vector, NO_VECTOR);
	assert_int_equal(config_space(w, MSIX_CONTROL, 2), VECTORS - 1);
	accesses = 0;
	assert_int_equal(viommu_pci_driver_set_vector(&pci, VECTORS, 0, 0, false), VIOMMU_E_RANGE);
	assert_int_equal(viommu_pci_driver_set_vector(&pci, UINT32_MAX, 0, 0, false), VIOMMU_E_RANGE);
	assert_int_equal(accesses, 0);
}

/* Firmware, or the kernel before this one, may have left it on, with a table that cannot be used. */
static void test_vectors__left_on_by_somebody_else__off(void **state)
{
	(void)state;
	setup();
	set_config_space(w, MSIX_CONTROL, 2, MSIX_ON | MSIX_ALL_MASKED);
	liar.writes = 0;
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(liar.writes, 1);
	assert_int_equal(config_space(w, MSIX_CONTROL, 2), VECTORS - 1);
	viommu_registers_interrupt(&w->regs, 0);
	assert_int_equal(w->message_count, 0);
	bars[2].size = 0;
	set_config_space(w, MSIX_CONTROL, 2, MSIX_ON);
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(viommu_pci_driver_vector_count(&pci), 0);
	assert_int_equal(config_space(w, MSIX_CONTROL, 2), VECTORS - 1);
	/* Not that of a device that is not ours. */
	set_config_space(w, MSIX_CONTROL, 2, MSIX_ON);
	bars[0].size = 0;
	assert_int_equal(init(), VIOMMU_E_UNSUPP);
	assert_int_equal(config_space(w, MSIX_CONTROL, 2), MSIX_ON | (VECTORS - 1));
}

static void test_vectors__no_msix__unsupported(void **state)
{
	static const uint16_t queue_vectors[QUEUES] = { 0, 0 };

	(void)state;
	setup_liar();
	set_link(CAP_DEVICE, 0);
	assert_int_equal(init(), VIOMMU_OK);
	assert_int_equal(viommu_pci_driver_vector_count(&pci), 0);
	assert_int_equal(viommu_pci_driver_use_vectors(&pci, 0, queue_vectors), VIOMMU_E_UNSUPP);
}

/*
 * PCI-DRV-MSIX-03. A device may have no resources for a vector, and says so by NO_VECTOR: here it is one that has
 * fewer than it says.
 */
static void test_vectors__not_taken_by_the_device__rejected(void **state)
{
	static const uint16_t queue_vectors[QUEUES] = { 1, 2 };

	(void)state;
	setup();
	assert_int_equal(viommu_pci_driver_use_vectors(&pci, 0, queue_vectors), VIOMMU_OK);
	negotiate();
	w->pci.vector_count = w->pci.file.vector_count = 2;
	assert_int_equal(enable(0), VIOMMU_OK);
	assert_int_equal(enable(1), VIOMMU_E_REJECTED);
	assert_int_equal(bar0(w, ENABLE, 2), 0);
	setup();
	assert_int_equal(viommu_pci_driver_use_vectors(&pci, 0, queue_vectors), VIOMMU_OK);
	negotiate();
	w->pci.vector_count = w->pci.file.vector_count = 0;
	assert_int_equal(enable(0), VIOMMU_E_REJECTED);
}

/* Anything at all */

static uint32_t noise(struct sim_random *random)
{
	static const uint32_t values[] = {
		0, 1, 2, 4, 0x38, 0x1000, 0x3fff, 0x4000, 0x7fffffff, 0x80000000, UINT32_MAX
	};
	uint32_t which = (uint32_t)sim_random_below(random, 24);

	return which < sizeof(values) / sizeof(values[0]) ? values[which] : (uint32_t)sim_random_next(random);
}

static void test_anything__random_functions__bounded_and_inside(void **state)
{
	struct sim_random random = { 4711 };
	unsigned usable = 0;

	(void)state;
	for (unsigned run = 0; run < 20000; run++) {
		uint32_t spoilt = 1 + (uint32_t)sim_random_below(&random, 8);
		uint16_t queue_vectors[QUEUES] = { (uint16_t)noise(&random), (uint16_t)noise(&random) };
		uint8_t bytes[40];

		setup_liar();
		for (; spoilt > 0; spoilt--)
			liar.config[0x34 / 4 + sim_random_below(&random, 51)] = noise(&random);
		for (uint32_t i = 0; i < 64; i++)
			liar.bars[0][i] = (uint8_t)noise(&random);
		if (init() != VIOMMU_OK)
			continue;
		usable++;
		(void)!viommu_pci_driver_use_vectors(&pci, (uint16_t)noise(&random), queue_vectors);
		(void)!viommu_pci_driver_set_vector(&pci, noise(&random), 1, 2, false);
		(void)!viommu_pci_driver_interrupt(&pci);
		ops->set_features(&pci, ops->get_features(&pci));
		ops->config_read(&pci, noise(&random), bytes, sizeof(bytes));
		ops->config_write(&pci, noise(&random), bytes, sizeof(bytes));
		for (uint32_t q = 0; q < QUEUES; q++) {
			put16(ENABLE, 0);
			(void)enable(q);
			ops->notify(&pci, q);
		}
	}
	assert_true(usable > 1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init__unknown_struct_size__abi),
		cmocka_unit_test(test_init__something_missing__arg),
		cmocka_unit_test(test_init__honest_device__finds_the_structures),
		cmocka_unit_test(test_init__nobody_there__noent),
		cmocka_unit_test(test_init__another_device_or_legacy__unsupported),
		cmocka_unit_test(test_list__loops_and_links_into_the_header__peer),
		cmocka_unit_test(test_list__as_long_as_it_can_be__walked),
		cmocka_unit_test(test_list__lowest_bits_of_links__do_not_matter),
		cmocka_unit_test(test_capability__cannot_be_used__as_if_not_there),
		cmocka_unit_test(test_capability__bar_number_that_is_reserved__as_if_not_there),
		cmocka_unit_test(test_capability__unusual_and_usable__used),
		cmocka_unit_test(test_capability__several_of_a_kind__first_usable_one),
		cmocka_unit_test(test_capability__at_the_end_of_the_space__only_if_it_fits),
		cmocka_unit_test(test_msix__table_outside_of_a_bar__no_vectors),
		cmocka_unit_test(test_bar__larger_than_offsets_go__cut),
		cmocka_unit_test(test_registers__honest_device__whole_life),
		cmocka_unit_test(test_config__every_piece__in_accesses_that_fit),
		cmocka_unit_test(test_config__behind_the_end__zero_and_no_access),
		cmocka_unit_test(test_config__no_structure__zero),
		cmocka_unit_test(test_queue_enable__beyond_what_the_driver_has__arg),
		cmocka_unit_test(test_queue_enable__size_not_taken__peer),
		cmocka_unit_test(test_queue_enable__not_a_bus_master__is_one_afterwards),
		cmocka_unit_test(test_queue_enable__does_not_become_a_bus_master__peer),
		cmocka_unit_test(test_queue_enable__not_enabled_afterwards__peer),
		cmocka_unit_test(test_queue_enable__place_of_notifications__inside_or_peer),
		cmocka_unit_test(test_notify_data__place_of_four_bytes__or_peer),
		cmocka_unit_test(test_queue_reset__honest_device__over_when_it_reads_0),
		cmocka_unit_test(test_queue_reset__no_such_register__peer),
		cmocka_unit_test(test_interrupt__isr__acknowledged),
		cmocka_unit_test(test_vectors__honest_device__messages_arrive),
		cmocka_unit_test(test_vectors__not_there__range_and_nothing_changed),
		cmocka_unit_test(test_vectors__left_on_by_somebody_else__off),
		cmocka_unit_test(test_vectors__no_msix__unsupported),
		cmocka_unit_test(test_vectors__not_taken_by_the_device__rejected),
		cmocka_unit_test(test_anything__random_functions__bounded_and_inside),
	};

	return suite_run(tests);
}
