/* SPDX-License-Identifier: BSD-3-Clause */
/* test_device_snapshot.c: save and restore at seam A. */
#include <viommu/snapshot.h>

#include "device_sections.h"
#include "snapshot_bytes.h"
#include "suite.h"

enum {
	SECTION_DEVICE,
	SECTION_ENDPOINTS,
	SECTION_DOMAINS,
	SECTION_MAPPINGS
};

/* Of a device with the fixture's configuration: see docs/snapshot.md. */
#define RECORD 16u
#define MAPPING 32u
#define AT_BYPASS 44u
#define AT_NEGOTIATED 48u

static struct device_fixture source, target;
static uint8_t saved[0x10000], again[0x10000];
static size_t saved_len;

static const struct viommu_resv_region doorbell[] = { { { 0xfee00000, 0xfeefffff }, VIOMMU_RESV_MEM_MSI } };

static void save(struct device_fixture *f)
{
	assert_int_equal(viommu_device_save(&f->dev, saved, sizeof(saved), &saved_len), VIOMMU_OK);
	assert_int_equal(saved_len, viommu_device_save_size(&f->dev));
}

/* Domain 1: endpoints 8 and 0, three mappings; 5: endpoint 9, bypass; endpoint ffffffff is in none. */
static void live(struct device_fixture *f)
{
	assert_int_equal(device_attach(f, 5, DEVICE_EP1, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
	assert_int_equal(device_attach(f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(f, 1, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(f, 1, 0x1000, 0x1fff, 0xa000, VIOMMU_MAP_F_READ), VIOMMU_S_OK);
	assert_int_equal(device_map(f, 1, 0x2000, 0x12fff, 0xb000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(f, 1, 0xfffffffffffff000, UINT64_MAX, 0, VIOMMU_MAP_F_MMIO), VIOMMU_S_OK);
}

static void options_for_target(struct device_options *options)
{
	device_options_init(options);
	options->negotiate = 0;
	options->regions[0] = doorbell;
	options->region_counts[0] = 1;
}

static void setup_source(void)
{
	struct device_options options;

	options_for_target(&options);
	options.negotiate = options.config.features;
	device_setup(&source, &options);
	live(&source);
	save(&source);
}

static void setup_both(void)
{
	struct device_options options;

	setup_source();
	options_for_target(&options);
	device_setup(&target, &options);
}

static void teardown_both(void)
{
	device_teardown(&target);
	device_teardown(&source);
}

/* The target says this, and no endpoint can tell that it was asked. */
static void assert_refused(enum viommu_result result)
{
	struct device_view before, after;
	uint32_t nodes = viommu_map_pool_free(&target.dev.pool);

	device_view_take(&target, &before);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), result);
	device_view_take(&target, &after);
	device_view_assert_equal(&before, &after);
	assert_int_equal(viommu_map_pool_free(&target.dev.pool), nodes);
	assert_int_equal(target.dev.negotiated, 0);
	assert_true(viommu_device_check(&target.dev));
}

/* With this number in the bytes, and the checksum right, the target says this. */
static void assert_refused_with(uint8_t *at, unsigned bytes, uint64_t value, enum viommu_result result)
{
	uint64_t before = snapshot_get(at, bytes);

	snapshot_put(at, bytes, value);
	snapshot_mend(saved, saved_len);
	assert_refused(result);
	snapshot_put(at, bytes, before);
	snapshot_mend(saved, saved_len);
}

static void test_device_snapshot__restored__same_answers_and_same_bytes(void **state)
{
	struct device_view before, after;
	size_t len;

	(void)state;
	setup_both();
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	assert_true(viommu_device_check(&target.dev));
	device_view_take(&source, &before);
	device_view_take(&target, &after);
	device_view_assert_equal(&before, &after);
	assert_int_equal(viommu_device_save(&target.dev, again, sizeof(again), &len), VIOMMU_OK);
	assert_int_equal(len, saved_len);
	assert_memory_equal(again, saved, len);
	/* And life goes on. */
	assert_int_equal(device_map(&target, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_INVAL);
	assert_int_equal(device_unmap(&target, 1, 0x1000, 0x12fff), VIOMMU_S_OK);
	assert_int_equal(device_detach(&target, 5, DEVICE_EP1), VIOMMU_S_OK);
	teardown_both();
}

/* What version 1 wrote once, on a little-endian machine: it is read for ever, and written as long as it is the same. */
static void test_device_snapshot__of_version_1__read_and_written(void **state)
{
	size_t len, len_now;

	(void)state;
	setup_both();
	len = snapshot_golden("device-1.bin", saved, saved_len, again, sizeof(again));
	assert_int_equal(viommu_device_restore(&target.dev, again, len), VIOMMU_OK);
	assert_true(viommu_device_check(&target.dev));
	assert_true(device_reaches(&target, 0, 0x2000, VIOMMU_ACCESS_WRITE, 0xb000));
	assert_int_equal(viommu_device_save(&target.dev, saved, sizeof(saved), &len_now), VIOMMU_OK);
	assert_int_equal(len_now, len);
	assert_memory_equal(saved, again, len);
	teardown_both();
}

static void test_device_snapshot__nothing_happened_yet__restored_too(void **state)
{
	struct device_options options;

	(void)state;
	options_for_target(&options);
	device_setup(&source, &options);
	save(&source);
	device_setup(&target, &options);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	assert_true(viommu_device_check(&target.dev));
	teardown_both();
}

/* As many nodes as the maps have are enough, although a MAP of several sizes asks for more than it takes. */
static void test_device_snapshot__as_many_nodes_as_are_in_use__enough(void **state)
{
	struct device_options options;
	uint32_t used;

	(void)state;
	setup_source();
	used = viommu_map_pool_total(&source.dev.pool) - viommu_map_pool_free(&source.dev.pool);
	options_for_target(&options);
	options.nodes = used;
	device_setup(&target, &options);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	assert_int_equal(viommu_map_pool_free(&target.dev.pool), 0);
	device_teardown(&target);
	for (options.nodes = 0; options.nodes < used; options.nodes++) {
		device_setup(&target, &options);
		assert_refused(VIOMMU_E_NOMEM);
		device_teardown(&target);
	}
	device_teardown(&source);
}

/* P3: what began under the bypass is waited for. */
static void test_device_snapshot__sections_under_bypass__settled_when_they_end(void **state)
{
	struct viommu_access_token token;
	struct device_options options;
	size_t len;

	(void)state;
	setup_source();
	options_for_target(&options);
	options.config.bypass = 1;
	device_setup(&target, &options);
	token = begin(&target, 3);
	assert_true(device_reaches(&target, 3, 0x5000, VIOMMU_ACCESS_READ, 0x5000));
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	assert_true(device_faults(&target, 3, 0x5000, VIOMMU_ACCESS_READ, VIOMMU_FAULT_R_DOMAIN));
	assert_false(viommu_device_is_settled(&target.dev));
	assert_int_equal(viommu_device_save(&target.dev, again, sizeof(again), &len), VIOMMU_E_BUSY);
	end(&target, 3, token);
	assert_true(target.wakes > 0);
	assert_true(viommu_device_is_settled(&target.dev));
	assert_int_equal(viommu_device_save(&target.dev, again, sizeof(again), &len), VIOMMU_OK);
	assert_memory_equal(again, saved, saved_len);
	teardown_both();
}

static void test_device_snapshot__bypass_is_on__restored(void **state)
{
	(void)state;
	setup_both();
	device_set_bypass(&source, 1);
	save(&source);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	assert_int_equal(device_bypass(&target), 1);
	assert_true(device_reaches(&target, 3, 0x5000, VIOMMU_ACCESS_WRITE, 0x5000));
	teardown_both();
}

static void test_device_snapshot__request_pending__busy(void **state)
{
	static struct device_call call;
	struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	size_t len;
	int status;

	(void)state;
	setup_source();
	token = begin(&source, 0);
	assert_pending(&source, &call, &unmap);
	assert_int_equal(viommu_device_save(&source.dev, again, sizeof(again), &len), VIOMMU_E_BUSY);
	assert_int_equal(viommu_device_restore(&source.dev, saved, saved_len), VIOMMU_E_BUSY);
	viommu_device_reset(&source.dev);
	end(&source, 0, token);
	assert_true(viommu_device_is_settled(&source.dev));
	/* Cancelled, and nobody has fetched it. */
	assert_int_equal(viommu_device_save(&source.dev, again, sizeof(again), &len), VIOMMU_E_BUSY);
	assert_ptr_equal(device_next_done(&source, &status), &call);
	assert_int_equal(viommu_device_save(&source.dev, again, sizeof(again), &len), VIOMMU_OK);
	device_call_free(&call);
	device_teardown(&source);
}

static void test_device_snapshot__too_little_room__nothing_written(void **state)
{
	size_t len;

	(void)state;
	setup_source();
	memset(again, 0x5a, sizeof(again));
	assert_int_equal(viommu_device_save(&source.dev, again, saved_len - 1, &len), VIOMMU_E_FULL);
	for (size_t i = 0; i < saved_len; i++)
		assert_int_equal(again[i], 0x5a);
	device_teardown(&source);
}

static void test_device_snapshot__driver_was_there__state(void **state)
{
	(void)state;
	setup_both();
	assert_int_equal(viommu_device_negotiate(&target.dev, VIOMMU_F_MAP_UNMAP), VIOMMU_OK);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_E_STATE);
	assert_int_equal(device_attach(&target, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(viommu_device_negotiate(&target.dev, 0), VIOMMU_OK);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_E_STATE);
	viommu_device_reset(&target.dev);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	teardown_both();
}

/* Domains that died, one after the other, which a section may still see. */
static void test_device_snapshot__earlier_life_is_not_over__busy(void **state)
{
	struct viommu_access_token token;
	struct device_options options;

	(void)state;
	setup_source();
	options_for_target(&options);
	options.config.max_domains = 2;
	options.negotiate = 0;
	device_setup(&target, &options);
	assert_int_equal(device_attach(&target, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	token = begin(&target, 0);
	/* Out of the domain and back into others: each dies, and is seen until the section ends. */
	for (uint32_t domain = 2; domain <= 4; domain++) {
		static struct device_call calls[3];
		struct viommu_wire_request r = device_attach_request(domain, DEVICE_EP0, 0);

		assert_pending(&target, &calls[domain - 2], &r);
	}
	viommu_device_forget_replies(&target.dev);
	viommu_device_reset(&target.dev);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_E_BUSY);
	end(&target, 0, token);
	while (viommu_device_next_done(&target.dev) != NULL)
		;
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	teardown_both();
}

/* Endpoints were removed, and sections of them may still see the domains that died with them: three of four slots. */
static void test_device_snapshot__removed_endpoints_are_not_gone__busy(void **state)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_access_token tokens[3];
	struct viommu_endpoint *handles[3];
	struct viommu_access accesses[3];
	struct device_options options;

	(void)state;
	setup_source();
	options_for_target(&options);
	options.config.max_domains = 2;
	options.config.max_endpoints = DEVICE_ENDPOINTS + 3;
	device_setup(&target, &options);
	for (uint32_t i = 0; i < 3; i++) {
		config.id = 20 + i;
		assert_int_equal(viommu_device_add_endpoint(&target.dev, &config, &handles[i]), VIOMMU_OK);
		viommu_access_init(&accesses[i], &target.dev, handles[i]);
		assert_int_equal(device_attach(&target, 1, config.id, 0), VIOMMU_S_OK);
		assert_int_equal(viommu_access_begin(&accesses[i], &tokens[i]), VIOMMU_OK);
		assert_int_equal(viommu_device_remove_endpoint(&target.dev, handles[i]), VIOMMU_OK);
	}
	assert_refused(VIOMMU_E_BUSY);
	for (uint32_t i = 0; i < 3; i++) {
		viommu_access_end(&accesses[i], tokens[i]);
		assert_int_equal(viommu_access_deinit(&accesses[i]), VIOMMU_OK);
		assert_true(viommu_device_endpoint_is_gone(&target.dev, handles[i]));
	}
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	assert_true(viommu_device_check(&target.dev));
	teardown_both();
}

static void test_device_snapshot__any_bit_flipped_or_cut_off__refused(void **state)
{
	(void)state;
	setup_both();
	for (size_t bit = 0; bit < 8 * saved_len; bit++) {
		saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_E_PEER);
		saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t len = 0; len < saved_len; len++)
		assert_int_equal(viommu_device_restore(&target.dev, saved, len), VIOMMU_E_PEER);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len + 1), VIOMMU_E_PEER);
	assert_refused_with(saved + 8, 4, VIOMMU_SNAPSHOT_VERSION + 1, VIOMMU_E_ABI);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	teardown_both();
}

/* With a checksum that says that all is well. */
static void test_device_snapshot__no_magic_or_another_length__peer(void **state)
{
	(void)state;
	setup_both();
	for (unsigned i = 0; i < 8; i++)
		assert_refused_with(saved + i, 1, saved[i] ^ 1u, VIOMMU_E_PEER);
	for (int more = -1; more <= 1; more += 2) {
		snapshot_put(saved + 12, 8, saved_len + (size_t)more);
		snapshot_seal(saved, saved_len);
		assert_refused(VIOMMU_E_PEER);
	}
	teardown_both();
}

/* The last endpoint lacks its last four bytes. */
static void test_device_snapshot__record_cut_off__peer(void **state)
{
	uint8_t *endpoints, *end;

	(void)state;
	setup_both();
	endpoints = snapshot_section(saved, SECTION_ENDPOINTS);
	end = endpoints + 4 * RECORD;
	memmove(end - 4, end, (size_t)(saved + saved_len - end));
	snapshot_put(endpoints - 8, 8, 4 * RECORD - 4);
	saved_len -= 4;
	snapshot_mend(saved, saved_len);
	assert_refused(VIOMMU_E_PEER);
	teardown_both();
}

/* Cut off at each place, with a length and a checksum that say that this is all. */
static void test_device_snapshot__sections_run_over_the_end__peer(void **state)
{
	size_t whole;

	(void)state;
	setup_both();
	whole = saved_len;
	memcpy(again, saved, whole);
	for (saved_len = 24; saved_len < whole; saved_len++) {
		memcpy(saved, again, whole);
		snapshot_mend(saved, saved_len);
		assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_E_PEER);
	}
	for (unsigned n = SECTION_DEVICE; n <= SECTION_MAPPINGS; n++) {
		memcpy(saved, again, whole);
		snapshot_mend(saved, whole);
		assert_refused_with(snapshot_section(saved, n) - 12, 4, 0, VIOMMU_E_PEER);
		assert_refused_with(snapshot_section(saved, n) - 8, 8, UINT64_MAX, VIOMMU_E_PEER);
	}
	/* And something behind the last one. */
	saved_len = whole + 4;
	snapshot_mend(saved, saved_len);
	assert_refused(VIOMMU_E_PEER);
	teardown_both();
}

