/* SPDX-License-Identifier: BSD-3-Clause */
/* Setting a device up: what a configuration may say, memory, endpoints, features, the configuration space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_fixture.h"
#include "suite.h"

#include "sim/env/env.h"

static struct viommu_device_config default_config(void)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;

	return config;
}

/* What init says, given plenty of memory. mem_size has to agree. */
static enum viommu_result init_result(const struct viommu_device_config *config)
{
	static uint8_t mem[65536];
	struct viommu_device dev;
	enum viommu_result result = viommu_device_init(&dev, config, mem, sizeof(mem));
	size_t bytes;

	assert_int_equal(viommu_device_mem_size(config, &bytes), result);
	return result;
}

/* IOMMU-DEV-FEAT-01 */
static void test_device_init__defaults__accepted(void **state)
{
	struct viommu_device_config config = default_config();

	(void)state;
	assert_int_equal(init_result(&config), VIOMMU_OK);
	assert_int_not_equal(config.features & VIOMMU_F_MAP_UNMAP, 0);
}

static void test_device_init__unknown_struct_size__refused(void **state)
{
	struct viommu_device_config config = default_config();
	struct viommu_device_ops ops = { .size = sizeof(ops) };
	struct viommu_memory_ops memory = viommu_memory_table_ops;

	(void)state;
	config.size = 0;
	assert_int_equal(init_result(&config), VIOMMU_E_ABI);
	config.size = sizeof(config) - 1;
	assert_int_equal(init_result(&config), VIOMMU_E_ABI);
	config.size = sizeof(config) + 8;
	assert_int_equal(init_result(&config), VIOMMU_E_ABI);

	config = default_config();
	config.ops = &ops;
	assert_int_equal(init_result(&config), VIOMMU_OK); /* a device without work_pending is polled */
	ops.size = 0;
	assert_int_equal(init_result(&config), VIOMMU_E_ABI);
	ops.size = sizeof(ops) + 8;
	assert_int_equal(init_result(&config), VIOMMU_E_ABI);

	config = default_config();
	config.memory.ops = &memory;
	assert_int_equal(init_result(&config), VIOMMU_OK);
	memory.size--;
	assert_int_equal(init_result(&config), VIOMMU_E_ABI);
	memory.size = 0;
	assert_int_equal(init_result(&config), VIOMMU_E_ABI);
}

static bool no_read(void *ctx, viommu_gpa gpa, void *dst, size_t len)
{
	(void)ctx;
	(void)gpa;
	(void)dst;
	(void)len;
	return false;
}

static bool no_write(void *ctx, viommu_gpa gpa, const void *src, size_t len)
{
	(void)ctx;
	(void)gpa;
	(void)src;
	(void)len;
	return false;
}

/* Pointers, copies in both directions, or both kinds. */
static void test_device_init__memory_callbacks_missing__refused(void **state)
{
	struct viommu_device_config config = default_config();

	(void)state;
	for (unsigned has = 0; has < 8; has++) {
		struct viommu_memory_ops memory = { .size = sizeof(memory) };
		bool good = has == 1 || has == 6 || has == 7;

		memory.resolve = (has & 1) != 0 ? viommu_memory_table_ops.resolve : NULL;
		memory.read = (has & 2) != 0 ? no_read : NULL;
		memory.write = (has & 4) != 0 ? no_write : NULL;
		config.memory.ops = &memory;
		assert_int_equal(init_result(&config), good ? VIOMMU_OK : VIOMMU_E_ARG);
	}
}

/* IOMMU-DEV-FEAT-02, IOMMU-DEV-FEAT-03: the old F_BYPASS is never on offer. GEN-DEV-FEAT-04, GEN-DEV-RSVD-10 */
static void test_device_init__features_beyond_the_class__refused(void **state)
{
	struct viommu_device_config config = default_config();
	unsigned bit;

	(void)state;
	for (bit = 0; bit < 64; bit++) {
		uint64_t feature = UINT64_C(1) << bit;
		bool known = bit <= 6 && bit != 3;

		config.features = feature | VIOMMU_F_MAP_UNMAP;
		assert_int_equal(init_result(&config), known ? VIOMMU_OK : VIOMMU_E_ARG);
	}
}

