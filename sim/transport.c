/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport.h"

#include <stdlib.h>
#include <string.h>

#include "sim/env/env.h"

const struct sim_transport_kind *const sim_transports[] = {
	&sim_transport_local,
	&sim_transport_mmio,
	&sim_transport_pci,
	NULL,
};

const struct sim_transport_kind *sim_transport_by_name(const char *name)
{
	for (size_t i = 0; sim_transports[i] != NULL; i++) {
		if (strcmp(sim_transports[i]->name, name) == 0)
			return sim_transports[i];
	}
	return NULL;
}

const struct sim_transport_kind *sim_transport_default(void)
{
	const char *name = getenv("VIOMMU_TRANSPORT");
	const struct sim_transport_kind *kind = name != NULL ? sim_transport_by_name(name) : &sim_transport_local;

	if (kind == NULL)
		sim_env_die("VIOMMU_TRANSPORT names no transport");
	return kind;
}

void sim_transport_init(struct sim_transport *t, const struct sim_transport_kind *kind)
{
	memset(t, 0, sizeof(*t));
	t->kind = kind != NULL ? kind : sim_transport_default();
	t->kind->init(t);
}

enum viommu_result sim_transport_connect(struct sim_transport *t, struct viommu_registers *registers)
{
	t->registers = registers;
	return t->kind->connect(t);
}

enum viommu_result sim_transport_find_device(struct sim_transport *t)
{
	return t->kind->find_device(t);
}

enum viommu_result sim_transport_save(const struct sim_transport *t, void *buf, size_t len, size_t *written)
{
	*written = 0;
	return t->kind->save != NULL ? t->kind->save(t, buf, len, written) : VIOMMU_OK;
}

enum viommu_result sim_transport_restore(struct sim_transport *t, const void *bytes, size_t len)
{
	return t->kind->restore != NULL ? t->kind->restore(t, bytes, len) : VIOMMU_OK;
}

void sim_transport_take_interrupts(struct sim_transport *t)
{
	if (t->kind->take_interrupts != NULL)
		t->kind->take_interrupts(t);
}

bool sim_transport_may_run(const struct sim_transport *t)
{
	return t->kind->may_run == NULL || t->kind->may_run(t);
}

bool sim_transport_check(const struct sim_transport *t)
{
	return t->kind->check == NULL || t->kind->check(t);
}

void sim_transport_kicked(struct sim_transport *t, uint32_t queue)
{
	t->touched = true;
	if (queue < VIOMMU_QUEUE_COUNT)
		viommu_count(&t->kicks[queue]);
}

void sim_transport_used(struct sim_transport *t, uint32_t queue)
{
	if (queue < VIOMMU_QUEUE_COUNT)
		viommu_count(&t->used[queue]);
}

void sim_transport_config(struct sim_transport *t)
{
	viommu_count(&t->config);
}
