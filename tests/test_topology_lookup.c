/* SPDX-License-Identifier: BSD-3-Clause */
/* test_topology_lookup.c: from a device to its endpoint id and back, in the ACPI table VIOT. */
#include "suite.h"
#include "viot_tables.h"

static void test_endpoint__edges_of_a_range__inside_and_outside(void **state)
{
	struct viommu_topology_viot viot;

	(void)state;
	assert_int_equal(judge(wide, sizeof wide, &viot), VIOMMU_OK);
	assert_endpoint(&viot, pci(0x0102, 0x0305), 1, 0x11223345);
	assert_endpoint(&viot, pci(0x0102, 0x0506), 1, 0x11223344 + 0x202);
	assert_endpoint(&viot, pci(0x0105, 0x0304), 1, 0x11223344 + 0x30000);
	assert_endpoint(&viot, pci(0x0105, 0x0506), 1, 0x11223344 + 0x30202);
	assert_no_endpoint(&viot, pci(0x0103, 0x0303));
	assert_no_endpoint(&viot, pci(0x0103, 0x0507));
	assert_no_endpoint(&viot, pci(0x0101, 0x0305));
	assert_no_endpoint(&viot, pci(0x0106, 0x0305));
	assert_endpoint(&viot, mmio(0xfedcba9876543210), 0, 0x55667788);
	assert_no_endpoint(&viot, mmio(0xfedcba9876543211));
	assert_endpoint(&viot, pci(0, 0), 0, 0);
	assert_endpoint(&viot, pci(0, 0xffff), 0, 0xffff);
	assert_no_endpoint(&viot, mmio(0));
}

static void test_endpoint__unknown_bus__noent(void **state)
{
	struct viommu_topology_place nowhere = { .bus = (enum viommu_topology_bus)2, .base = 0xfedcba9876543210 };
	struct viommu_topology_viot viot;

	(void)state;
	assert_int_equal(judge(wide, sizeof wide, &viot), VIOMMU_OK);
	assert_no_endpoint(&viot, nowhere);
}

static void test_device__edges_of_a_range__inside_and_outside(void **state)
{
	struct viommu_topology_viot viot;

	(void)state;
	assert_int_equal(judge(wide, sizeof wide, &viot), VIOMMU_OK);
	assert_device(&viot, 1, 0x11223345, pci(0x0102, 0x0305));
	assert_device(&viot, 1, 0x11223344 + 0x202, pci(0x0102, 0x0506));
	assert_device(&viot, 1, 0x11223344 + 0x30202, pci(0x0105, 0x0506));
	assert_no_device(&viot, 1, 0x11223343);
	assert_no_device(&viot, 1, 0x11223344 + 0x203);
	assert_no_device(&viot, 1, 0x11223344 + 0xffff);
	assert_no_device(&viot, 1, 0x11223344 + 0x40000);
	assert_no_device(&viot, 0, 0x11223345);
	assert_device(&viot, 0, 0x55667788, mmio(0xfedcba9876543210));
	assert_no_device(&viot, 0, 0x55667789);
	assert_no_device(&viot, 0, 0x55667787);
	assert_no_device(&viot, 1, 0x55667788);
	assert_device(&viot, 0, 0xffff, pci(0, 0xffff));
	assert_no_device(&viot, 0, 0x10000);
	assert_no_device(&viot, 2, 0);
}

static void test_lookup__every_bdf__its_own_id_and_back(void **state)
{
	struct table t = table_begin();
	struct viommu_topology_viot viot;
	uint16_t iommu = add_iommu(&t, 8);
	uint16_t range = add_range(&t, 0, 0, 1, iommu);

	(void)state;
	memset(t.bytes + range + 14, 0xff, 2); /* last bdf */
	table_finish(&t);
	viot = judge_good(&t);
	for (uint32_t bdf = 0; bdf <= 0xffff; bdf++) {
		if (bdf == 8)
			continue;
		assert_endpoint(&viot, pci(0, (uint16_t)bdf), 0, bdf + 1);
		assert_device(&viot, 0, bdf + 1, pci(0, (uint16_t)bdf));
	}
	assert_no_device(&viot, 0, 0x10001);
}

