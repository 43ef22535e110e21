/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_wire.c: bytes <-> requests, the configuration space and fault reports, against samples that were written down by
 * hand from the specification.
 */
#include "suite.h"
#include "wire_bytes.h"

#include "sim/env/env.h"

/* Requests. */

struct sample {
	struct viommu_wire_request request;
	size_t size;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
};

/* First the five of the specification's layouts, then one of each type in which every byte of every field differs. */
static const struct sample samples[] = {
	{
		.request = { .type = VIOMMU_T_ATTACH, .u.attach = { .domain = 1, .endpoint = 8 } },
		.size = 20,
		.bytes = { 1, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0 },
	},
	{
		.request = { .type = VIOMMU_T_DETACH, .u.detach = { .domain = 1, .endpoint = 8 } },
		.size = 20,
		.bytes = { 2, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0 },
	},
	{
		.request = { .type = VIOMMU_T_MAP,
			     .u.map = { .domain = 1,
					.flags = VIOMMU_MAP_F_READ,
					.virt_start = 0x1000,
					.virt_end = 0x1fff,
					.phys_start = 0xa000 } },
		.size = 36,
		.bytes = { 3, 0, 0, 0, 1, 0, 0,    0,    0x00, 0x10, 0, 0, 0, 0, 0, 0, 0xff, 0x1f,
			   0, 0, 0, 0, 0, 0, 0x00, 0xa0, 0,    0,    0, 0, 0, 0, 1, 0, 0,    0 },
	},
	{
		.request = { .type = VIOMMU_T_UNMAP,
			     .u.unmap = { .domain = 1, .virt_start = 0x1000, .virt_end = 0x1fff } },
		.size = 28,
		.bytes = { 4, 0, 0,    0,    1, 0, 0, 0, 0x00, 0x10, 0, 0, 0, 0,
			   0, 0, 0xff, 0x1f, 0, 0, 0, 0, 0,    0,    0, 0, 0, 0 },
	},
	{
		.request = { .type = VIOMMU_T_PROBE, .u.probe = { .endpoint = 8 } },
		.size = 72,
		.bytes = { 5, 0, 0, 0, 8, 0, 0, 0 },
	},
	{
		.request = { .type = VIOMMU_T_ATTACH,
			     .u.attach = { .domain = 0x14131211,
					   .endpoint = 0x24232221,
					   .flags = 0x34333231,
					   .reserved = 0x44434241 } },
		.size = 20,
		.bytes = { 1,    0,    0,    0,    0x11, 0x12, 0x13, 0x14, 0x21, 0x22,
			   0x23, 0x24, 0x31, 0x32, 0x33, 0x34, 0x41, 0x42, 0x43, 0x44 },
	},
	{
		.request = { .type = VIOMMU_T_DETACH, .u.detach = { .domain = 0x94939291, .endpoint = 0xa4a3a2a1 } },
		.size = 20,
		.bytes = { 2, 0, 0, 0, 0x91, 0x92, 0x93, 0x94, 0xa1, 0xa2, 0xa3, 0xa4 },
	},
	{
		.request = { .type = VIOMMU_T_MAP,
			     .u.map = { .domain = 0x94939291,
					.flags = 0xd4d3d2d1,
					.virt_start = 0xa8a7a6a5a4a3a2a1,
					.virt_end = 0xb8b7b6b5b4b3b2b1,
					.phys_start = 0xc8c7c6c5c4c3c2c1 } },
		.size = 36,
		.bytes = { 3,    0,    0,    0,    0x91, 0x92, 0x93, 0x94, 0xa1, 0xa2, 0xa3, 0xa4,
			   0xa5, 0xa6, 0xa7, 0xa8, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8,
			   0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xd1, 0xd2, 0xd3, 0xd4 },
	},
	{
		.request = { .type = VIOMMU_T_UNMAP,
			     .u.unmap = { .domain = 0x94939291,
					  .reserved = 0xd4d3d2d1,
					  .virt_start = 0xa8a7a6a5a4a3a2a1,
					  .virt_end = 0xb8b7b6b5b4b3b2b1 } },
		.size = 28,
		.bytes = { 4,    0,    0,    0,    0x91, 0x92, 0x93, 0x94, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6,
			   0xa7, 0xa8, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xd1, 0xd2, 0xd3, 0xd4 },
	},
	{
		.request = { .type = VIOMMU_T_PROBE, .u.probe = { .endpoint = 0xa4a3a2a1 } },
		.size = 72,
		.bytes = { 5, 0, 0, 0, 0xa1, 0xa2, 0xa3, 0xa4 },
	},
};

