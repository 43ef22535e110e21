/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_device_copied.c: requests whose buffers have no pointers. Here the guest's address of a byte is the host's, and
 * the seam counts its calls; one of them may fail.
 */
#include "device_sections.h"
#include "suite.h"

static struct {
	unsigned reads, writes;
	size_t bytes_read, bytes_written;
	unsigned failing; /* which call, reads first; 0: none */
} seam;

static bool go_on(void)
{
	return seam.reads + seam.writes != seam.failing;
}

static bool copy_read(void *ctx, viommu_gpa gpa, void *dst, size_t len)
{
	assert_null(ctx);
	seam.reads++;
	seam.bytes_read += len;
	if (go_on())
		memcpy(dst, (const void *)(uintptr_t)gpa, len);
	return go_on();
}

static bool copy_write(void *ctx, viommu_gpa gpa, const void *src, size_t len)
{
	assert_null(ctx);
	seam.writes++;
	seam.bytes_written += len;
	if (go_on())
		memcpy((void *)(uintptr_t)gpa, src, len);
	return go_on();
}

static const struct viommu_memory_ops ops = { .size = sizeof ops, .read = copy_read, .write = copy_write };
static const struct viommu_memory memory = { .ops = &ops };

static struct device_call call;

/* Submits the call with segments that have no base. DEVICE_PENDING, or the status; DEVICE_UNANSWERED is not judged. */
static int submit(struct device_fixture *f, unsigned failing)
{
	static struct viommu_segment readable[DEVICE_CALL_SEGMENTS], writable[DEVICE_CALL_SEGMENTS];

	memset(&seam, 0, sizeof(seam));
	seam.failing = failing;
	for (uint32_t i = 0; i < call.readable_count; i++)
		readable[i] = (struct viommu_segment){ NULL, call.readable[i].len, (uintptr_t)call.readable[i].base };
	for (uint32_t i = 0; i < call.writable_count; i++)
		writable[i] = (struct viommu_segment){ NULL, call.writable[i].len, (uintptr_t)call.writable[i].base };
	call.request.readable = readable;
	call.request.readable_count = call.readable_count;
	call.request.writable = writable;
	call.request.writable_count = call.writable_count;
	call.request.memory = &memory;
	call.request.user = &call;
	assert_int_equal(viommu_device_submit(&f->dev, &call.request), VIOMMU_OK);
	if (call.request.state == VIOMMU_REQUEST_PENDING)
		return DEVICE_PENDING;
	assert_int_equal(call.request.state, VIOMMU_REQUEST_DONE);
	return call.request.written == 0 ? DEVICE_UNANSWERED : device_call_judge(f, &call);
}

/* Each byte once, and the answer that it would get with pointers. */
static void test_submit__cut_at_any_length__each_byte_once(void **state)
{
	const struct viommu_wire_request requests[] = {
		device_attach_request(3, DEVICE_EP3, 0), device_map_request(3, 0x1000, 0x1fff, 0xa000, RW),
		device_probe_request(DEVICE_EP0),        device_unmap_request(3, 0x1000, 0x1fff),
		device_detach_request(3, DEVICE_EP3),    device_probe_request(DEVICE_EP_UNKNOWN),
	};
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	for (size_t cut = 0; cut < 8; cut++) {
		for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
			device_call_build(&call, &f, &requests[i], cut);
			assert_int_equal(submit(&f, 0), i < 5 ? VIOMMU_S_OK : VIOMMU_S_NOENT);
			assert_int_equal(seam.reads, call.readable_count);
			assert_int_equal(seam.bytes_read, call.readable_len);
			assert_int_equal(seam.bytes_written, call.request.written);
			device_call_free(&call);
		}
	}
	device_teardown(&f);
}

