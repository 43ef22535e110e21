/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * oracle.h: a second opinion on what each request must lead to. It keeps endpoints, domains and mappings in sorted
 * arrays and answers from the text of the specification. Slow where many mappings live at once, and meant to be
 * obviously right; it shares constants with the library, and no code.
 *
 * It judges what a driver may ask, so it refuses an UNMAP that leaves the input range, which a device could tolerate.
 */
#ifndef VIOMMU_SIM_ORACLE_H
#define VIOMMU_SIM_ORACLE_H

#include <viommu/wire.h>

struct sim_oracle_config {
	uint64_t granule;
	struct viommu_range input_range;
	struct viommu_range msi; /* cannot be mapped, passes untranslated */
	bool bypass;             /* endpoints without a domain reach all memory */
};

struct sim_oracle_mapping {
	uint64_t first;
	uint64_t last;
	uint64_t phys;
	uint32_t flags;
};

/* A domain with at least one endpoint. */
struct sim_oracle_domain {
	uint32_t id;
	bool bypass;
	uint32_t endpoints;
	struct sim_oracle_mapping *mappings; /* sorted */
	size_t count;
	size_t room;
};

struct sim_oracle_endpoint {
	uint32_t id;
	bool attached;
	uint32_t domain;
};

struct sim_oracle {
	struct sim_oracle_config config;
	struct sim_oracle_endpoint *endpoints; /* sorted by id */
	uint32_t endpoint_count;
	struct sim_oracle_domain *domains; /* sorted by id */
	uint32_t domain_count;
	size_t live; /* mappings, of all domains */
};

/* Where an access leads. */
struct sim_oracle_answer {
	bool ok;
	bool msi;         /* if ok: the doorbell, seen by an endpoint in a translating domain */
	uint64_t gpa;     /* if ok */
	uint8_t reason;   /* if not: enum viommu_fault_reason */
	uint32_t refused; /* if not: the part of the access that is not allowed, VIOMMU_ACCESS_* */
};

/* Knows these endpoints, sorted by id. False: no memory. */
bool sim_oracle_init(struct sim_oracle *oracle, const struct sim_oracle_config *config, const uint32_t *endpoints,
		     uint32_t count);
void sim_oracle_deinit(struct sim_oracle *oracle);

/* What the status of this request must be. Changes the book if it is OK. NOMEM: the oracle itself has no memory. */
enum viommu_status sim_oracle_probe(const struct sim_oracle *oracle, uint32_t endpoint);
enum viommu_status sim_oracle_attach(struct sim_oracle *oracle, uint32_t domain, uint32_t endpoint, uint32_t flags);
enum viommu_status sim_oracle_detach(struct sim_oracle *oracle, uint32_t domain, uint32_t endpoint);
enum viommu_status sim_oracle_map(struct sim_oracle *oracle, uint32_t domain, const struct sim_oracle_mapping *mapping);
enum viommu_status sim_oracle_unmap(struct sim_oracle *oracle, uint32_t domain, uint64_t first, uint64_t last);

/* The mappings that overlap [first, last], in order; *count of them. NULL: none. Good until the next change. */
const struct sim_oracle_mapping *sim_oracle_overlaps(const struct sim_oracle *oracle, uint32_t domain, uint64_t first,
						     uint64_t last, size_t *count);

/* kind: VIOMMU_ACCESS_*. An endpoint it does not know has no access. */
struct sim_oracle_answer sim_oracle_translate(const struct sim_oracle *oracle, uint32_t endpoint, uint64_t iova,
					      uint32_t kind);

#endif /* VIOMMU_SIM_ORACLE_H */