/* IOMMU-DEV-CONFIG-01, IOMMU-DEV-CONFIG-02, and granules that the map cannot keep. */
static void test_device_init__page_size_mask__granule_from_256(void **state)
{
	struct viommu_device_config config = default_config();
	unsigned bit;

	(void)state;
	for (bit = 0; bit < 64; bit++) {
		config.page_size_mask = UINT64_C(1) << bit;
		assert_int_equal(init_result(&config), bit < 8 ? VIOMMU_E_ARG : VIOMMU_OK);
		config.page_size_mask |= UINT64_C(1) << 63;
		assert_int_equal(init_result(&config), bit < 8 ? VIOMMU_E_ARG : VIOMMU_OK);
	}
}

static void test_device_init__first_above_last__refused(void **state)
{
	struct viommu_device_config config = default_config();

	(void)state;
	config.input_range.first = 2;
	config.input_range.last = 1;
	assert_int_equal(init_result(&config), VIOMMU_E_ARG);
	config.input_range.first = 1;
	assert_int_equal(init_result(&config), VIOMMU_OK);

	config = default_config();
	config.domain_first = 2;
	config.domain_last = 1;
	assert_int_equal(init_result(&config), VIOMMU_E_ARG);
	config.domain_first = 1;
	assert_int_equal(init_result(&config), VIOMMU_OK);
}

static void test_device_init__bypass_neither_0_nor_1__refused(void **state)
{
	struct viommu_device_config config = default_config();

	(void)state;
	config.bypass = 1;
	assert_int_equal(init_result(&config), VIOMMU_OK);
	config.bypass = 2;
	assert_int_equal(init_result(&config), VIOMMU_E_ARG);
	config.bypass = 255;
	assert_int_equal(init_result(&config), VIOMMU_E_ARG);
}

/* With its tail the reply to PROBE still has a length that the used ring can say. */
static void test_device_init__probe_size__leaves_room_for_the_tail(void **state)
{
	struct viommu_device_config config = default_config();

	(void)state;
	config.probe_size = UINT32_MAX - VIOMMU_WIRE_TAIL_SIZE;
	assert_int_equal(init_result(&config), VIOMMU_OK);
	config.probe_size++;
	assert_int_equal(init_result(&config), VIOMMU_E_ARG);
	config.probe_size = UINT32_MAX;
	assert_int_equal(init_result(&config), VIOMMU_E_ARG);
}

static void test_device_init__counts__up_to_the_limit(void **state)
{
	struct viommu_device_config config = default_config();
	uint32_t *const counts[] = { &config.max_endpoints, &config.max_domains, &config.max_pending };
	size_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		*counts[i] = VIOMMU_DEVICE_COUNT_MAX + 1;
		assert_int_equal(init_result(&config), VIOMMU_E_ARG);
		*counts[i] = UINT32_MAX;
		assert_int_equal(init_result(&config), VIOMMU_E_ARG);
		*counts[i] = VIOMMU_DEVICE_COUNT_MAX;
		assert_int_equal(viommu_device_mem_size(&config, &bytes), VIOMMU_OK);
	}
	assert_true(bytes == VIOMMU_DEVICE_MEM(VIOMMU_DEVICE_COUNT_MAX, VIOMMU_DEVICE_COUNT_MAX, 0));
}

