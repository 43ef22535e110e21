/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port.h: what is below the accessors of the environment. A test that wants more than counting and changing bytes (a
 * model of a processor, say) puts its own functions here.
 */
#ifndef VIOMMU_SIM_ENV_PORT_H
#define VIOMMU_SIM_ENV_PORT_H

#include <stddef.h>
#include <stdint.h>

struct sim_env_port {
	uint64_t (*load)(const uint8_t *p, unsigned bytes); /* little-endian */
	void (*store)(uint8_t *p, unsigned bytes, uint64_t value);
	void (*copy_in)(uint8_t *dst, const uint8_t *peer, size_t len);
	void (*copy_out)(uint8_t *peer, const uint8_t *src, size_t len);
	void (*fence)(void);
};

/* The library's own memory, of which one thread reads what another one writes. No point of the environment. */
struct sim_env_own {
	uint64_t (*get)(const uint64_t *p);
	void (*set)(uint64_t *p, uint64_t value);
};

/* Before each access of the library's own shared memory, if not NULL: where another thread may come in between. */
extern void (*sim_env_own_step)(void);

/* At each fence of the owner, if not NULL. */
extern void (*sim_env_own_fence)(void);

extern const struct sim_env_port sim_env_plain_port;
extern const struct sim_env_port *sim_env_port; /* sim_env_plain_port, unless a test says otherwise */
uint64_t sim_env_plain_get(const uint64_t *p);
void sim_env_plain_set(uint64_t *p, uint64_t value);
extern const struct sim_env_own sim_env_plain_own;
extern const struct sim_env_own *sim_env_own;
extern const void *sim_env_port_released; /* where the last store with release went */
extern uint64_t sim_env_port_ordered[2];  /* acquires, releases and fences so far: SMP ones, strong ones */

#endif /* VIOMMU_SIM_ENV_PORT_H */