static void assert_request_equal(const struct viommu_wire_request *a, const struct viommu_wire_request *b)
{
	assert_int_equal(a->type, b->type);
	switch (a->type) {
	case VIOMMU_T_ATTACH:
		assert_int_equal(a->u.attach.domain, b->u.attach.domain);
		assert_int_equal(a->u.attach.endpoint, b->u.attach.endpoint);
		assert_int_equal(a->u.attach.flags, b->u.attach.flags);
		assert_int_equal(a->u.attach.reserved, b->u.attach.reserved);
		break;
	case VIOMMU_T_DETACH:
		assert_int_equal(a->u.detach.domain, b->u.detach.domain);
		assert_int_equal(a->u.detach.endpoint, b->u.detach.endpoint);
		break;
	case VIOMMU_T_MAP:
		assert_int_equal(a->u.map.domain, b->u.map.domain);
		assert_int_equal(a->u.map.flags, b->u.map.flags);
		assert_int_equal(a->u.map.virt_start, b->u.map.virt_start);
		assert_int_equal(a->u.map.virt_end, b->u.map.virt_end);
		assert_int_equal(a->u.map.phys_start, b->u.map.phys_start);
		break;
	case VIOMMU_T_UNMAP:
		assert_int_equal(a->u.unmap.domain, b->u.unmap.domain);
		assert_int_equal(a->u.unmap.reserved, b->u.unmap.reserved);
		assert_int_equal(a->u.unmap.virt_start, b->u.unmap.virt_start);
		assert_int_equal(a->u.unmap.virt_end, b->u.unmap.virt_end);
		break;
	case VIOMMU_T_PROBE:
		assert_int_equal(a->u.probe.endpoint, b->u.probe.endpoint);
		break;
	default:
		fail();
	}
}

static void assert_decodes_to(const uint8_t *bytes, size_t len, const struct viommu_wire_request *expected)
{
	struct viommu_wire_request out;

	memset(&out, CANARY, sizeof(out));
	assert_int_equal(viommu_wire_request_decode(bytes, len, &out), VIOMMU_OK);
	assert_request_equal(&out, expected);
}

static void assert_decode_refused(const uint8_t *bytes, size_t len)
{
	struct viommu_wire_request out;

	memset(&out, CANARY, sizeof(out));
	assert_int_equal(viommu_wire_request_decode(bytes, len, &out), VIOMMU_E_PEER);
	assert_all_bytes(&out, CANARY, sizeof(out));
}

static void test_wire_request__known_types__sizes_of_the_layout(void **state)
{
	(void)state;
	assert_int_equal(viommu_wire_request_size(VIOMMU_T_ATTACH), 20);
	assert_int_equal(viommu_wire_request_size(VIOMMU_T_DETACH), 20);
	assert_int_equal(viommu_wire_request_size(VIOMMU_T_MAP), 36);
	assert_int_equal(viommu_wire_request_size(VIOMMU_T_UNMAP), 28);
	assert_int_equal(viommu_wire_request_size(VIOMMU_T_PROBE), 72);
	assert_int_equal(VIOMMU_WIRE_REQUEST_MAX, 72);
}

/* IOMMU-DRV-OPS-01, IOMMU-DRV-ATTACH-01, IOMMU-DRV-UNMAP-01, IOMMU-DRV-PROBE-02: the samples have zeroes there. */
static void test_wire_request__samples_encoded__golden_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		uint8_t out[VIOMMU_WIRE_REQUEST_MAX + 8];

		memset(out, CANARY, sizeof(out));
		assert_int_equal(viommu_wire_request_encode(&samples[i].request, out, sizeof(out)), samples[i].size);
		assert_memory_equal(out, samples[i].bytes, samples[i].size);
		assert_all_bytes(out + samples[i].size, CANARY, sizeof(out) - samples[i].size);
	}
}