static void test_device_init__memory_of_any_alignment__mem_size_is_enough(void **state)
{
	struct viommu_device_config config = default_config();
	struct viommu_endpoint *handle;
	struct viommu_device dev;
	size_t bytes, shift;
	uint8_t *mem;

	(void)state;
	config.max_endpoints = 3;
	config.max_domains = 5;
	assert_int_equal(viommu_device_mem_size(&config, &bytes), VIOMMU_OK);
	assert_true(bytes <= VIOMMU_DEVICE_MEM(3, 5, 0));
	for (shift = 0; shift < 16; shift++) {
		struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;

		mem = sim_env_alloc(bytes + shift);
		assert_int_equal(viommu_device_init(&dev, &config, mem + shift, bytes), VIOMMU_OK);
		for (endpoint.id = 0; endpoint.id < 3; endpoint.id++)
			assert_int_equal(viommu_device_add_endpoint(&dev, &endpoint, &handle), VIOMMU_OK);
		sim_env_free(mem);
	}
}

static void test_device_init__no_memory__nomem(void **state)
{
	struct viommu_device_config config = default_config();
	struct viommu_device dev;
	uint8_t byte;

	(void)state;
	assert_int_equal(viommu_device_init(&dev, &config, &byte, 1), VIOMMU_E_NOMEM);
	assert_int_equal(viommu_device_init(&dev, &config, &byte, 0), VIOMMU_E_NOMEM);
	assert_int_equal(viommu_device_init(&dev, &config, NULL, SIZE_MAX), VIOMMU_E_NOMEM);
}

static void test_device_init__one_byte_less_than_mem_size__nomem(void **state)
{
	struct viommu_device_config config = default_config();
	struct viommu_device dev;
	size_t bytes;
	uint8_t *mem;

	(void)state;
	assert_int_equal(viommu_device_mem_size(&config, &bytes), VIOMMU_OK);
	mem = sim_env_alloc(bytes - 1);
	assert_int_equal(viommu_device_init(&dev, &config, mem, bytes - 1), VIOMMU_E_NOMEM);
	sim_env_free(mem);
}

/* The macro's promise: so many nodes, and two of them per mapping of one granule. */
static void test_device_init__static_memory__holds_its_nodes(void **state)
{
	static uint8_t mem[VIOMMU_DEVICE_MEM(4, 2, 16)];
	struct viommu_device_config config = default_config();
	struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *handle;
	struct device_fixture f;
	uint64_t i;

	(void)state;
	memset(&f, 0, sizeof(f));
	config.max_endpoints = 4;
	config.max_domains = 2;
	config.probe_size = 64;
	assert_int_equal(viommu_device_init(&f.dev, &config, mem, sizeof(mem)), VIOMMU_OK);
	endpoint.id = DEVICE_EP0;
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle), VIOMMU_OK);
	assert_int_equal(viommu_device_negotiate(&f.dev, config.features), VIOMMU_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	for (i = 0; i < 8; i++)
		assert_int_equal(device_map(&f, 1, i << 56, (i << 56) + 0xfff, 0, 1), VIOMMU_S_OK);
}

static void test_device_init__defaults__sixteen_of_everything(void **state)
{
	struct viommu_device_config config = default_config();
	struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *handle;
	struct device_fixture f;
	size_t bytes;
	uint32_t i;

	(void)state;
	memset(&f, 0, sizeof(f));
	assert_int_equal(viommu_device_mem_size(&config, &bytes), VIOMMU_OK);
	f.mem = sim_env_alloc(bytes);
	assert_int_equal(viommu_device_init(&f.dev, &config, f.mem, bytes), VIOMMU_OK);
	for (i = 0; i < 17; i++) {
		endpoint.id = i * 3;
		assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle),
				 i < 16 ? VIOMMU_OK : VIOMMU_E_FULL);
	}
	for (i = 0; i < 16; i++)
		assert_int_equal(device_attach(&f, 100 - i, i * 3, 0), VIOMMU_S_OK);
}

/* Endpoints */

static void test_add_endpoint__id_taken__exists(void **state)
{
	struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *handle;
	struct device_fixture f;
	uint32_t i;

	(void)state;
	device_setup(&f, NULL);
	for (i = 0; i < DEVICE_ENDPOINTS; i++) {
		endpoint.id = device_endpoint_id(i);
		assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle), VIOMMU_E_EXISTS);
	}
	endpoint.id = DEVICE_EP_UNKNOWN;
	endpoint.size++;
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle), VIOMMU_E_ABI);
	endpoint.size--;
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle), VIOMMU_OK);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP_UNKNOWN, 0), VIOMMU_S_OK);
	device_teardown(&f);
}