static void test_device_snapshot__sections_of_broken_records__peer(void **state)
{
	(void)state;
	for (unsigned n = SECTION_DEVICE; n <= SECTION_MAPPINGS; n++) {
		size_t behind;
		uint8_t *end;

		setup_both();
		end = snapshot_section(saved, n);
		end += snapshot_get(end - 8, 8);
		behind = (size_t)(saved + saved_len - end);
		memmove(end + 4, end, behind);
		memset(end, 0xff, 4);
		saved_len += 4;
		snapshot_put(snapshot_section(saved, n) - 8, 8, snapshot_get(snapshot_section(saved, n) - 8, 8) + 4);
		snapshot_mend(saved, saved_len);
		assert_refused(VIOMMU_E_PEER);
		teardown_both();
	}
}

static void test_device_snapshot__driver_was_shown_something_else__unsupp(void **state)
{
	uint8_t *device, *endpoints;

	(void)state;
	setup_both();
	device = snapshot_section(saved, SECTION_DEVICE);
	for (unsigned i = 0; i < AT_NEGOTIATED; i++) {
		if (i != AT_BYPASS)
			assert_refused_with(device + i, 1, device[i] ^ 1u, VIOMMU_E_UNSUPP);
	}
	endpoints = snapshot_section(saved, SECTION_ENDPOINTS);
	assert_refused_with(endpoints + RECORD + 12, 4, 0, VIOMMU_E_UNSUPP); /* its doorbell */
	teardown_both();
}