static void test_wire_request__golden_bytes_decoded__samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++)
		assert_decodes_to(samples[i].bytes, samples[i].size, &samples[i].request);
}

/* What a type does not have is 0, so that two decoded requests can be compared as they are. */
static void test_wire_request__decoded_over_old_content__nothing_of_it_left(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX] = { samples[i].request.type };
		struct viommu_wire_request out;

		memset(&out, 0xff, sizeof(out));
		assert_int_equal(viommu_wire_request_decode(bytes, sizeof(bytes), &out), VIOMMU_OK);
		assert_int_equal(out.type, bytes[0]);
		out.type = 0;
		assert_all_bytes(&out, 0, sizeof(out));
	}
}

/* INF-03 */
static void test_wire_request__truncated_at_every_length__peer_and_out_unchanged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		for (size_t len = 0; len < samples[i].size; len++) {
			uint8_t *bytes = exact_copy(samples[i].bytes, len);

			assert_decode_refused(bytes, len);
			sim_env_free(bytes);
		}
	}
	assert_decode_refused(NULL, 0);
}

/* IOMMU-DEV-OPS-02 */
static void test_wire_request__unknown_type__peer_and_nothing_written(void **state)
{
	(void)state;
	for (unsigned type = 0; type <= 255; type++) {
		struct viommu_wire_request request = { .type = (uint8_t)type };
		uint8_t bytes[256] = { (uint8_t)type };
		uint8_t out[256];

		if (type >= VIOMMU_T_ATTACH && type <= VIOMMU_T_PROBE)
			continue;
		assert_int_equal(viommu_wire_request_size((uint8_t)type), 0);
		for (size_t len = 0; len <= sizeof(bytes); len++)
			assert_decode_refused(bytes, len);
		memset(out, CANARY, sizeof(out));
		assert_int_equal(viommu_wire_request_encode(&request, out, sizeof(out)), 0);
		assert_all_bytes(out, CANARY, sizeof(out));
	}
}

/* Which bytes of which request are reserved, and whether the device is to see them. */
static const struct {
	uint8_t type;
	size_t first;
	size_t last;
	bool judged;
} reserved_bytes[] = {
	{ VIOMMU_T_ATTACH, 1, 3, false }, /* IOMMU-DEV-OPS-04 */
	{ VIOMMU_T_DETACH, 1, 3, false },   { VIOMMU_T_MAP, 1, 3, false },     { VIOMMU_T_UNMAP, 1, 3, false },
	{ VIOMMU_T_PROBE, 1, 3, false },    { VIOMMU_T_ATTACH, 16, 19, true }, /* IOMMU-DEV-ATTACH-01 */
	{ VIOMMU_T_DETACH, 12, 19, false },                                    /* IOMMU-DEV-DETACH-01 */
	{ VIOMMU_T_UNMAP, 24, 27, true },                                      /* IOMMU-DEV-UNMAP-01 */
	{ VIOMMU_T_PROBE, 8, 71, false },                                      /* IOMMU-DEV-PROBE-01 */
};

static void test_wire_request__reserved_byte_not_zero__judged_or_ignored(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(reserved_bytes); i++) {
		const struct sample *s = &samples[reserved_bytes[i].type - 1];

		assert_int_equal(s->request.type, reserved_bytes[i].type);
		for (size_t at = reserved_bytes[i].first; at <= reserved_bytes[i].last; at++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				struct viommu_wire_request expected = s->request;
				uint32_t seen = UINT32_C(1) << (8 * ((at - reserved_bytes[i].first) % 4) + bit);
				uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];

				memcpy(bytes, s->bytes, s->size);
				bytes[at] |= (uint8_t)(1u << bit);
				if (reserved_bytes[i].judged && s->request.type == VIOMMU_T_ATTACH)
					expected.u.attach.reserved = seen;
				else if (reserved_bytes[i].judged)
					expected.u.unmap.reserved = seen;
				assert_decodes_to(bytes, s->size, &expected);
			}
		}
	}
}

static void test_wire_request__longer_than_needed__rest_is_ignored(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		uint8_t *exact = exact_copy(samples[i].bytes, samples[i].size);
		uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX + 64];

		memset(bytes, 0xff, sizeof(bytes));
		memcpy(bytes, samples[i].bytes, samples[i].size);
		for (size_t len = samples[i].size; len <= sizeof(bytes); len++)
			assert_decodes_to(bytes, len, &samples[i].request);

		/* Not one byte behind the request is looked at, whatever the length claims. */
		assert_decodes_to(exact, SIZE_MAX, &samples[i].request);
		sim_env_free(exact);
	}
}