/* IOMMU-DEV-RESV-02, IOMMU-DEV-RESV-03 */
static void test_add_endpoint__bad_regions__refused(void **state)
{
	static const struct viommu_resv_region unsorted[] = { { { 0x3000, 0x3fff }, 0 }, { { 0x1000, 0x1fff }, 0 } };
	static const struct viommu_resv_region overlapping[] = { { { 0x1000, 0x2000 }, 0 }, { { 0x2000, 0x2fff }, 0 } };
	static const struct viommu_resv_region inverted[] = { { { 0x2000, 0x1fff }, 0 } };
	static const struct viommu_resv_region doorbells[] = { { { 0x1000, 0x1fff }, 1 }, { { 0x3000, 0x3fff }, 1 } };
	static const struct viommu_resv_region subtype[] = { { { 0x1000, 0x1fff }, 2 } };
	static const struct viommu_resv_region three[] = { { { 0x1000, 0x1fff }, 0 },
							   { { 0x2000, 0x2fff }, 1 },
							   { { 0x3000, 0x3fff }, 0 } };
	static const struct {
		const struct viommu_resv_region *regions;
		uint32_t count;
		enum viommu_result result;
	} cases[] = {
		{ unsorted, 2, VIOMMU_E_ARG },  { overlapping, 2, VIOMMU_E_ARG }, { inverted, 1, VIOMMU_E_ARG },
		{ doorbells, 2, VIOMMU_E_ARG }, { subtype, 1, VIOMMU_E_ARG },     { three, 3, VIOMMU_E_ARG },
		{ NULL, 1, VIOMMU_E_ARG },      { three, 2, VIOMMU_OK }, /* 2 * 24 fit into 64 */
	};
	struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *handle;
	struct device_fixture f;
	size_t i;

	(void)state;
	device_setup(&f, NULL);
	endpoint.id = DEVICE_EP_UNKNOWN;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		endpoint.regions = cases[i].regions;
		endpoint.region_count = cases[i].count;
		if (cases[i].result != VIOMMU_OK) {
			assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle), cases[i].result);
			assert_int_equal(device_attach(&f, 1, DEVICE_EP_UNKNOWN, 0), VIOMMU_S_NOENT);
		} else {
			assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle), VIOMMU_OK);
		}
	}
	device_teardown(&f);
}

static void test_add_endpoint__properties_just_fit__accepted(void **state)
{
	static const struct viommu_resv_region two[] = { { { 0x1000, 0x1fff }, 0 }, { { 0x3000, 0x3fff }, 0 } };
	struct device_options options;
	struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *handle;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	endpoint.id = DEVICE_EP_UNKNOWN;
	endpoint.regions = two;
	endpoint.region_count = 2;
	options.config.probe_size = 2 * VIOMMU_WIRE_RESV_MEM_SIZE - 1;
	device_setup(&f, &options);
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle), VIOMMU_E_ARG);
	device_teardown(&f);
	options.config.probe_size = 2 * VIOMMU_WIRE_RESV_MEM_SIZE;
	device_setup(&f, &options);
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle), VIOMMU_OK);
	device_teardown(&f);
}

/* So many that 32 bits do not hold their size any more: nobody walks them to find out. */
static void test_add_endpoint__more_regions_than_can_be__refused_unseen(void **state)
{
	static const struct viommu_resv_region one[] = { { { 0x1000, 0x1fff }, 0 } };
	struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *handle;
	struct device_fixture f;

	(void)state;
	device_setup(&f, NULL);
	endpoint.id = DEVICE_EP_UNKNOWN;
	endpoint.regions = one;
	endpoint.region_count = UINT32_MAX / VIOMMU_WIRE_RESV_MEM_SIZE + 1; /* 8 bytes, modulo 2^32 */
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle), VIOMMU_E_ARG);
	endpoint.region_count = UINT32_MAX;
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle), VIOMMU_E_ARG);
	endpoint.region_count = 1;
	assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle), VIOMMU_OK);
	device_teardown(&f);
}