static void test_submit__request_cannot_be_read__no_request(void **state)
{
	const struct viommu_wire_request attach = device_attach_request(2, DEVICE_EP3, 0);
	struct device_fixture f;

	(void)state;
	prepare(&f, NULL);
	for (unsigned n = 1; n <= 20; n++) {
		uint32_t unanswered = viommu_device_get_stats(&f.dev)->unanswered;

		device_call_build(&call, &f, &attach, 1);
		assert_int_equal(call.readable_count, 20);
		assert_int_equal(submit(&f, n), DEVICE_UNANSWERED);
		assert_int_equal(call.request.type, 0);
		assert_int_equal(seam.reads, n);
		assert_int_equal(seam.writes, 0);
		device_call_assert_unwritten(&call);
		assert_int_equal(viommu_device_get_stats(&f.dev)->unanswered, unanswered + 1);
		assert_true(device_faults(&f, 3, 0x1000, 1, VIOMMU_FAULT_R_DOMAIN));
		device_call_free(&call);
	}
	device_teardown(&f);
}

/* Carried out, and nobody is told: the driver has to take the outcome for unknown. */
static void test_submit__tail_cannot_be_written__carried_out_with_length_0(void **state)
{
	const struct viommu_wire_request attach = device_attach_request(2, DEVICE_EP3, 0);
	struct device_fixture f;

	(void)state;
	for (unsigned n = 1; n <= 4; n++) {
		prepare(&f, NULL);
		device_call_build(&call, &f, &attach, 1);
		assert_int_equal(submit(&f, 20 + n), DEVICE_UNANSWERED);
		assert_int_equal(seam.writes, n);
		assert_int_equal(viommu_device_get_stats(&f.dev)->unanswered, 1);
		assert_int_equal(viommu_device_get_stats(&f.dev)->statuses[VIOMMU_S_OK], 6); /* of prepare */
		assert_true(device_reaches(&f, 3, 0x1000, 1, 0xc000));
		device_call_free(&call);
		device_teardown(&f);
	}
}

static void test_probe__properties_cannot_be_written__length_0(void **state)
{
	static const struct viommu_resv_region region = { { 0x8000, 0x8fff }, VIOMMU_RESV_MEM_RESERVED };
	const struct viommu_wire_request probe = device_probe_request(DEVICE_EP0);
	struct device_options options;
	struct device_fixture f;
	unsigned writes;

	(void)state;
	device_options_init(&options);
	options.regions[0] = &region;
	options.region_counts[0] = 1;
	prepare(&f, &options);
	device_call_build(&call, &f, &probe, 0);
	assert_int_equal(submit(&f, 0), VIOMMU_S_OK);
	writes = seam.writes;
	assert_true(writes >= 3); /* a property, zeroes, the tail */
	device_call_free(&call);
	for (unsigned n = 1; n <= writes; n++) {
		device_call_build(&call, &f, &probe, 0);
		assert_int_equal(submit(&f, 1 + n), DEVICE_UNANSWERED);
		assert_int_equal(viommu_device_get_stats(&f.dev)->unanswered, n);
		device_call_free(&call);
	}
	device_teardown(&f);
}

static void test_pending__tail_without_pointer__written_when_it_is_done(void **state)
{
	const struct viommu_wire_request unmap = device_unmap_request(1, 0x1000, 0x1fff);
	struct viommu_access_token token;
	struct device_fixture f;
	int status;

	(void)state;
	for (unsigned failing = 0; failing < 2; failing++) {
		prepare(&f, NULL);
		token = begin(&f, 0);
		device_call_build(&call, &f, &unmap, 0);
		assert_int_equal(submit(&f, 2 * failing), DEVICE_PENDING);
		assert_int_equal(seam.writes, 0);
		call.request.writable = NULL;
		end(&f, 0, token);
		assert_ptr_equal(device_next_done(&f, &status), &call);
		assert_int_equal(seam.writes, 1);
		assert_int_equal(status, failing ? DEVICE_UNANSWERED : VIOMMU_S_OK);
		assert_int_equal(viommu_device_get_stats(&f.dev)->unanswered, failing);
		device_call_free(&call);
		device_teardown(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_submit__cut_at_any_length__each_byte_once),
		cmocka_unit_test(test_submit__request_cannot_be_read__no_request),
		cmocka_unit_test(test_submit__tail_cannot_be_written__carried_out_with_length_0),
		cmocka_unit_test(test_probe__properties_cannot_be_written__length_0),
		cmocka_unit_test(test_pending__tail_without_pointer__written_when_it_is_done),
	};

	return suite_run(tests);
}