static void test_wire_request__at_every_alignment__same_result(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		for (size_t shift = 0; shift < 8; shift++) {
			uint64_t aligned[VIOMMU_WIRE_REQUEST_MAX / 8 + 2];
			uint8_t *bytes = (uint8_t *)aligned;
			size_t size = samples[i].size;

			memset(aligned, CANARY, sizeof(aligned));
			assert_int_equal(viommu_wire_request_encode(&samples[i].request, bytes + shift, size), size);
			assert_all_bytes(bytes, CANARY, shift);
			assert_memory_equal(bytes + shift, samples[i].bytes, size);
			assert_all_bytes(bytes + shift + size, CANARY, sizeof(aligned) - shift - size);
			assert_decodes_to(bytes + shift, size, &samples[i].request);
		}
	}
}

static void test_wire_request__encode_with_cap_too_small__nothing_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		for (size_t cap = 0; cap < samples[i].size; cap++) {
			uint8_t out[VIOMMU_WIRE_REQUEST_MAX];

			memset(out, CANARY, sizeof(out));
			assert_int_equal(viommu_wire_request_encode(&samples[i].request, out, cap), 0);
			assert_all_bytes(out, CANARY, sizeof(out));
		}
	}
}

static void random_request(struct sim_random *rnd, struct viommu_wire_request *out)
{
	memset(out, 0, sizeof(*out));
	out->type = (uint8_t)(VIOMMU_T_ATTACH + sim_random_below(rnd, 5));
	fill_random(rnd, &out->u, sizeof(out->u));
}

static void test_wire_request__random_requests__round_trip(void **state)
{
	struct sim_random rnd = { 1 };

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct viommu_wire_request request;
		uint8_t *out;
		size_t size;

		random_request(&rnd, &request);
		size = viommu_wire_request_size(request.type);
		out = sim_env_alloc(size);
		assert_non_null(out);
		assert_int_equal(viommu_wire_request_encode(&request, out, size), size);
		assert_decodes_to(out, size, &request);
		sim_env_free(out);
	}
}

static void test_wire_request__random_bytes__decoded_and_encoded_again_same_but_ignored_bytes(void **state)
{
	struct sim_random rnd = { 2 };

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX], again[VIOMMU_WIRE_REQUEST_MAX];
		struct viommu_wire_request request;
		size_t size;

		fill_random(&rnd, bytes, sizeof(bytes));
		bytes[0] = (uint8_t)(VIOMMU_T_ATTACH + sim_random_below(&rnd, 5));
		assert_int_equal(viommu_wire_request_decode(bytes, sizeof(bytes), &request), VIOMMU_OK);
		size = viommu_wire_request_encode(&request, again, sizeof(again));
		assert_int_equal(size, viommu_wire_request_size(bytes[0]));
		for (size_t k = 0; k < COUNT(reserved_bytes); k++) {
			if (reserved_bytes[k].type == bytes[0] && !reserved_bytes[k].judged)
				memset(bytes + reserved_bytes[k].first, 0,
				       reserved_bytes[k].last - reserved_bytes[k].first + 1);
		}
		assert_memory_equal(again, bytes, size);
	}
}

/* IOMMU-DEV-OPS-01, IOMMU-DEV-OPS-05, IOMMU-DRV-OPS-02 */
static void test_wire_tail__every_status__zeroes_written_and_ignored(void **state)
{
	(void)state;
	for (unsigned status = 0; status <= 255; status++) {
		uint8_t tail[VIOMMU_WIRE_TAIL_SIZE + 1];

		memset(tail, CANARY, sizeof(tail));
		viommu_wire_tail_encode((uint8_t)status, tail);
		assert_int_equal(tail[0], status);
		assert_all_bytes(tail + 1, 0, 3);
		assert_int_equal(tail[4], CANARY);
		memset(tail + 1, 0xff, 3);
		assert_int_equal(viommu_wire_tail_decode(tail), status);
	}
	assert_int_equal(VIOMMU_S_OK, 0);
}