/* Features that were not offered, and what these would have allowed. */
static void test_device_snapshot__beyond_the_features__peer(void **state)
{
	struct device_options options;
	uint8_t *device, *domains, *mappings;

	(void)state;
	options_for_target(&options);
	options.config.features = VIOMMU_F_MAP_UNMAP;
	options.negotiate = VIOMMU_F_MAP_UNMAP;
	device_setup(&source, &options);
	assert_int_equal(device_attach(&source, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&source, 1, 0x1000, 0x1fff, 0, RW), VIOMMU_S_OK);
	save(&source);
	options.negotiate = 0;
	device_setup(&target, &options);
	device = snapshot_section(saved, SECTION_DEVICE);
	domains = snapshot_section(saved, SECTION_DOMAINS);
	mappings = snapshot_section(saved, SECTION_MAPPINGS);
	assert_refused_with(device + AT_NEGOTIATED, 8, VIOMMU_DEVICE_FEATURES, VIOMMU_E_PEER);
	assert_refused_with(device + AT_BYPASS, 1, 1, VIOMMU_E_PEER);
	assert_refused_with(domains + 8, 8, UINT64_MAX, VIOMMU_E_PEER);
	assert_refused_with(mappings + 24, 8, VIOMMU_MAP_F_MMIO, VIOMMU_E_PEER);
	/* Any domain, any address: there are no ranges. */
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	teardown_both();
}

