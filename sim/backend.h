/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend.h: back ends for endpoints (viommu/backend.h) that only keep account: what could be reached through them, and
 * whether the device kept to the rules. For tests, and as examples of what a real one has to keep in mind.
 *
 *   recorder   one for each endpoint: what it was told is what it has
 *   container  the same, but it shares one address space with others, as endpoints do that are in one VFIO container:
 *              it refuses a MAP that overlaps with what another one has
 *
 * Each hook is a point where something can happen (sim/env/env.h), and can be told to fail (struct sim_backend_fault).
 */
#ifndef VIOMMU_SIM_BACKEND_H
#define VIOMMU_SIM_BACKEND_H

#include <viommu/backend.h>

#define SIM_BACKEND_MAPPINGS 512u /* more are refused with VIOMMU_E_NOMEM */

enum sim_backend_place {
	SIM_BACKEND_NOWHERE,    /* reaches nothing */
	SIM_BACKEND_EVERYWHERE, /* reaches all memory */
	SIM_BACKEND_TRANSLATED  /* reaches what is mapped */
};

enum sim_backend_hook {
	SIM_BACKEND_PREPARE,
	SIM_BACKEND_COMMIT,
	SIM_BACKEND_ABORT,
	SIM_BACKEND_HOOKS
};

/* Which call of which hook goes wrong, of all back ends that share this. Zeroes: none. */
struct sim_backend_fault {
	/* in */
	uint64_t at;                /* from 1; 0: none */
	uint8_t hook;               /* enum sim_backend_hook */
	bool on;                    /* and all calls behind it */
	bool breaks;                /* a prepare that does not refuse, but breaks; the other hooks always do */
	enum viommu_result refusal; /* of a prepare; VIOMMU_OK: VIOMMU_E_NOMEM */
	/* out */
	uint64_t calls[SIM_BACKEND_HOOKS];
	uint64_t failed; /* calls */
};

struct sim_backend {
	struct sim_backend_fault *fault; /* may be NULL */
	struct sim_backend *container;   /* a ring of those that share an address space; NULL: it has its own */
	/*
	 * Hooks do not check the whole device: since it takes too long, or since a restore is under way, and its nodes
	 * are in no map that viommu_device_check knows.
	 */
	bool is_quick;
	/* out */
	struct viommu_endpoint *endpoint; /* since the first call; NULL: none */
	const char *violation;            /* the first rule that the device broke; NULL: none */
	uint8_t place;                    /* enum sim_backend_place */
	bool has_broken;
	uint64_t refusals; /* calls of prepare that it refused */
	uint32_t domain;
	uint32_t count;
	struct viommu_mapping mappings[SIM_BACKEND_MAPPINGS];
	/* What was prepared, and neither committed nor aborted: a change, behind an ATTACH the MAPs. */
	uint32_t prepared_count;
	uint32_t committed_count; /* of these */
	struct viommu_backend_change prepared[SIM_BACKEND_MAPPINGS + 1];
};

extern const struct viommu_backend_ops sim_backend_ops;

/* As if it had just been made: reaches nothing. `fault` may be NULL. The context of sim_backend_ops. */
void sim_backend_init(struct sim_backend *b, struct sim_backend_fault *fault);

/* Into one address space. */
void sim_backend_share(struct sim_backend *b, struct sim_backend *with);

/* Is it an endpoint's, and does it have what the device says of that: all mappings, and no others? */
bool sim_backend_agrees(const struct sim_backend *b, const struct viommu_device *dev);

/* Somebody else has called viommu_device_break_backend, or will. */
void sim_backend_lose(struct sim_backend *b);

/* Does the byte lead there? */
bool sim_backend_reaches(const struct sim_backend *b, viommu_iova iova, viommu_gpa *gpa, uint32_t *flags);

#endif /* VIOMMU_SIM_BACKEND_H */