/* The range of the table covers the IOMMU's own function. */
static void test_lookup__the_iommu_itself__is_no_endpoint(void **state)
{
	const uint8_t iommu[16] = { 4, 0, 16, 0, [8] = 0x34, 0x12 };
	const uint8_t endpoint[24] = { [0] = 2, [2] = 24, [4] = 3, [8] = 0x34, 0x12, [16] = HEADER + 16 };
	struct table t = table_begin();
	struct viommu_topology_viot viot;
	uint16_t at = add_iommu(&t, 8);

	(void)state;
	(void)table_add(&t, iommu, sizeof iommu);
	(void)add_range(&t, 0, 0xff, 0x40, at);
	(void)table_add(&t, endpoint, sizeof endpoint);
	viot = judge_good(&t);
	assert_endpoint(&viot, pci(0, 7), 0, 0x47);
	assert_no_endpoint(&viot, pci(0, 8));
	assert_endpoint(&viot, pci(0, 9), 0, 0x49);
	assert_device(&viot, 0, 0x47, pci(0, 7));
	assert_no_device(&viot, 0, 0x48);
	assert_no_endpoint(&viot, mmio(0x1234));
	assert_no_device(&viot, 1, 3);
}

/* An IOMMU may well be the endpoint of another one. */
static void test_lookup__another_iommu__is_an_endpoint(void **state)
{
	struct table t = table_begin();
	struct viommu_topology_viot viot;
	uint16_t first = add_iommu(&t, 8);
	uint16_t second = add_iommu(&t, 9);

	(void)state;
	(void)add_range(&t, 9, 9, 1, first);
	(void)add_range(&t, 8, 8, 1, second);
	viot = judge_good(&t);
	assert_endpoint(&viot, pci(0, 9), 0, 1);
	assert_endpoint(&viot, pci(0, 8), 1, 1);
	assert_device(&viot, 0, 1, pci(0, 9));
	assert_device(&viot, 1, 1, pci(0, 8));
}

static void test_lookup__ranges_overlap__the_first_one_counts(void **state)
{
	struct table t = table_begin();
	struct viommu_topology_viot viot;
	uint16_t first = add_iommu(&t, 1);
	uint16_t second = add_iommu(&t, 2);

	(void)state;
	(void)add_range(&t, 0x11, 0x11, 0x80, first);
	(void)add_range(&t, 0x12, 0x12, 0x90, second);
	(void)add_range(&t, 0x13, 0x13, 0x13, second);
	(void)add_range(&t, 0x10, 0x1f, 0x10, first);
	viot = judge_good(&t);
	assert_endpoint(&viot, pci(0, 0x10), 0, 0x10);
	assert_endpoint(&viot, pci(0, 0x11), 0, 0x80);
	assert_endpoint(&viot, pci(0, 0x12), 1, 0x90);
	assert_device(&viot, 0, 0x10, pci(0, 0x10));
	assert_device(&viot, 0, 0x80, pci(0, 0x11));
	assert_device(&viot, 1, 0x90, pci(0, 0x12));
	assert_no_device(&viot, 0, 0x11); /* that function has another id */
	assert_no_device(&viot, 0, 0x12); /* and that one another IOMMU */
	assert_no_device(&viot, 0, 0x13); /* of which it has the same id */
	assert_device(&viot, 1, 0x13, pci(0, 0x13));
}

/* Between the ids that a range has in one segment and in the next there is room for another range. */
static void test_device__id_between_two_segments_of_a_range__of_another_range(void **state)
{
	struct table t = table_begin();
	struct viommu_topology_viot viot;
	uint16_t iommu = add_iommu(&t, 1);
	uint16_t range = add_range(&t, 8, 9, 0, iommu);

	(void)state;
	t.bytes[range + 10] = 1; /* last segment */
	(void)add_range(&t, 0x20, 0x2f, 2, iommu);
	viot = judge_good(&t);
	assert_device(&viot, 0, 1, pci(0, 9));
	assert_device(&viot, 0, 2, pci(0, 0x20));
	assert_device(&viot, 0, 0x11, pci(0, 0x2f));
	assert_device(&viot, 0, 0x10001, pci(1, 9));
	assert_no_device(&viot, 0, 0x10002);
}

static void test_device__several_with_one_id__the_first_one(void **state)
{
	struct table t = table_begin();
	struct viommu_topology_viot viot;
	uint16_t iommu = add_iommu(&t, 1);

	(void)state;
	(void)add_range(&t, 0x20, 0x2f, 0x10, iommu);
	(void)add_range(&t, 0x10, 0x1f, 0x10, iommu);
	viot = judge_good(&t);
	assert_endpoint(&viot, pci(0, 0x13), 0, 0x13);
	assert_endpoint(&viot, pci(0, 0x23), 0, 0x13);
	assert_device(&viot, 0, 0x13, pci(0, 0x23));
}

/* Random descriptions of a small world, and each of its devices and ids asked of an array with one element for each. */

#define WORLD_SEGMENTS 3u
#define WORLD_BDFS 12u
#define WORLD_IOMMUS 3u
#define WORLD_RANGES 4u
#define WORLD_IDS 0x30000u

