/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model.h: what a virtio-iommu device answers, written a second time from the specification and docs/decisions.md, and
 * as naively as it goes: a list of endpoints and a list of mappings, searched from front to back. It shares nothing
 * with the library, so that a difference between the two is a mistake in one of them.
 *
 * A domain is nothing but the number that some endpoints have in common, and the mappings that bear it. Every request
 * is done at once; when an answer has to wait for access sections is grace.h. Map nodes are no matter here.
 */
#ifndef VIOMMU_SIM_MODEL_H
#define VIOMMU_SIM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_MODEL_ENDPOINTS 16u
#define SIM_MODEL_REGIONS 4u
#define SIM_MODEL_MAPPINGS 4096u
#define SIM_MODEL_REPLY_MAX 1024u

#define SIM_MODEL_F_INPUT_RANGE 1u
#define SIM_MODEL_F_DOMAIN_RANGE 2u
#define SIM_MODEL_F_MAP_UNMAP 4u
#define SIM_MODEL_F_PROBE 16u
#define SIM_MODEL_F_MMIO 32u
#define SIM_MODEL_F_BYPASS_CONFIG 64u

struct sim_model_region {
	uint64_t first;
	uint64_t last;
	bool msi;
};

struct sim_model_endpoint {
	/* in */
	uint32_t id;
	uint32_t region_count;
	struct sim_model_region regions[SIM_MODEL_REGIONS];
	uint64_t page_size_mask;          /* of its own; 0: it can do what the device can */
	uint64_t input_first, input_last; /* likewise, both 0 */
	/* out */
	bool removed;
	bool attached;
	bool bypass; /* the nature of the domain; all its endpoints agree */
	uint32_t domain;
};

struct sim_model_mapping {
	uint32_t domain;
	uint32_t flags;
	uint64_t first;
	uint64_t last;
	uint64_t phys;
	uint32_t users; /* grace.h's */
};

struct sim_model {
	/* in: to be filled in before the first call, the rest being 0 */
	uint64_t offered;
	uint64_t page_size_mask;
	uint64_t input_first;
	uint64_t input_last;
	uint32_t domain_first;
	uint32_t domain_last;
	uint32_t probe_size;
	uint32_t max_domains;
	uint8_t initial_bypass;
	uint32_t endpoint_count;
	struct sim_model_endpoint endpoints[SIM_MODEL_ENDPOINTS];
	/* out */
	uint64_t negotiated;
	uint8_t bypass;         /* as config.bypass reads */
	uint32_t mapping_count; /* the caller sees to it that there is room for one more */
	struct sim_model_mapping mappings[SIM_MODEL_MAPPINGS];
};

struct sim_model_reply {
	bool answered;
	uint8_t status; /* if answered */
	size_t used;    /* used length: so many of the writable bytes are written, and no others */
	uint8_t bytes[SIM_MODEL_REPLY_MAX];
};

struct sim_model_access {
	bool allowed;
	/* if allowed */
	uint64_t gpa;
	uint32_t flags; /* of the mapping, or READ | WRITE */
	bool msi;
	/* if not */
	uint8_t reason;
	uint32_t fault_flags;
};

/* A whole-system reset: also what comes first. */
void sim_model_system_reset(struct sim_model *m);

/* A device reset by the driver. */
void sim_model_reset(struct sim_model *m);

/*
 * The endpoint at this index goes, out of its domain if it is in one, and its place can be taken by another one, of the
 * same id or not; or there was nobody there before. An id is there once.
 */
void sim_model_remove_endpoint(struct sim_model *m, uint32_t index);
void sim_model_add_endpoint(struct sim_model *m, uint32_t index, const struct sim_model_endpoint *endpoint);

/* False: there are bits that are not offered. */
bool sim_model_negotiate(struct sim_model *m, uint64_t features);

/* A store of one byte to the configuration space. */
void sim_model_config_write(struct sim_model *m, uint32_t offset, uint8_t value);

void sim_model_request(struct sim_model *m, const uint8_t *readable, size_t readable_len, size_t writable_len,
		       struct sim_model_reply *reply);

/* One byte, touched by the endpoint at this index, removed or not. kind: 1 reads, 2 writes, 3 does both. */
struct sim_model_access sim_model_translate(const struct sim_model *m, uint32_t index, uint64_t iova, uint32_t kind);

#endif /* VIOMMU_SIM_MODEL_H */