static void test_add_endpoint__many_in_any_order__all_found(void **state)
{
	static const uint32_t ids[] = { 500, 3, 0x80000000, 7, 499, 501, 0xfffffffe, 1, 2, 0x7fffffff };
	struct viommu_endpoint_config endpoint = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *handle;
	struct device_fixture f;
	uint32_t i;

	(void)state;
	device_setup(&f, NULL);
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		endpoint.id = ids[i];
		assert_int_equal(device_attach(&f, ids[i], ids[i], 0), VIOMMU_S_NOENT);
		assert_int_equal(viommu_device_add_endpoint(&f.dev, &endpoint, &handle), VIOMMU_OK);
		assert_int_equal(device_attach(&f, ids[i], ids[i], 0), VIOMMU_S_OK);
	}
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_int_equal(device_detach(&f, ids[i], ids[i]), VIOMMU_S_OK);
	device_teardown(&f);
}

/* Memory */

static void test_add_memory__after_nomem__map_works(void **state)
{
	static uint8_t slabs[17][2 * VIOMMU_MAP_NODE_SIZE + 16];
	struct device_options options;
	struct device_fixture f;
	uint32_t i;

	(void)state;
	device_options_init(&options);
	options.nodes = 0;
	device_setup(&f, &options);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0, 1), VIOMMU_S_NOMEM);
	assert_int_equal(viommu_device_add_memory(&f.dev, slabs[0], 16), VIOMMU_E_ARG);
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0, 1), VIOMMU_S_NOMEM);
	assert_int_equal(viommu_device_add_memory(&f.dev, slabs[0], sizeof(slabs[0])), VIOMMU_OK);
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0, 1), VIOMMU_S_OK);
	/* How many fit depends on whether what init left over counts as a slab. */
	for (i = 1; i < 17 && viommu_device_add_memory(&f.dev, slabs[i], sizeof(slabs[i])) == VIOMMU_OK; i++)
		;
	assert_true(i == VIOMMU_MAP_SLABS_MAX || i == VIOMMU_MAP_SLABS_MAX - 1);
	assert_int_equal(viommu_device_add_memory(&f.dev, slabs[i], sizeof(slabs[i])), VIOMMU_E_FULL);
	device_teardown(&f);
}

/* Retired nodes are recycled in small portions, whether or not somebody asks. */
static void test_process__budget__respected(void **state)
{
	struct device_options options;
	struct device_fixture f;
	uint32_t steps, total = 0;
	uint64_t i;

	(void)state;
	device_options_init(&options);
	device_setup(&f, &options);
	assert_int_equal(viommu_device_process(&f.dev, 100), 0);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	for (i = 0; i < 50; i++)
		assert_int_equal(device_map(&f, 1, i << 20, (i << 20) + 0xfff, 0, 1), VIOMMU_S_OK);
	assert_int_equal(device_unmap(&f, 1, 0, UINT64_MAX), VIOMMU_S_OK);
	assert_int_equal(viommu_device_process(&f.dev, 0), 0);
	while ((steps = viommu_device_process(&f.dev, 3)) != 0) {
		assert_true(steps <= 3);
		total += steps;
		assert_true(total <= options.nodes);
	}
	assert_true(total >= 50 / 16);
	assert_int_equal(viommu_map_pool_free(&f.dev.pool), viommu_map_pool_total(&f.dev.pool));
	device_teardown(&f);
}

/* Features, configuration space */