struct answer {
	bool is_there, is_itself;
	uint32_t iommu, endpoint;
};

struct naive {
	struct answer pci[WORLD_SEGMENTS][WORLD_BDFS];
	struct answer mmio[WORLD_BDFS];
};

static bool naive_put(struct answer *a, const struct viommu_topology_viot_config *c,
		      const struct viommu_topology_range *r, struct viommu_topology_place place, uint32_t endpoint)
{
	const struct viommu_topology_place *iommu = &c->iommus[r->iommu];

	if (a->is_there)
		return false;
	*a = (struct answer){ true, false, r->iommu, endpoint };
	a->is_itself = iommu->bus == place.bus && iommu->segment == place.segment && iommu->bdf == place.bdf &&
		       iommu->base == place.base;
	return true;
}

/* False: this is no description. */
static bool naive_fill(struct naive *n, const struct viommu_topology_viot_config *c)
{
	memset(n, 0, sizeof *n);
	for (uint32_t i = 0; i < c->iommu_count; i++)
		for (uint32_t k = 0; k < i; k++)
			if (memcmp(&c->iommus[i], &c->iommus[k], sizeof c->iommus[i]) == 0)
				return false;
	for (uint32_t i = 0; i < c->range_count; i++) {
		const struct viommu_topology_range *r = &c->ranges[i];

		if (r->iommu >= c->iommu_count)
			return false;
		if (r->first.bus == VIOMMU_TOPOLOGY_MMIO) {
			if (!naive_put(&n->mmio[r->first.base], c, r, r->first, r->endpoint))
				return false;
			continue;
		}
		if (r->first.segment > r->last_segment || r->first.bdf > r->last_bdf)
			return false;
		for (uint16_t s = r->first.segment; s <= r->last_segment; s++) {
			for (uint16_t b = r->first.bdf; b <= r->last_bdf; b++) {
				uint64_t id = r->endpoint + 0x10000ull * (s - r->first.segment) + b - r->first.bdf;

				if (id > UINT32_MAX || !naive_put(&n->pci[s][b], c, r, pci(s, b), (uint32_t)id))
					return false;
			}
		}
	}
	return true;
}

static struct viommu_topology_place random_place(struct sim_random *rnd)
{
	struct viommu_topology_place place;

	memset(&place, 0, sizeof place); /* compared as a whole */
	place.bus = sim_random_below(rnd, 3) == 0 ? VIOMMU_TOPOLOGY_MMIO : VIOMMU_TOPOLOGY_PCI;
	if (place.bus == VIOMMU_TOPOLOGY_MMIO) {
		place.base = sim_random_below(rnd, WORLD_BDFS);
	} else {
		place.segment = (uint16_t)sim_random_below(rnd, WORLD_SEGMENTS);
		place.bdf = (uint16_t)sim_random_below(rnd, WORLD_BDFS);
	}
	return place;
}

static void check_answer(const struct viommu_topology_viot *viot, struct viommu_topology_place device,
			 const struct answer *want)
{
	struct viommu_topology_place back;

	if (!want->is_there || want->is_itself) {
		assert_no_endpoint(viot, device);
		return;
	}
	assert_endpoint(viot, device, want->iommu, want->endpoint);
	if (viommu_topology_viot_device(viot, want->iommu, want->endpoint, &back) == VIOMMU_OK)
		assert_endpoint(viot, back, want->iommu, want->endpoint); /* or another one with this id */
	else
		assert_no_device(viot, want->iommu, want->endpoint); /* the IOMMU has it, and is named first */
}

/* The device of the first range that has the id, by asking each device of each range. */
static void check_id(const struct viommu_topology_viot *viot, const struct viommu_topology_viot_config *c,
		     const struct naive *n, uint32_t iommu, uint32_t endpoint)
{
	for (uint32_t i = 0; i < c->range_count; i++) {
		const struct viommu_topology_range *r = &c->ranges[i];

		for (uint16_t s = r->first.segment; s <= r->last_segment; s++) {
			for (uint16_t b = r->first.bdf; b <= r->last_bdf; b++) {
				bool is_pci = r->first.bus == VIOMMU_TOPOLOGY_PCI;
				const struct answer *a = is_pci ? &n->pci[s][b] : &n->mmio[r->first.base];

				if (a->iommu != iommu || a->endpoint != endpoint)
					continue;
				if (a->is_itself)
					assert_no_device(viot, iommu, endpoint);
				else
					assert_device(viot, iommu, endpoint, is_pci ? pci(s, b) : r->first);
				return;
			}
		}
	}
	assert_no_device(viot, iommu, endpoint);
}