static void test_device_snapshot__bypass_that_is_no_value__peer(void **state)
{
	(void)state;
	setup_both();
	assert_refused_with(snapshot_section(saved, SECTION_DEVICE) + AT_BYPASS, 1, 2, VIOMMU_E_PEER);
	teardown_both();
}

/* Endpoints in the bytes: 0 in domain 1, 8 in 1, 9 in 5, ffffffff. */
static void test_device_snapshot__endpoints_that_contradict__peer(void **state)
{
	uint8_t *e;

	(void)state;
	setup_both();
	e = snapshot_section(saved, SECTION_ENDPOINTS);
	assert_refused_with(e + RECORD, 4, 0, VIOMMU_E_PEER);  /* twice */
	assert_refused_with(e + RECORD, 4, 10, VIOMMU_E_PEER); /* out of order */
	assert_refused_with(e + 4, 4, 2, VIOMMU_E_PEER);       /* in a domain that is not there */
	assert_refused_with(e + 8, 4, 2, VIOMMU_E_PEER);
	assert_refused_with(e + 8, 4, 0, VIOMMU_E_PEER); /* in none, which is 1 */
	assert_refused_with(e + 3 * RECORD + 4, 4, 1, VIOMMU_E_PEER);
	teardown_both();
}

static void test_device_snapshot__endpoint_is_not_there__noent(void **state)
{
	uint8_t *e;

	(void)state;
	setup_both();
	e = snapshot_section(saved, SECTION_ENDPOINTS);
	assert_refused_with(e + 3 * RECORD, 4, 10, VIOMMU_E_NOENT);
	teardown_both();
}

