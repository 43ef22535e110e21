/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * access.h: the device's data path: what an endpoint's DMA goes through.
 *
 * A struct viommu_access is a context that names one endpoint; make one per endpoint and queue. Open a
 * section for each DMA, translate or copy inside it as often as wanted, and end it when the memory is no longer
 * touched, perhaps much later (asynchronous I/O). An UNMAP or DETACH that takes a translation away is completed only
 * after every section has ended that began before it and could use it; so a section left open delays the driver's
 * requests for that endpoint's domain, and nothing else, except that an endpoint which changed its domain, or lost the
 * bypass, with a section open delays revocations in every domain until the sections open by then have ended.
 *
 *     viommu_access_begin(&a, &token);
 *     while (len > 0 && viommu_access_translate(&a, iova, len, VIOMMU_ACCESS_READ, &t) == VIOMMU_OK)
 *             ... use t.length bytes at guest-physical t.gpa ...
 *     viommu_access_end(&a, token);
 *
 * Thread class of everything here: owner of the device.
 */
#ifndef VIOMMU_ACCESS_H
#define VIOMMU_ACCESS_H

#include <viommu/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Fault reports that a context keeps until next_fault fetches them. */
#define VIOMMU_ACCESS_FAULTS 4u

/* Private members. */
struct viommu_access {
	struct viommu_device *dev;
	struct viommu_endpoint *endpoint;
	struct viommu_access *next; /* of the same endpoint */
	uint64_t flipped;  /* epoch at which `current` began to count: open[!current] began before it */
	uint64_t drained;  /* every section that began before this epoch has ended */
	uint32_t open[2];  /* sections: two counts, so that new ones cannot keep old ones waiting */
	uint32_t current;  /* which count new sections join */
	uint32_t fault_head; /* free-running */
	uint32_t fault_tail;
	uint32_t faults_raised; /* as in struct viommu_device_stats */
	uint32_t faults_lost;
	struct viommu_wire_fault faults[VIOMMU_ACCESS_FAULTS];
};

/* An open section. Copyable; end it exactly once. Private member. */
struct viommu_access_token {
	uint32_t phase;
};

/* Where a translation leads. */
struct viommu_translation {
	viommu_gpa gpa;
	uint64_t length; /* contiguous bytes from there, at least 1, at most what was asked; a lower bound */
	uint32_t flags;  /* VIOMMU_MAP_F_* of the mapping; READ | WRITE where nothing is translated */
	bool msi;        /* the endpoint's MSI doorbell, past a translating domain: gpa is not memory */
};

/* Binds a context to an endpoint. The context stays in place until deinit. */
void viommu_access_init(struct viommu_access *access, struct viommu_device *dev, struct viommu_endpoint *endpoint);

/* VIOMMU_E_STATE: a section is open. Faults not yet fetched are lost (counted). Steps: contexts of the endpoint. */
VIOMMU_NODISCARD enum viommu_result viommu_access_deinit(struct viommu_access *access);

/* Opens a section. VIOMMU_E_FULL: 2^32 - 1 sections are open. */
VIOMMU_NODISCARD enum viommu_result viommu_access_begin(struct viommu_access *access,
							struct viommu_access_token *token);

/* Ends it. One that has ended already is ignored, unless another one is open. */
void viommu_access_end(struct viommu_access *access, struct viommu_access_token token);

/*
 * Translates the first piece of [iova, iova + length - 1] for `kind` (READ, WRITE, or both at once). A length that runs
 * past the end of the address space is cut there. Inside a section.
 * VIOMMU_E_FAULT: the first byte is not accessible; a fault report was raised. VIOMMU_E_ARG: length or kind is 0 or
 * unknown.
 * VIOMMU_E_STATE: no section is open. Steps: one lookup (map.h).
 */
VIOMMU_NODISCARD enum viommu_result viommu_access_translate(struct viommu_access *access, viommu_iova iova,
							    uint64_t length, uint32_t kind,
							    struct viommu_translation *out);

/*
 * Copies between the endpoint's address space and private memory, across mappings. *done: bytes copied before an error.
 * Errors as translate; VIOMMU_E_ARG also if the bytes run past the end of the address space. VIOMMU_E_PEER: a
 * translation leads to where there is no memory (the driver's mistake; no fault is raised), or to the MSI doorbell.
 * VIOMMU_E_STATE: the device has no memory seam.
 */
VIOMMU_NODISCARD enum viommu_result viommu_access_read(struct viommu_access *access, viommu_iova iova, void *dst,
						       size_t len, size_t *done);
VIOMMU_NODISCARD enum viommu_result viommu_access_write(struct viommu_access *access, viommu_iova iova,
							const void *src, size_t len, size_t *done);

/* See types.h. Steps of _check: regions and access contexts of the endpoint. */
bool viommu_access_is_valid(const struct viommu_access *access);
bool viommu_access_check(const struct viommu_access *access);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_ACCESS_H */
