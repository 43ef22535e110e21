/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port.c: the accessors of port.h (VIOMMU_PORT_EXTERN), each a point of the environment. Byte by byte, so that they are
 * right on every machine and need no alignment; that the library keeps it is checked here.
 */
#include "sim/env/port.h"

#include <string.h>

#include <viommu/port.h>

#include "sim/env/env.h"

static uint64_t plain_load(const uint8_t *p, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

static void plain_store(uint8_t *p, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

static void plain_copy(uint8_t *dst, const uint8_t *src, size_t len)
{
	memcpy(dst, src, len);
}

static void plain_fence(void)
{
}

uint64_t sim_env_plain_get(const uint64_t *p)
{
	return *p;
}

void sim_env_plain_set(uint64_t *p, uint64_t value)
{
	*p = value;
}

const struct sim_env_port sim_env_plain_port = { plain_load, plain_store, plain_copy, plain_copy, plain_fence };
const struct sim_env_own sim_env_plain_own = { sim_env_plain_get, sim_env_plain_set };
const struct sim_env_own *sim_env_own = &sim_env_plain_own;
const struct sim_env_port *sim_env_port = &sim_env_plain_port;
void (*sim_env_own_step)(void);
void (*sim_env_own_fence)(void);
const void *sim_env_port_released;
uint64_t sim_env_port_ordered[2];

static void must_be_aligned(const void *p, unsigned bytes)
{
	if ((uintptr_t)p % bytes != 0)
		sim_env_die("misaligned access of shared memory");
}

static uint64_t load(const void *p, unsigned bytes, bool begins_observation)
{
	uint64_t value;

	must_be_aligned(p, bytes);
	value = sim_env_port->load(p, bytes);
	sim_env_read(p, bytes, begins_observation);
	return value;
}

static void store(void *p, unsigned bytes, uint64_t value)
{
	must_be_aligned(p, bytes);
	sim_env_port->store(p, bytes, value);
	sim_env_wrote(p, bytes);
}

uint16_t viommu_port_load16(const void *p)
{
	return (uint16_t)load(p, 2, false);
}

uint16_t viommu_port_load16_acquire(const void *p)
{
	sim_env_port_ordered[false]++;
	return (uint16_t)load(p, 2, true);
}

uint32_t viommu_port_load32(const void *p)
{
	return (uint32_t)load(p, 4, false);
}

void viommu_port_store16(void *p, uint16_t value)
{
	store(p, 2, value);
}

void viommu_port_store16_release(void *p, uint16_t value)
{
	sim_env_port_ordered[false]++;
	sim_env_port_released = p;
	store(p, 2, value);
}

void viommu_port_store32(void *p, uint32_t value)
{
	store(p, 4, value);
}

void viommu_port_copy_in(void *dst, const void *peer, size_t len)
{
	sim_env_port->copy_in(dst, peer, len);
	sim_env_read(peer, len, false);
}

void viommu_port_copy_out(void *peer, const void *src, size_t len)
{
	sim_env_port->copy_out(peer, src, len);
	sim_env_wrote(peer, len);
}

static void fence(bool strong)
{
	sim_env_port_ordered[strong]++;
	sim_env_port->fence();
	sim_env_fence();
}

void viommu_port_fence(void)
{
	fence(false);
}

uint16_t viommu_port_load16_acquire_strong(const void *p)
{
	sim_env_port_ordered[true]++;
	return (uint16_t)load(p, 2, true);
}

void viommu_port_store16_release_strong(void *p, uint16_t value)
{
	sim_env_port_ordered[true]++;
	sim_env_port_released = p;
	store(p, 2, value);
}

void viommu_port_fence_strong(void)
{
	fence(true);
}

static void own_step(void)
{
	if (sim_env_own_step != NULL)
		sim_env_own_step();
}

uint64_t viommu_port_get64(const uint64_t *p)
{
	own_step();
	return sim_env_own->get(p);
}

void viommu_port_set64(uint64_t *p, uint64_t value)
{
	own_step();
	sim_env_own->set(p, value);
}

uint32_t viommu_port_get32(const uint32_t *p)
{
	own_step();
	return *p;
}

void viommu_port_set32(uint32_t *p, uint32_t value)
{
	own_step();
	*p = value;
}

const void *viommu_port_get_pointer(const void *const *p)
{
	own_step();
	return *p;
}

void viommu_port_set_pointer(const void **p, const void *value)
{
	own_step();
	*p = value;
}

void viommu_port_enter32(uint32_t *p, uint32_t n)
{
	own_step();
	*p += n;
}

uint32_t viommu_port_leave32(uint32_t *p, uint32_t n)
{
	own_step();
	return *p -= n;
}

uint32_t viommu_port_mark32(uint32_t *p, uint32_t bits)
{
	uint32_t before;

	own_step();
	before = *p;
	*p |= bits;
	return before;
}

/* Here accesses are done in the order in which they stand. */
void viommu_port_own_fence(void)
{
	if (sim_env_own_fence != NULL)
		sim_env_own_fence();
}