/* Domains in the bytes: 1 with member 0 and three mappings, 5 with member 9 and a bypass. */
static void test_device_snapshot__domains_that_contradict__peer(void **state)
{
	uint8_t *d;

	(void)state;
	setup_both();
	d = snapshot_section(saved, SECTION_DOMAINS);
	assert_refused_with(d + 4, 4, 7, VIOMMU_E_PEER);          /* nobody */
	assert_refused_with(d + 4, 4, 9, VIOMMU_E_PEER);          /* who is elsewhere */
	assert_refused_with(d + 4, 4, 0xffffffff, VIOMMU_E_PEER); /* who is nowhere */
	assert_refused_with(d + 8, 8, 2, VIOMMU_E_PEER);          /* one mapping is nobody's */
	assert_refused_with(d + 8, 8, 4, VIOMMU_E_PEER);
	assert_refused_with(d + RECORD + 8, 8, 1, VIOMMU_E_PEER);
	snapshot_put(d + 8, 8, 5); /* together three, modulo 2^64 */
	assert_refused_with(d + RECORD + 8, 8, UINT64_MAX - 1, VIOMMU_E_PEER);
	snapshot_put(d + 8, 8, 3);
	assert_refused_with(d + RECORD, 4, 1, VIOMMU_E_PEER); /* twice */
	teardown_both();
}

