/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * grace.h: the model with access sections: which of them have to end before the answer to a request, and which may
 * delay it. Made from what device.h and access.h promise, and as naive as model.h: each mapping bears the sections that
 * could have used it, each endpoint whether it was on the move with a section open.
 */
#ifndef VIOMMU_SIM_MODEL_GRACE_H
#define VIOMMU_SIM_MODEL_GRACE_H

#include "model.h"

#define SIM_GRACE_SECTIONS 32u

/* Sections as masks: bit s is section s. */
struct sim_grace_wait {
	uint32_t must; /* the answer comes after these have ended */
	uint32_t may;  /* if none of these is open, the answer comes at once */
};

struct sim_grace {
	uint32_t open;
	uint32_t endpoints[SIM_GRACE_SECTIONS]; /* index of each section's endpoint */
	uint32_t restless; /* endpoints, as a mask: lost translations with a section open, not seen without one since */
	uint32_t settle;   /* sections that have to end before the device is settled */
};

void sim_grace_begin(struct sim_grace *g, struct sim_model *m, uint32_t section, uint32_t index);
void sim_grace_end(struct sim_grace *g, struct sim_model *m, uint32_t section);

/* The open sections of an endpoint. */
uint32_t sim_grace_sections(const struct sim_grace *g, uint32_t index);

/* Sections of endpoints that lost something lately: they may delay whatever has to wait for anybody. */
uint32_t sim_grace_movers(const struct sim_grace *g, const struct sim_model *m);

/*
 * sim_model_remove_endpoint() and _add_endpoint(). Returns the sections that have to end before it is gone: its own, and
 * those that could use what the domain had that went with it.
 */
uint32_t sim_grace_remove_endpoint(struct sim_grace *g, struct sim_model *m, uint32_t index);
void sim_grace_add_endpoint(struct sim_grace *g, struct sim_model *m, uint32_t index,
			    const struct sim_model_endpoint *endpoint);

/* sim_model_request(), _config_write(), _reset() and _system_reset(), and what they mean for the sections. */
struct sim_grace_wait sim_grace_request(struct sim_grace *g, struct sim_model *m, const uint8_t *readable,
					size_t readable_len, size_t writable_len, struct sim_model_reply *reply);
void sim_grace_config_write(struct sim_grace *g, struct sim_model *m, uint32_t offset, uint8_t value);
void sim_grace_reset(struct sim_grace *g, struct sim_model *m, bool of_the_system);

#endif /* VIOMMU_SIM_MODEL_GRACE_H */