static void test_negotiate__bits_not_offered__refused_and_unchanged(void **state)
{
	struct device_options options;
	struct device_fixture f;

	(void)state;
	device_options_init(&options);
	options.config.features = VIOMMU_F_MAP_UNMAP | VIOMMU_F_PROBE;
	options.negotiate = VIOMMU_F_MAP_UNMAP;
	device_setup(&f, &options);
	assert_true(viommu_device_features(&f.dev) == options.config.features);
	assert_int_equal(viommu_device_negotiate(&f.dev, VIOMMU_F_BYPASS), VIOMMU_E_ARG);
	assert_int_equal(viommu_device_negotiate(&f.dev, VIOMMU_F_MMIO), VIOMMU_E_ARG);
	assert_int_equal(viommu_device_negotiate(&f.dev, VIOMMU_F_MAP_UNMAP | UINT64_C(1) << 63), VIOMMU_E_ARG);
	assert_int_equal(device_attach(&f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&f, 1, 0, 0xfff, 0, 1), VIOMMU_S_OK); /* MAP_UNMAP still is negotiated */
	device_teardown(&f);
}

/* GEN-DEV-FEAT-02 */
static void test_negotiate__any_subset_of_the_offer__accepted(void **state)
{
	struct device_fixture f;
	uint64_t features;

	(void)state;
	device_setup(&f, NULL);
	for (features = 0; features < 0x100; features++) {
		bool offered = (features & ~VIOMMU_DEVICE_FEATURES) == 0;

		assert_int_equal(viommu_device_negotiate(&f.dev, features), offered ? VIOMMU_OK : VIOMMU_E_ARG);
	}
	device_teardown(&f);
}

/* GEN-DEV-CONFIG-01: the layout of the specification, read at every offset and in every length, by anybody. */
static void test_config_read__every_offset_and_length__bytes_or_zero(void **state)
{
	static const uint8_t expected[VIOMMU_WIRE_CONFIG_SIZE] = {
		0x00, 0x00, 0x11, 0,    0,    0,    0,    0x80, /* page_size_mask */
		0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, /* input_range */
		0xf8, 0xf7, 0xf6, 0xf5, 0xf4, 0xf3, 0xf2, 0xf1,
		0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55, /* domain_range */
		0xd1, 0x00, 0x00, 0x00,                         /* probe_size */
		1,    0,    0,    0,
	};
	struct device_options options;
	struct device_fixture f;
	uint8_t bytes[64];
	uint32_t offset, len, i;

	(void)state;
	device_options_init(&options);
	options.config.page_size_mask = UINT64_C(0x8000000000110000);
	options.config.input_range.first = UINT64_C(0x0102030405060708);
	options.config.input_range.last = UINT64_C(0xf1f2f3f4f5f6f7f8);
	options.config.domain_first = 0x11223344;
	options.config.domain_last = 0x55667788;
	options.config.probe_size = 0xd1;
	options.config.bypass = 1;
	options.negotiate = 0;
	device_setup(&f, &options);
	for (offset = 0; offset < 48; offset++) {
		for (len = 0; len <= 48; len++) {
			memset(bytes, 0xee, sizeof(bytes));
			viommu_device_config_read(&f.dev, offset, bytes, len);
			for (i = 0; i < len; i++)
				assert_int_equal(bytes[i], offset + i < sizeof(expected) ? expected[offset + i] : 0);
			for (; i < sizeof(bytes); i++)
				assert_int_equal(bytes[i], 0xee);
		}
	}
	memset(bytes, 0xee, sizeof(bytes));
	viommu_device_config_read(&f.dev, 0xfffffffc, bytes, 48); /* offset + length wraps */
	for (i = 0; i < 48; i++)
		assert_int_equal(bytes[i], 0);
	device_teardown(&f);
}

/* IOMMU-DEV-CONFIG-01: also if the configuration says 0 */
static void test_config_read__default_page_sizes__4k_and_larger(void **state)
{
	struct device_fixture f;
	uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE];
	struct viommu_wire_config config;

	(void)state;
	device_setup(&f, NULL);
	viommu_device_config_read(&f.dev, 0, bytes, sizeof(bytes));
	viommu_wire_config_decode(bytes, &config);
	assert_true(config.page_size_mask == ~UINT64_C(0xfff));
	assert_true(config.input_range.first == 0 && config.input_range.last == UINT64_MAX);
	assert_true(config.domain_first == 0 && config.domain_last == UINT32_MAX);
	device_teardown(&f);
}