static void test_device_snapshot__domain_out_of_range__peer(void **state)
{
	struct device_options options;
	uint8_t *d, *e;

	(void)state;
	options_for_target(&options);
	options.config.domain_first = 4;
	options.config.domain_last = 6;
	options.negotiate = options.config.features;
	device_setup(&source, &options);
	assert_int_equal(device_attach(&source, 5, DEVICE_EP2, 0), VIOMMU_S_OK);
	save(&source);
	options.negotiate = 0;
	device_setup(&target, &options);
	d = snapshot_section(saved, SECTION_DOMAINS);
	e = snapshot_section(saved, SECTION_ENDPOINTS);
	for (uint32_t id = 3; id <= 7; id += 4) {
		snapshot_put(e + 4, 4, id);
		assert_refused_with(d, 4, id, VIOMMU_E_PEER);
	}
	for (uint32_t id = 4; id <= 6; id++) {
		snapshot_put(e + 4, 4, id);
		snapshot_put(d, 4, id);
		snapshot_mend(saved, saved_len);
		assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
		viommu_device_reset(&target.dev);
	}
	teardown_both();
}

static void test_device_snapshot__more_domains_than_allowed__full(void **state)
{
	struct device_options options;

	(void)state;
	setup_source();
	options_for_target(&options);
	options.config.max_domains = 1;
	device_setup(&target, &options);
	assert_refused(VIOMMU_E_FULL);
	teardown_both();
}

/* Mappings in the bytes, all of domain 1: 1000 to 1fff, 2000 to 12fff, the last page. */
static void test_device_snapshot__mappings_that_no_request_made__peer(void **state)
{
	uint8_t *m;

	(void)state;
	setup_both();
	m = snapshot_section(saved, SECTION_MAPPINGS);
	assert_refused_with(m, 8, 0x1800, VIOMMU_E_PEER);
	assert_refused_with(m + 8, 8, 0x17ff, VIOMMU_E_PEER);
	assert_refused_with(m + 8, 8, 0x0fff, VIOMMU_E_PEER);
	assert_refused_with(m + 8, 8, 0x2fff, VIOMMU_E_PEER); /* overlaps the next one */
	assert_refused_with(m + MAPPING, 8, 0x0000, VIOMMU_E_PEER);
	assert_refused_with(m + 16, 8, 0xa100, VIOMMU_E_PEER);
	assert_refused_with(m + MAPPING + 16, 8, 0xfffffffffffff000, VIOMMU_E_PEER); /* wraps */
	assert_refused_with(m + 24, 8, 8, VIOMMU_E_PEER);
	assert_refused_with(m + 28, 4, 1, VIOMMU_E_PEER);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	teardown_both();
}

