/* SPDX-License-Identifier: BSD-3-Clause */
/* device_sections.h: what the tests of open access sections share: requests that wait for them, and are done later. */
#ifndef VIOMMU_TESTS_DEVICE_SECTIONS_H
#define VIOMMU_TESTS_DEVICE_SECTIONS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_fixture.h"

#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)

/* Endpoints 0 and 1 in domain 1, endpoint 2 in domain 2, each with a mapping; endpoint 3 nowhere. */
static inline void prepare(struct device_fixture *f, const struct device_options *options)
{
	device_setup(f, options);
	assert_int_equal(device_attach(f, 1, DEVICE_EP0, 0), VIOMMU_S_OK);
	assert_int_equal(device_attach(f, 1, DEVICE_EP1, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(f, 1, 0x1000, 0x1fff, 0xa000, RW), VIOMMU_S_OK);
	assert_int_equal(device_map(f, 1, 0x2000, 0x2fff, 0xb000, RW), VIOMMU_S_OK);
	assert_int_equal(device_attach(f, 2, DEVICE_EP2, 0), VIOMMU_S_OK);
	assert_int_equal(device_map(f, 2, 0x1000, 0x1fff, 0xc000, RW), VIOMMU_S_OK);
}

static inline struct viommu_access_token begin(struct device_fixture *f, uint32_t index)
{
	struct viommu_access_token token;

	assert_int_equal(viommu_access_begin(&f->accesses[index], &token), VIOMMU_OK);
	return token;
}

static inline void end(struct device_fixture *f, uint32_t index, struct viommu_access_token token)
{
	viommu_access_end(&f->accesses[index], token);
}

static inline void assert_pending(struct device_fixture *f, struct device_call *call,
				  const struct viommu_wire_request *request)
{
	assert_int_equal(device_start(f, call, request), DEVICE_PENDING);
	assert_null(viommu_device_next_done(&f->dev));
	device_call_assert_unwritten(call);
}

/* This call is done now, and nothing else is. */
static inline void assert_done(struct device_fixture *f, struct device_call *call, int expected)
{
	int status;

	assert_ptr_equal(device_next_done(f, &status), call);
	assert_int_equal(status, expected);
	assert_null(viommu_device_next_done(&f->dev));
	device_call_free(call);
}

static inline void assert_none_done(struct device_fixture *f, const struct device_call *call)
{
	assert_null(viommu_device_next_done(&f->dev));
	assert_int_equal(call->request.state, VIOMMU_REQUEST_PENDING);
	device_call_assert_unwritten(call);
}

#endif /* VIOMMU_TESTS_DEVICE_SECTIONS_H */
