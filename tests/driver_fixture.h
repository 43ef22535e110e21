/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_fixture.h: what the tests of the driver side share: a driver with private and shared memory, and behind its
 * registers one of two devices.
 *
 *   real      the library's own device and pump, over the transport that VIOMMU_TRANSPORT names.
 *   scripted  the test's: it offers what the test says, keeps a naive model of domains and mappings written from the
 *             specification alone, answers by that model, and lets the test decide otherwise for each request: another
 *             status, another used length, silence, another order.
 *
 * Rules that hold whatever the test does are checked in the hooks and on each request: registers are used in the
 * prescribed way, no lock is held where it must not be, no request breaks a rule that the specification has for
 * drivers. The device looks at its queues only in the wait hook (or when the test runs it), and only if it was kicked.
 */
#ifndef VIOMMU_TESTS_DRIVER_FIXTURE_H
#define VIOMMU_TESTS_DRIVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/access.h>
#include <viommu/driver.h>
#include <viommu/pump.h>

#include "sim/transport.h"

#define PAGE UINT64_C(0x1000)
#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)
#define ALL_ONES UINT64_MAX

#define FIXTURE_BUS UINT64_C(0x7ffff000) /* of the shared memory; it crosses 2 GiB */
#define FIXTURE_LOG 8192u
#define FIXTURE_STEPS 1024u
#define FIXTURE_MAPPINGS 8192u
#define FIXTURE_ENDPOINTS 16u
#define FIXTURE_HELD 512u
#define FIXTURE_WAITS 6u /* fruitless attempts before the wait hook gives up */

#define REAL_ENDPOINTS 3u
#define REAL_FIRST_ENDPOINT 8u

/* Observations */

enum register_access {
	GET_STATUS,
	SET_STATUS,
	GET_FEATURES,
	SET_FEATURES,
	GENERATION,
	CONFIG_READ,
	CONFIG_WRITE,
	QUEUE_SIZE_MAX,
	QUEUE_ENABLE,
	NOTIFY
};

/* An access to a register. a: value, offset or queue. b: length or size. */
struct register_step {
	enum register_access access;
	uint64_t a;
	uint64_t b;
};

/* A request as it was on the wire. */
struct seen_request {
	struct viommu_wire_request request;
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX + 8];
	uint32_t len;
	uint32_t writable;
};

/* The scripted device */

#define BY_MODEL (-1)

/* What the device does with a request. */
struct verdict {
	int status;   /* or BY_MODEL */
	int64_t used; /* used length, or BY_MODEL: all that is writable */
	bool apply;   /* with a status of its own: the model changes all the same */
	bool hold;    /* not yet: see script_release */
};
#define VERDICT_HONEST ((struct verdict){ BY_MODEL, BY_MODEL, false, false })
#define VERDICT_STATUS(s) ((struct verdict){ (s), BY_MODEL, false, false })
#define VERDICT_USED(n) ((struct verdict){ BY_MODEL, (n), true, false })
#define VERDICT_HOLD ((struct verdict){ BY_MODEL, BY_MODEL, false, true })

struct driver_fixture;

struct model_mapping {
	uint32_t domain;
	uint32_t flags;
	uint64_t first;
	uint64_t last;
	uint64_t phys;
};

struct model_endpoint {
	uint32_t id;
	uint32_t domain;
	bool attached;
	bool bypass; /* the domain */
	bool probed;
};

struct held_request {
	struct viommu_segment writable[4];
	uint32_t writable_count;
	uint32_t writable_len;
	uint16_t head;
	int status;
	uint32_t used;
	bool answered;
};

struct script {
	/* in */
	uint64_t offered;
	struct viommu_wire_config config;
	uint32_t config_len; /* bytes that exist */
	uint32_t queue_max[VIOMMU_QUEUE_COUNT];
	bool refuses_features;  /* FEATURES_OK does not stick */
	bool never_settles;     /* the generation changes at each look */
	uint32_t settles_after; /* the generation changes at that many looks */
	uint32_t reset_reads;   /* status reads that still show the old status; UINT32_MAX: for ever */
	bool stalled;           /* looks at nothing */
	bool refuses_queue;
	bool ignores_bypass;    /* config.bypass stays as it is */
	bool unknown_endpoints; /* endpoints above 0xff do not exist */
	struct verdict (*decide)(struct driver_fixture *f, const struct viommu_wire_request *request, uint32_t number);
	const uint8_t *properties; /* of a PROBE reply; NULL: none */
	size_t properties_len;
	/* out */
	uint64_t accepted;
	uint8_t status;
	struct viommu_virtq_layout layouts[VIOMMU_QUEUE_COUNT];
	struct seen_request log[FIXTURE_LOG];
	uint32_t count;
	struct model_mapping mappings[FIXTURE_MAPPINGS];
	uint32_t mapping_count;
	struct model_endpoint endpoints[FIXTURE_ENDPOINTS];
	uint32_t endpoint_count;
	struct held_request held[FIXTURE_HELD];
	uint32_t held_count;
	/* private */
	struct viommu_virtq_device queues[VIOMMU_QUEUE_COUNT];
	uint32_t resetting;
	uint32_t generation;
};