static void check_world(const struct viommu_topology_viot *viot, const struct viommu_topology_viot_config *c,
			const struct naive *n)
{
	static const uint32_t bases[] = { 0, 0x10000, 0x20000, 0xfffffff0 };

	for (uint16_t b = 0; b < WORLD_BDFS; b++) {
		for (uint16_t s = 0; s < WORLD_SEGMENTS; s++)
			check_answer(viot, pci(s, b), &n->pci[s][b]);
		check_answer(viot, mmio(b), &n->mmio[b]);
	}
	for (uint32_t iommu = 0; iommu < WORLD_IOMMUS; iommu++)
		for (size_t k = 0; k < COUNT(bases); k++)
			for (uint32_t id = 0; id < 16; id++)
				check_id(viot, c, n, iommu, bases[k] + id);
}

static void test_viot__random_descriptions__as_an_array_says(void **state)
{
	struct sim_random rnd = { 20261122 };
	static struct naive naive;
	unsigned good = 0;

	(void)state;
	for (unsigned run = 0; run < 4000; run++) {
		struct viommu_topology_viot_config config = VIOMMU_TOPOLOGY_VIOT_CONFIG_INIT;
		struct viommu_topology_place iommus[WORLD_IOMMUS];
		struct viommu_topology_range ranges[WORLD_RANGES], range;
		struct viommu_topology_viot viot;
		uint8_t out[VIOMMU_TOPOLOGY_VIOT_SIZE(WORLD_IOMMUS, WORLD_RANGES)];
		uint32_t offset = 0;
		enum viommu_result result;

		config.iommus = iommus;
		config.iommu_count = 1 + (uint32_t)sim_random_below(&rnd, WORLD_IOMMUS);
		config.ranges = ranges;
		config.range_count = (uint32_t)sim_random_below(&rnd, WORLD_RANGES + 1);
		for (uint32_t i = 0; i < config.iommu_count; i++)
			iommus[i] = random_place(&rnd);
		for (uint32_t i = 0; i < config.range_count; i++) {
			struct viommu_topology_range *r = &ranges[i];

			memset(r, 0, sizeof *r);
			r->iommu = (uint32_t)sim_random_below(&rnd, config.iommu_count + (run % 8 == 0));
			r->endpoint = (uint32_t)sim_random_below(&rnd, 8);
			if (sim_random_below(&rnd, 8) == 0)
				r->endpoint += 0xfffffff0;
			r->first = random_place(&rnd);
			if (r->first.bus == VIOMMU_TOPOLOGY_MMIO)
				continue;
			r->last_segment = (uint16_t)sim_random_below(&rnd, WORLD_SEGMENTS);
			r->last_bdf = (uint16_t)sim_random_below(&rnd, WORLD_BDFS);
		}
		memset(out, CANARY, sizeof out);
		result = viommu_topology_viot_encode(&config, out, sizeof out);
		assert_int_equal(result, naive_fill(&naive, &config) ? VIOMMU_OK : VIOMMU_E_ARG);
		if (result != VIOMMU_OK) {
			assert_all_bytes(out, CANARY, sizeof out);
			continue;
		}
		good++;
		assert_int_equal(judge(out, VIOMMU_TOPOLOGY_VIOT_SIZE(config.iommu_count, config.range_count), &viot),
				 VIOMMU_OK);
		for (uint32_t i = 0; i < config.iommu_count; i++) {
			struct viommu_topology_place place;

			assert_int_equal(viommu_topology_viot_iommu(&viot, i, &place), VIOMMU_OK);
			assert_place(&place, &iommus[i]);
		}
		for (uint32_t i = 0; i < config.range_count; i++) {
			assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_OK);
			assert_range(&range, &ranges[i]);
		}
		assert_int_equal(viommu_topology_viot_next(&viot, &offset, &range), VIOMMU_E_EMPTY);
		check_world(&viot, &config, &naive);
	}
	assert_true(good > 500 && good < 3500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endpoint__edges_of_a_range__inside_and_outside),
		cmocka_unit_test(test_endpoint__unknown_bus__noent),
		cmocka_unit_test(test_device__edges_of_a_range__inside_and_outside),
		cmocka_unit_test(test_lookup__every_bdf__its_own_id_and_back),
		cmocka_unit_test(test_lookup__the_iommu_itself__is_no_endpoint),
		cmocka_unit_test(test_lookup__another_iommu__is_an_endpoint),
		cmocka_unit_test(test_lookup__ranges_overlap__the_first_one_counts),
		cmocka_unit_test(test_device__id_between_two_segments_of_a_range__of_another_range),
		cmocka_unit_test(test_device__several_with_one_id__the_first_one),
		cmocka_unit_test(test_viot__random_descriptions__as_an_array_says),
	};

	return suite_run(tests);
}