/* The configuration space. */

static const struct viommu_wire_config config_sample = {
	.page_size_mask = 0x9897969594939291,
	.input_range = { 0xa8a7a6a5a4a3a2a1, 0xb8b7b6b5b4b3b2b1 },
	.domain_first = 0xc4c3c2c1,
	.domain_last = 0xd4d3d2d1,
	.probe_size = 0xe4e3e2e1,
	.bypass = 1,
};

static const uint8_t config_bytes[VIOMMU_WIRE_CONFIG_SIZE] = {
	0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6,
	0xa7, 0xa8, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xc1, 0xc2, 0xc3, 0xc4,
	0xd1, 0xd2, 0xd3, 0xd4, 0xe1, 0xe2, 0xe3, 0xe4, 0x01, 0x00, 0x00, 0x00,
};

static void assert_config_equal(const struct viommu_wire_config *a, const struct viommu_wire_config *b)
{
	assert_int_equal(a->page_size_mask, b->page_size_mask);
	assert_int_equal(a->input_range.first, b->input_range.first);
	assert_int_equal(a->input_range.last, b->input_range.last);
	assert_int_equal(a->domain_first, b->domain_first);
	assert_int_equal(a->domain_last, b->domain_last);
	assert_int_equal(a->probe_size, b->probe_size);
	assert_int_equal(a->bypass, b->bypass);
}

static void test_wire_config__every_alignment__every_field_at_its_offset(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 8; shift++) {
		uint64_t aligned[VIOMMU_WIRE_CONFIG_SIZE / 8 + 2];
		uint8_t *bytes = (uint8_t *)aligned;
		struct viommu_wire_config out;

		memset(aligned, CANARY, sizeof(aligned));
		viommu_wire_config_encode(&config_sample, bytes + shift);
		assert_all_bytes(bytes, CANARY, shift);
		assert_memory_equal(bytes + shift, config_bytes, sizeof(config_bytes));
		assert_all_bytes(bytes + shift + sizeof(config_bytes), CANARY,
				 sizeof(aligned) - shift - sizeof(config_bytes));
		memset(&out, CANARY, sizeof(out));
		viommu_wire_config_decode(bytes + shift, &out);
		assert_config_equal(&out, &config_sample);
	}
}

/* One byte set at a time: the same table from the other side. */
static void test_wire_config__one_byte_set__only_its_field_changes(void **state)
{
	static const struct {
		size_t first;
		size_t size;
	} fields[] = { { 0, 8 }, { 8, 8 }, { 16, 8 }, { 24, 4 }, { 28, 4 }, { 32, 4 } };

	(void)state;
	for (size_t f = 0; f < COUNT(fields); f++) {
		for (size_t i = 0; i < fields[f].size; i++) {
			uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE] = { 0 };
			struct viommu_wire_config out, expected = { 0 };
			uint64_t value = UINT64_C(0x81) << (8 * i);

			bytes[fields[f].first + i] = 0x81;
			switch (fields[f].first) {
			case 0:
				expected.page_size_mask = value;
				break;
			case 8:
				expected.input_range.first = value;
				break;
			case 16:
				expected.input_range.last = value;
				break;
			case 24:
				expected.domain_first = (uint32_t)value;
				break;
			case 28:
				expected.domain_last = (uint32_t)value;
				break;
			default:
				expected.probe_size = (uint32_t)value;
				break;
			}
			viommu_wire_config_decode(bytes, &out);
			assert_config_equal(&out, &expected);
		}
	}
}

/* IOMMU-DRV-CONFIG-04 */
static void test_wire_config__any_bypass_and_reserved_bytes__bit_0_of_bypass_only(void **state)
{
	(void)state;
	for (unsigned v = 0; v <= 255; v++) {
		uint8_t bytes[VIOMMU_WIRE_CONFIG_SIZE] = { 0 };
		struct viommu_wire_config out, expected = { .bypass = v & 1 };

		bytes[VIOMMU_WIRE_CONFIG_BYPASS] = (uint8_t)v;
		memset(bytes + 37, (int)v, 3);
		viommu_wire_config_decode(bytes, &out);
		assert_config_equal(&out, &expected);
	}
	assert_int_equal(VIOMMU_WIRE_CONFIG_BYPASS, 36);
}