struct real_device {
	struct viommu_device dev;
	struct viommu_pump pump;
	struct sim_transport transport;
	struct viommu_endpoint *endpoints[REAL_ENDPOINTS];
	struct viommu_access accesses[REAL_ENDPOINTS];
	void *dev_mem;
	void *pump_mem;
};

/* The fixture */

struct driver_options {
	struct viommu_driver_config config;
	uint32_t nodes; /* map nodes */
	bool real;
	bool locks;
	uint64_t offered;
	struct viommu_wire_config space;
	uint32_t queue_max;
	const struct viommu_resv_region *regions; /* real: of the first endpoint */
	uint32_t region_count;
};

struct driver_fixture {
	struct viommu_driver drv;
	struct viommu_driver_ops ops;
	struct viommu_shared_memory shared;
	struct viommu_memory_region regions[2]; /* of this driver, and of the one before it */
	void *replaced;                         /* shared memory of the latter */
	struct viommu_memory_table table;
	struct viommu_memory memory; /* as a device sees the shared memory */
	void *private_block;
	struct script script;
	struct script honest; /* as it was set up */
	struct real_device *real;

	struct register_step steps[FIXTURE_STEPS];
	uint32_t step_count;
	uint32_t kicks[VIOMMU_QUEUE_COUNT];
	uint32_t kicks_with_data; /* of these */
	bool kicked;              /* the device has to look */

	bool has_own_hooks; /* the test's, not those of the fixture */
	bool locks;
	int depth;       /* of the lock */
	uint32_t locked; /* calls of lock */
	uint32_t waits;  /* calls of wait */
	uint32_t last_attempt;
	uint32_t patience;
	void (*on_wait)(struct driver_fixture *f);
	void (*on_fault)(struct driver_fixture *f, const struct viommu_wire_fault *fault);

	struct viommu_wire_fault faults[64];
	uint32_t fault_count;
	struct viommu_driver_failure failures[256];
	struct viommu_driver_domain *failed_domain;
	uint32_t failure_count;

	struct viommu_driver_domain last_domain; /* of the life after the test */
	struct viommu_driver_endpoint last_endpoint;
};

/* All features, whole space, 64-byte PROBE, default sizes, locks, scripted. */
void driver_options_init(struct driver_options *options);

/* A driver that was not started. NULL: the defaults above. */
struct driver_fixture *driver_setup(const struct driver_options *options);
/* The same, started. */
struct driver_fixture *driver_up(const struct driver_options *options);
void driver_teardown(struct driver_fixture *f);

/*
 * Another driver takes the place of this one, which must have been stopped, in memory of its own. The device goes on,
 * and can still reach what the first one shared.
 */
void driver_replace(struct driver_fixture *f, const struct driver_options *options);

enum viommu_result driver_start(struct driver_fixture *f);
extern const struct viommu_register_ops fixture_register_ops;

/* An endpoint without regions, and one attached to a new domain of any id. */
void endpoint_up(struct driver_fixture *f, struct viommu_driver_endpoint *endpoint, uint32_t id);
void domain_up(struct driver_fixture *f, struct viommu_driver_domain *domain, struct viommu_driver_endpoint *endpoint,
	       uint32_t id);

/* How often was this done to a register? */
uint32_t steps_of(const struct driver_fixture *f, enum register_access access);

/* Lets the device work until it has nothing to do, kicked or not. */
void device_run(struct driver_fixture *f);

/* Of the scripted device */

/* Answers the request held as number `index`. */
void script_release(struct driver_fixture *f, uint32_t index);
void script_release_all(struct driver_fixture *f);

/* The device behaves from here on. Its registers and what it knows stay as they are. */
void script_become_honest(struct driver_fixture *f);

/* Forgets everything, as a device reset does. */
void script_forget(struct driver_fixture *f);

/* Puts `len` bytes into the next event buffer, used length `used`. False: no buffer. */
bool script_event(struct driver_fixture *f, const uint8_t *bytes, size_t len, uint32_t used);
bool script_fault(struct driver_fixture *f, const struct viommu_wire_fault *fault);

/* Writes a used entry past all rules: element at the current index, which then moves on by `steps`. */
void script_lie(struct driver_fixture *f, uint32_t queue, uint32_t id, uint32_t len, uint16_t steps);

/* Requests of this type in the log. */
uint32_t script_count(const struct driver_fixture *f, uint8_t type);

/* The last request in the log. */
const struct seen_request *script_last(const struct driver_fixture *f);

/* Is there a domain in the model? */
bool model_has(const struct driver_fixture *f, uint32_t domain);
bool model_mapped(const struct driver_fixture *f, uint32_t domain, uint64_t iova);

/* The domain's record has exactly the mappings of the model, in addresses, targets and flags. */
void assert_record_is_model(struct driver_fixture *f, struct viommu_driver_domain *domain);

uint32_t record_count(struct viommu_driver_domain *domain);

/* Of the real device */

/* Where an access of the endpoint with this index leads. False: a fault. */
bool real_translate(struct driver_fixture *f, uint32_t index, uint64_t iova, uint32_t kind, uint64_t *gpa);

#endif /* VIOMMU_TESTS_DRIVER_FIXTURE_H */
