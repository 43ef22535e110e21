/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ram.h: the simulated machine's memory: any address of the 64-bit space, in pieces of 2 MiB that come into being,
 * filled with zeroes, when somebody first touches them.
 */
#ifndef VIOMMU_SIM_RAM_H
#define VIOMMU_SIM_RAM_H

#include <viommu/memory.h>

#define SIM_RAM_PIECE_SIZE (UINT64_C(1) << 21)

/* Private. */
struct sim_ram_piece {
	uint64_t number; /* gpa / SIM_RAM_PIECE_SIZE */
	uint8_t *host;
};

#define SIM_RAM_RULES 16u

/* Private. */
struct sim_ram_rule {
	viommu_gpa first;
	viommu_gpa last;
	uint32_t kind;
};

/* Private members, except those marked "in" and "out". */
struct sim_ram {
	struct sim_ram_piece *pieces; /* sorted by number */
	uint32_t count;
	uint32_t max;
	uint32_t recent; /* piece that was found last */
	viommu_gpa last; /* there is no memory above it */
	struct sim_ram_rule rules[SIM_RAM_RULES];
	uint32_t rule_count;
	bool copied; /* in, after init: sim_ram_memory gives no pointers */
	struct viommu_memory pointers;
	bool exhausted; /* out: a piece was needed and could not be made: max is reached, or the host has no memory */
};

/* Memory at 0 to last, made of at most `max_pieces` pieces. VIOMMU_E_NOMEM. VIOMMU_E_ARG: max_pieces is 0. */
VIOMMU_NODISCARD enum viommu_result sim_ram_init(struct sim_ram *ram, viommu_gpa last, uint32_t max_pieces);

/* Gives everything back. A struct of zeroes is all right too. */
void sim_ram_deinit(struct sim_ram *ram);

/*
 * Makes the pieces around [gpa, gpa + len - 1] in one piece of host memory, and returns the host address of gpa.
 * NULL: one of them exists already, or there is no memory. resolve crosses their borders, but no others.
 */
void *sim_ram_reserve(struct sim_ram *ram, viommu_gpa gpa, uint64_t len);

/*
 * For the device side, from now on: [first, last] is a hole (kind 0), can only be read (VIOMMU_ACCESS_READ), or is
 * there as usual (READ | WRITE). The sim itself reaches it as before. The last rule that names an address holds.
 * VIOMMU_E_FULL: SIM_RAM_RULES have been made.
 */
VIOMMU_NODISCARD enum viommu_result sim_ram_restrict(struct sim_ram *ram, viommu_gpa first, viommu_gpa last,
						     uint32_t kind);

/* The seam for the device side. The ram stays in place. */
struct viommu_memory sim_ram_memory(struct sim_ram *ram);

/* Copy out of and into guest memory. False: there is no memory; what was copied up to there stays. */
bool sim_ram_read(struct sim_ram *ram, viommu_gpa gpa, void *dst, size_t len);
bool sim_ram_write(struct sim_ram *ram, viommu_gpa gpa, const void *src, size_t len);

#endif /* VIOMMU_SIM_RAM_H */