static void test_device_snapshot__mapping_out_of_input_range__peer(void **state)
{
	struct device_options options;

	(void)state;
	options_for_target(&options);
	options.config.input_range = (struct viommu_range){ 0x1000, 0xffff };
	options.negotiate = options.config.features;
	device_setup(&source, &options);
	assert_int_equal(device_attach(&source, 1, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(&source, 1, 0x1000, 0xffff, 0, RW), VIOMMU_S_OK);
	save(&source);
	options.negotiate = 0;
	device_setup(&target, &options);
	assert_refused_with(snapshot_section(saved, SECTION_MAPPINGS), 8, 0, VIOMMU_E_PEER);
	assert_refused_with(snapshot_section(saved, SECTION_MAPPINGS) + 8, 8, 0x10fff, VIOMMU_E_PEER);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	teardown_both();
}

/* In the doorbell of endpoint 8, which is in the domain. */
static void test_device_snapshot__mapping_in_reserved_region__peer(void **state)
{
	uint8_t *m;

	(void)state;
	setup_both();
	m = snapshot_section(saved, SECTION_MAPPINGS) + 2 * MAPPING;
	snapshot_put(m, 8, 0xfeeff000);
	assert_refused_with(m + 8, 8, 0xfeefffff, VIOMMU_E_PEER);
	snapshot_put(m, 8, 0xfef00000);
	snapshot_put(m + 8, 8, 0xfef00fff);
	snapshot_mend(saved, saved_len);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	teardown_both();
}

/* In place of endpoint 0, which is in domain 1 with endpoint 8, one of the same id that can do less. */
static void setup_target_with(uint64_t page_size_mask, struct viommu_range input)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *handle;
	struct device_options options;

	options_for_target(&options);
	options.config.max_endpoints = DEVICE_ENDPOINTS + 1;
	device_setup(&target, &options);
	assert_int_equal(viommu_device_remove_endpoint(&target.dev, target.endpoints[2]), VIOMMU_OK);
	config.id = DEVICE_EP2;
	config.page_size_mask = page_size_mask;
	config.flags = VIOMMU_ENDPOINT_F_INPUT_RANGE;
	config.input_range = input;
	assert_int_equal(viommu_device_add_endpoint(&target.dev, &config, &handle), VIOMMU_OK);
	assert_int_equal(viommu_access_deinit(&target.accesses[2]), VIOMMU_OK);
	assert_true(viommu_device_endpoint_is_gone(&target.dev, target.endpoints[2]));
	target.endpoints[2] = handle;
	viommu_access_init(&target.accesses[2], &target.dev, handle);
}

/* The domain has 1000 to 1fff at a000, 2000 to 12fff at b000, and the last page at 0. */
static void test_device_snapshot__mapping_that_an_endpoint_cannot_have__unsupp(void **state)
{
	static const struct {
		uint64_t page_size_mask;
		struct viommu_range input;
	} cases[] = {
		{ 0x2000, { 0, UINT64_MAX } },
		{ 0, { 0x1001, UINT64_MAX } },
		{ 0, { 0, UINT64_MAX - 1 } },
		{ 0, { 0x3000, 0x3fff } },
	};

	(void)state;
	setup_source();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup_target_with(cases[i].page_size_mask, cases[i].input);
		assert_refused(VIOMMU_E_UNSUPP);
		device_teardown(&target);
	}
	device_teardown(&source);
}