/* Fault reports. */

static const struct viommu_wire_fault fault_sample = {
	.reason = VIOMMU_FAULT_R_MAPPING,
	.flags = VIOMMU_FAULT_F_READ | VIOMMU_FAULT_F_WRITE | VIOMMU_FAULT_F_ADDRESS,
	.endpoint = 0xa4a3a2a1,
	.address = 0x9897969594939291,
};

static const uint8_t fault_bytes[VIOMMU_WIRE_FAULT_SIZE] = {
	2, 0, 0, 0, 0x03, 0x01, 0,    0,    0xa1, 0xa2, 0xa3, 0xa4,
	0, 0, 0, 0, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
};

static void assert_fault_decodes(const uint8_t *bytes, size_t len, const struct viommu_wire_fault *expected)
{
	struct viommu_wire_fault out;

	memset(&out, CANARY, sizeof(out));
	assert_int_equal(viommu_wire_fault_decode(bytes, len, &out), VIOMMU_OK);
	assert_int_equal(out.reason, expected->reason);
	assert_int_equal(out.flags, expected->flags);
	assert_int_equal(out.endpoint, expected->endpoint);
	assert_int_equal(out.address, expected->address);
}

static void assert_fault_refused(const uint8_t *bytes, size_t len)
{
	struct viommu_wire_fault out;

	memset(&out, CANARY, sizeof(out));
	assert_int_equal(viommu_wire_fault_decode(bytes, len, &out), VIOMMU_E_PEER);
	assert_all_bytes(&out, CANARY, sizeof(out));
}

/* IOMMU-DEV-FAULT-01 */
static void test_wire_fault__every_alignment__golden_bytes(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 8; shift++) {
		uint64_t aligned[VIOMMU_WIRE_FAULT_SIZE / 8 + 2];
		uint8_t *bytes = (uint8_t *)aligned;

		memset(aligned, CANARY, sizeof(aligned));
		viommu_wire_fault_encode(&fault_sample, bytes + shift);
		assert_all_bytes(bytes, CANARY, shift);
		assert_memory_equal(bytes + shift, fault_bytes, sizeof(fault_bytes));
		assert_all_bytes(bytes + shift + sizeof(fault_bytes), CANARY,
				 sizeof(aligned) - shift - sizeof(fault_bytes));
		assert_fault_decodes(bytes + shift, sizeof(fault_bytes), &fault_sample);
	}
}

/* The encoder judges nothing: a test that plays a broken device can send any bits. */
static void test_wire_fault__every_byte_differs__every_field_at_its_offset(void **state)
{
	static const struct viommu_wire_fault fault = {
		.reason = 0xe1,
		.flags = 0xd4d3d2d1,
		.endpoint = 0xc4c3c2c1,
		.address = 0xb8b7b6b5b4b3b2b1,
	};
	static const uint8_t bytes[VIOMMU_WIRE_FAULT_SIZE] = {
		0xe1, 0, 0, 0, 0xd1, 0xd2, 0xd3, 0xd4, 0xc1, 0xc2, 0xc3, 0xc4,
		0,    0, 0, 0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8,
	};
	uint8_t out[VIOMMU_WIRE_FAULT_SIZE];

	(void)state;
	viommu_wire_fault_encode(&fault, out);
	assert_memory_equal(out, bytes, sizeof(bytes));
}

static void test_wire_fault__any_length__short_is_peer_long_is_fine(void **state)
{
	uint8_t longer[64];

	(void)state;
	memset(longer, 0xff, sizeof(longer));
	memcpy(longer, fault_bytes, sizeof(fault_bytes));
	for (size_t len = 0; len <= sizeof(longer); len++) {
		uint8_t *bytes = exact_copy(longer, len);

		if (len < VIOMMU_WIRE_FAULT_SIZE)
			assert_fault_refused(bytes, len);
		else
			assert_fault_decodes(bytes, len, &fault_sample);
		sim_env_free(bytes);
	}
	assert_fault_refused(NULL, 0);
}

