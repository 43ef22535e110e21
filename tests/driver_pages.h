/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_pages.h: what the tests of mapping and of attaching share beyond driver_fixture.h: requests for whole pages,
 * and scripts that spoil a request or answer late.
 */
#ifndef VIOMMU_TESTS_DRIVER_PAGES_H
#define VIOMMU_TESTS_DRIVER_PAGES_H

#include "driver_fixture.h"

/* One domain with one endpoint. */
struct one {
	struct driver_fixture *f;
	struct viommu_driver_domain d;
	struct viommu_driver_endpoint e;
};

/* The options may be NULL. Nothing is counted or logged yet. */
void set_up(struct one *t, const struct driver_options *o);

/* A new domain of any id, with nobody in it. Returns it. */
struct viommu_driver_domain *domain_any(struct driver_fixture *f, struct viommu_driver_domain *d);

/* A page leads to the 16th page behind it. */
enum viommu_result map_page(struct viommu_driver_domain *d, uint64_t page);
enum viommu_result unmap_pages(struct viommu_driver_domain *d, uint64_t first, uint64_t last);
bool is_mapped(struct viommu_driver_domain *d, uint64_t page);

/* For script.decide: the victim is a request by its number; or all ATTACH and DETACH are. */
extern uint32_t victim;
extern struct verdict victims_verdict;
struct verdict spoil_one(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number);
struct verdict spoil_attach(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number);

/* For on_wait: answers one request, the first of those held. */
void release_first(struct driver_fixture *f);

#endif /* VIOMMU_TESTS_DRIVER_PAGES_H */