/* What is not mapped may be more than it can do; and from then on the domain is held to it. */
static void test_device_snapshot__endpoint_can_do_just_what_is_mapped__restored(void **state)
{
	(void)state;
	setup_source();
	setup_target_with(0x1000, (struct viommu_range){ 0x1000, UINT64_MAX });
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	assert_true(viommu_device_check(&target.dev));
	assert_int_equal(device_map(&target, 1, 0, 0xfff, 0, RW), VIOMMU_S_RANGE);
	assert_int_equal(viommu_device_save(&target.dev, again, sizeof(again), &saved_len), VIOMMU_OK);
	assert_memory_equal(again, saved, saved_len);
	teardown_both();
}

/* It is in no domain, or in one that maps nothing: what it can do is no matter. */
static void test_device_snapshot__endpoint_without_mappings_can_do_less__restored(void **state)
{
	(void)state;
	setup_source();
	assert_int_equal(device_detach(&source, 1, DEVICE_EP2), VIOMMU_S_OK);
	save(&source);
	setup_target_with(0x10000, (struct viommu_range){ 0x10000, 0x1ffff });
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	viommu_device_reset(&target.dev);
	assert_int_equal(device_attach(&source, 5, DEVICE_EP2, VIOMMU_ATTACH_F_BYPASS), VIOMMU_S_OK);
	save(&source);
	assert_int_equal(viommu_device_restore(&target.dev, saved, saved_len), VIOMMU_OK);
	assert_true(viommu_device_check(&target.dev));
	teardown_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_snapshot__restored__same_answers_and_same_bytes),
		cmocka_unit_test(test_device_snapshot__of_version_1__read_and_written),
		cmocka_unit_test(test_device_snapshot__nothing_happened_yet__restored_too),
		cmocka_unit_test(test_device_snapshot__as_many_nodes_as_are_in_use__enough),
		cmocka_unit_test(test_device_snapshot__sections_under_bypass__settled_when_they_end),
		cmocka_unit_test(test_device_snapshot__bypass_is_on__restored),
		cmocka_unit_test(test_device_snapshot__request_pending__busy),
		cmocka_unit_test(test_device_snapshot__too_little_room__nothing_written),
		cmocka_unit_test(test_device_snapshot__driver_was_there__state),
		cmocka_unit_test(test_device_snapshot__earlier_life_is_not_over__busy),
		cmocka_unit_test(test_device_snapshot__removed_endpoints_are_not_gone__busy),
		cmocka_unit_test(test_device_snapshot__any_bit_flipped_or_cut_off__refused),
		cmocka_unit_test(test_device_snapshot__no_magic_or_another_length__peer),
		cmocka_unit_test(test_device_snapshot__record_cut_off__peer),
		cmocka_unit_test(test_device_snapshot__sections_run_over_the_end__peer),
		cmocka_unit_test(test_device_snapshot__sections_of_broken_records__peer),
		cmocka_unit_test(test_device_snapshot__driver_was_shown_something_else__unsupp),
		cmocka_unit_test(test_device_snapshot__beyond_the_features__peer),
		cmocka_unit_test(test_device_snapshot__bypass_that_is_no_value__peer),
		cmocka_unit_test(test_device_snapshot__endpoints_that_contradict__peer),
		cmocka_unit_test(test_device_snapshot__endpoint_is_not_there__noent),
		cmocka_unit_test(test_device_snapshot__domains_that_contradict__peer),
		cmocka_unit_test(test_device_snapshot__domain_out_of_range__peer),
		cmocka_unit_test(test_device_snapshot__more_domains_than_allowed__full),
		cmocka_unit_test(test_device_snapshot__mappings_that_no_request_made__peer),
		cmocka_unit_test(test_device_snapshot__mapping_out_of_input_range__peer),
		cmocka_unit_test(test_device_snapshot__mapping_in_reserved_region__peer),
		cmocka_unit_test(test_device_snapshot__mapping_that_an_endpoint_cannot_have__unsupp),
		cmocka_unit_test(test_device_snapshot__endpoint_can_do_just_what_is_mapped__restored),
		cmocka_unit_test(test_device_snapshot__endpoint_without_mappings_can_do_less__restored),
	};

	return suite_run(tests);
}
