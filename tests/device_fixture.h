/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device_fixture.h: what the tests of the device side share: a device with four endpoints, requests cut into any
 * pieces, and a view of everything the endpoints can reach, to be compared before and after.
 *
 * Each piece of a request is an allocation of its own and exactly as long as it says, so that the address sanitizer
 * sees a read or write one byte beside it. Writable bytes start out with a pattern: what is not part of the answer has
 * to show it still.
 */
#ifndef VIOMMU_TESTS_DEVICE_FIXTURE_H
#define VIOMMU_TESTS_DEVICE_FIXTURE_H

#include <viommu/access.h>
#include <viommu/device.h>

#define DEVICE_ENDPOINTS 4u
#define DEVICE_PAGE 0x1000u

/* Ids at both ends of what is possible, and two neighbours. */
#define DEVICE_EP0 8u
#define DEVICE_EP1 9u
#define DEVICE_EP2 0u
#define DEVICE_EP3 0xffffffffu
#define DEVICE_EP_UNKNOWN 7u

/* Answers that are not a status byte. */
#define DEVICE_UNANSWERED (-1)
#define DEVICE_PENDING (-2)

/* The device */

struct device_options {
	struct viommu_device_config config;
	uint64_t negotiate;
	const struct viommu_resv_region *regions[DEVICE_ENDPOINTS];
	uint32_t region_counts[DEVICE_ENDPOINTS];
	uint32_t nodes; /* map nodes */
};

struct device_fixture {
	struct viommu_device dev;
	struct viommu_endpoint *endpoints[DEVICE_ENDPOINTS];
	struct viommu_access accesses[DEVICE_ENDPOINTS];
	struct viommu_access_cache caches[DEVICE_ENDPOINTS]; /* of these */
	struct viommu_device_ops ops;
	void *mem;
	uint32_t wakes; /* calls of work_pending */
};

/* Everything offered and negotiated, 64 bytes of properties, no regions, 256 nodes. */
void device_options_init(struct device_options *options);

/* NULL: the defaults above. */
void device_setup(struct device_fixture *f, const struct device_options *options);
/* Ends all sections that are open. */
void device_end_sections(struct device_fixture *f);

/* Ends what the test left open, resets, and fails the test unless the device then does all that a driver wants. */
void device_teardown(struct device_fixture *f);

/* Virtio reset with no section open, then all that is offered. */
void device_renegotiate(struct device_fixture *f);

uint32_t device_endpoint_id(uint32_t index);

uint8_t device_bypass(const struct device_fixture *f);
void device_set_bypass(struct device_fixture *f, uint8_t value);

/* The requests */

struct viommu_wire_request device_attach_request(uint32_t domain, uint32_t endpoint, uint32_t flags);
struct viommu_wire_request device_detach_request(uint32_t domain, uint32_t endpoint);
struct viommu_wire_request device_map_request(uint32_t domain, uint64_t first, uint64_t last, uint64_t phys,
					      uint32_t flags);
struct viommu_wire_request device_unmap_request(uint32_t domain, uint64_t first, uint64_t last);
struct viommu_wire_request device_probe_request(uint32_t endpoint);

#define DEVICE_CALL_SEGMENTS 1200u

/* A request with its buffers. */
struct device_call {
	struct viommu_request request;
	uint32_t readable_count;
	uint32_t writable_count;
	size_t readable_len;
	size_t writable_len;
	struct viommu_segment readable[DEVICE_CALL_SEGMENTS];
	struct viommu_segment writable[DEVICE_CALL_SEGMENTS];
	uint8_t *originals[DEVICE_CALL_SEGMENTS]; /* of the readable pieces */
};

void device_call_init(struct device_call *call);
void device_call_free(struct device_call *call);

/* Appends a piece. */
void device_call_add_readable(struct device_call *call, const uint8_t *bytes, size_t len);
void device_call_add_writable(struct device_call *call, size_t len);

/*
 * Encodes a request and cuts it: pieces of `cut` bytes, or one piece if cut is 0. Writable part: as long as it needs.
 */
void device_call_build(struct device_call *call, const struct device_fixture *f,
		       const struct viommu_wire_request *request, size_t cut);

/* The byte at this offset of the writable part. */
uint8_t device_call_byte(const struct device_call *call, size_t offset);

/* The pattern that an unwritten byte shows. */
uint8_t device_call_canary(size_t offset);

/*
 * Submits and judges the outcome: DEVICE_PENDING, or as device_call_judge.
 * Fails the test if submit does not return VIOMMU_OK.
 */
int device_call_submit(struct device_fixture *f, struct device_call *call);

/*
 * The status of a call that is done, or DEVICE_UNANSWERED. Fails the test if a byte was written that is not part of
 * the answer, if a readable byte changed, or if the used length is not what this status at this place asks for.
 */
int device_call_judge(const struct device_fixture *f, const struct device_call *call);

/* Fails the test unless no writable byte has changed yet. */
void device_call_assert_unwritten(const struct device_call *call);

/* Builds a call in one piece each, and submits it. For requests that may be pending. */
int device_start(struct device_fixture *f, struct device_call *call, const struct viommu_wire_request *request);

/* The next request that is done, judged; NULL if none. */
struct device_call *device_next_done(struct device_fixture *f, int *status);

/* Submits a request that must not be pending; the status or DEVICE_UNANSWERED. */
int device_request(struct device_fixture *f, const struct viommu_wire_request *request);
int device_attach(struct device_fixture *f, uint32_t domain, uint32_t endpoint, uint32_t flags);
int device_detach(struct device_fixture *f, uint32_t domain, uint32_t endpoint);
int device_map(struct device_fixture *f, uint32_t domain, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags);
int device_unmap(struct device_fixture *f, uint32_t domain, uint64_t first, uint64_t last);

/* Fails the test unless the request gets this answer and no endpoint can tell the difference. */
void device_assert_refused(struct device_fixture *f, const struct viommu_wire_request *request, int status);

/* What can be reached */

/* One translation in a section of its own. Faults that it raises stay in the ring. */
enum viommu_result device_translate(struct device_fixture *f, uint32_t index, uint64_t iova, uint64_t length,
				    uint32_t kind, struct viommu_translation *out);

/* Does the byte lead there? */
bool device_reaches(struct device_fixture *f, uint32_t index, uint64_t iova, uint32_t kind, uint64_t gpa);

/*
 * The byte is not accessible, and the fault says this reason. Fails the test if the report is wrong in anything else.
 */
bool device_faults(struct device_fixture *f, uint32_t index, uint64_t iova, uint32_t kind, uint8_t reason);

/* The byte is mapped, but some kinds of the access are not allowed: the report names those. */
bool device_forbids(struct device_fixture *f, uint32_t index, uint64_t iova, uint32_t kind, uint32_t forbidden);

/* Forgets all faults. */
void device_drain_faults(struct device_fixture *f);

#define DEVICE_VIEW_ADDRESSES 48u

struct device_view_cell {
	uint64_t gpa;
	uint32_t flags;
	int result;
	uint8_t reason;
	uint8_t msi;
};

/* What each endpoint sees at a choice of addresses, for read and for write, and the configuration space. */
struct device_view {
	struct device_view_cell cells[DEVICE_ENDPOINTS][DEVICE_VIEW_ADDRESSES][2];
	uint8_t config[VIOMMU_WIRE_CONFIG_SIZE];
};

/* Forgets all faults. */
void device_view_take(struct device_fixture *f, struct device_view *view);
void device_view_assert_equal(const struct device_view *a, const struct device_view *b);

#endif /* VIOMMU_TESTS_DEVICE_FIXTURE_H */
