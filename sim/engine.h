/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * engine.h: an endpoint's DMA engine. Every operation is one access section: begin, move the bytes through the IOMMU,
 * end.
 *
 * All return VIOMMU_OK if all bytes were moved, and what viommu_access_read and viommu_access_write return otherwise;
 * `moved` then says how far it came.
 */
#ifndef VIOMMU_SIM_ENGINE_H
#define VIOMMU_SIM_ENGINE_H

#include <viommu/access.h>

struct sim_engine {
	struct viommu_access access; /* for tests that keep a section open */
	struct viommu_access_cache cache;
	uint32_t id; /* of the endpoint */
	size_t moved;                /* out: bytes moved by the last operation */
};

/* Binds the engine to an endpoint. It stays in place as long as the device. */
void sim_engine_init(struct sim_engine *engine, struct viommu_device *dev, struct viommu_endpoint *endpoint,
		     uint32_t id);

/*
 * Bytes `offset` to offset + len - 1 of an endless row that depends on the seed, so that bytes which come from the
 * wrong place are noticed.
 */
void sim_engine_pattern(uint64_t seed, uint64_t offset, void *out, size_t len);

/* Between the endpoint's address space and the caller. */
VIOMMU_NODISCARD enum viommu_result sim_engine_read(struct sim_engine *engine, viommu_iova iova, void *dst, size_t len);
VIOMMU_NODISCARD enum viommu_result sim_engine_write(struct sim_engine *engine, viommu_iova iova, const void *src,
						     size_t len);

/* Writes the pattern; reads it back and says whether it is still the same. */
VIOMMU_NODISCARD enum viommu_result sim_engine_fill(struct sim_engine *engine, viommu_iova iova, size_t len,
						    uint64_t seed);
VIOMMU_NODISCARD enum viommu_result sim_engine_verify(struct sim_engine *engine, viommu_iova iova, size_t len,
						      uint64_t seed, bool *same);

/* Moves bytes within the endpoint's address space. The ranges must not overlap. */
VIOMMU_NODISCARD enum viommu_result sim_engine_copy(struct sim_engine *engine, viommu_iova to, viommu_iova from,
						    size_t len);

/* Where one address leads, in a section of its own. Errors as viommu_access_translate. */
VIOMMU_NODISCARD enum viommu_result sim_engine_translate(struct sim_engine *engine, viommu_iova iova, uint64_t len,
							 uint32_t kind, struct viommu_translation *out);

#endif /* VIOMMU_SIM_ENGINE_H */