/* IOMMU-DRV-FAULT-01 */
static void test_wire_fault__reserved_bit_set__whole_report_refused(void **state)
{
	(void)state;
	for (unsigned bit = 8; bit < 32; bit++) {
		uint8_t bytes[VIOMMU_WIRE_FAULT_SIZE];

		memcpy(bytes, fault_bytes, sizeof(bytes));
		bytes[bit / 8] |= (uint8_t)(1u << bit % 8);
		assert_fault_refused(bytes, sizeof(bytes));
	}
}

/* IOMMU-DRV-FAULT-02 */
static void test_wire_fault__reserved1_not_zero__ignored(void **state)
{
	(void)state;
	for (size_t at = 12; at < 16; at++) {
		uint8_t bytes[VIOMMU_WIRE_FAULT_SIZE];

		memcpy(bytes, fault_bytes, sizeof(bytes));
		bytes[at] = 0xff;
		assert_fault_decodes(bytes, sizeof(bytes), &fault_sample);
	}
}

/* IOMMU-DRV-FAULT-03 */
static void test_wire_fault__any_flag__unknown_ones_masked_out(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 32; bit++) {
		struct viommu_wire_fault expected = fault_sample;
		uint8_t bytes[VIOMMU_WIRE_FAULT_SIZE];

		memcpy(bytes, fault_bytes, sizeof(bytes));
		memset(bytes + 4, 0, 4);
		bytes[4 + bit / 8] = (uint8_t)(1u << bit % 8);
		expected.flags = bit == 0 || bit == 1 || bit == 8 ? UINT32_C(1) << bit : 0;
		assert_fault_decodes(bytes, sizeof(bytes), &expected);
	}
}

/* IOMMU-DRV-FAULT-04 */
static void test_wire_fault__any_reason__unknown_ones_become_unknown(void **state)
{
	(void)state;
	for (unsigned reason = 0; reason <= 255; reason++) {
		struct viommu_wire_fault expected = fault_sample;
		uint8_t bytes[VIOMMU_WIRE_FAULT_SIZE];

		memcpy(bytes, fault_bytes, sizeof(bytes));
		bytes[0] = (uint8_t)reason;
		expected.reason = (uint8_t)(reason <= 2 ? reason : 0);
		assert_fault_decodes(bytes, sizeof(bytes), &expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wire_request__known_types__sizes_of_the_layout),
		cmocka_unit_test(test_wire_request__samples_encoded__golden_bytes),
		cmocka_unit_test(test_wire_request__golden_bytes_decoded__samples),
		cmocka_unit_test(test_wire_request__decoded_over_old_content__nothing_of_it_left),
		cmocka_unit_test(test_wire_request__truncated_at_every_length__peer_and_out_unchanged),
		cmocka_unit_test(test_wire_request__unknown_type__peer_and_nothing_written),
		cmocka_unit_test(test_wire_request__reserved_byte_not_zero__judged_or_ignored),
		cmocka_unit_test(test_wire_request__longer_than_needed__rest_is_ignored),
		cmocka_unit_test(test_wire_request__at_every_alignment__same_result),
		cmocka_unit_test(test_wire_request__encode_with_cap_too_small__nothing_written),
		cmocka_unit_test(test_wire_request__random_requests__round_trip),
		cmocka_unit_test(test_wire_request__random_bytes__decoded_and_encoded_again_same_but_ignored_bytes),
		cmocka_unit_test(test_wire_tail__every_status__zeroes_written_and_ignored),
		cmocka_unit_test(test_wire_config__every_alignment__every_field_at_its_offset),
		cmocka_unit_test(test_wire_config__one_byte_set__only_its_field_changes),
		cmocka_unit_test(test_wire_config__any_bypass_and_reserved_bytes__bit_0_of_bypass_only),
		cmocka_unit_test(test_wire_fault__every_alignment__golden_bytes),
		cmocka_unit_test(test_wire_fault__every_byte_differs__every_field_at_its_offset),
		cmocka_unit_test(test_wire_fault__any_length__short_is_peer_long_is_fine),
		cmocka_unit_test(test_wire_fault__reserved_bit_set__whole_report_refused),
		cmocka_unit_test(test_wire_fault__reserved1_not_zero__ignored),
		cmocka_unit_test(test_wire_fault__any_flag__unknown_ones_masked_out),
		cmocka_unit_test(test_wire_fault__any_reason__unknown_ones_become_unknown),
	};

	return suite_run(tests);
}