/* IOMMU-DRV-CONFIG-02 seen from the device: nothing but bypass can be stored, at any offset and in any length. */
static void test_config_write__anything_but_bypass__ignored(void **state)
{
	struct device_fixture f;
	uint8_t before[VIOMMU_WIRE_CONFIG_SIZE], after[VIOMMU_WIRE_CONFIG_SIZE], junk[64];
	uint32_t offset, len;

	(void)state;
	device_setup(&f, NULL);
	memset(junk, 0xff, sizeof(junk));
	viommu_device_config_read(&f.dev, 0, before, sizeof(before));
	for (offset = 0; offset < 64; offset++) {
		for (len = 0; len <= 64; len++) {
			viommu_device_config_write(&f.dev, offset, junk, len);
			viommu_device_config_read(&f.dev, 0, after, sizeof(after));
			assert_memory_equal(before, after, sizeof(before));
		}
	}
	viommu_device_config_write(&f.dev, 0xffffffff, junk, 64);
	viommu_device_config_write(&f.dev, 0xfffffff0, junk, 64);
	viommu_device_config_read(&f.dev, 0, after, sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	assert_true(viommu_device_is_settled(&f.dev));
	/* Bytes that would be good ones, up to the field and from behind it. */
	memset(junk, 1, sizeof(junk));
	for (offset = 0; offset <= VIOMMU_WIRE_CONFIG_BYPASS; offset++) {
		viommu_device_config_write(&f.dev, offset, junk, VIOMMU_WIRE_CONFIG_BYPASS - offset);
		viommu_device_config_write(&f.dev, VIOMMU_WIRE_CONFIG_BYPASS + 1 + offset, junk, 8);
		assert_int_equal(device_bypass(&f), 0);
	}
	device_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_init__defaults__accepted),
		cmocka_unit_test(test_device_init__unknown_struct_size__refused),
		cmocka_unit_test(test_device_init__memory_callbacks_missing__refused),
		cmocka_unit_test(test_device_init__features_beyond_the_class__refused),
		cmocka_unit_test(test_device_init__page_size_mask__granule_from_256),
		cmocka_unit_test(test_device_init__first_above_last__refused),
		cmocka_unit_test(test_device_init__bypass_neither_0_nor_1__refused),
		cmocka_unit_test(test_device_init__probe_size__leaves_room_for_the_tail),
		cmocka_unit_test(test_device_init__counts__up_to_the_limit),
		cmocka_unit_test(test_device_init__memory_of_any_alignment__mem_size_is_enough),
		cmocka_unit_test(test_device_init__no_memory__nomem),
		cmocka_unit_test(test_device_init__one_byte_less_than_mem_size__nomem),
		cmocka_unit_test(test_device_init__static_memory__holds_its_nodes),
		cmocka_unit_test(test_device_init__defaults__sixteen_of_everything),
		cmocka_unit_test(test_add_endpoint__id_taken__exists),
		cmocka_unit_test(test_add_endpoint__bad_regions__refused),
		cmocka_unit_test(test_add_endpoint__properties_just_fit__accepted),
		cmocka_unit_test(test_add_endpoint__more_regions_than_can_be__refused_unseen),
		cmocka_unit_test(test_add_endpoint__many_in_any_order__all_found),
		cmocka_unit_test(test_add_memory__after_nomem__map_works),
		cmocka_unit_test(test_process__budget__respected),
		cmocka_unit_test(test_negotiate__bits_not_offered__refused_and_unchanged),
		cmocka_unit_test(test_negotiate__any_subset_of_the_offer__accepted),
		cmocka_unit_test(test_config_read__every_offset_and_length__bytes_or_zero),
		cmocka_unit_test(test_config_read__default_page_sizes__4k_and_larger),
		cmocka_unit_test(test_config_write__anything_but_bypass__ignored),
	};

	return suite_run(tests);
}
