/* SPDX-License-Identifier: BSD-3-Clause */
/* target_qemu.c: the virtio-iommu of QEMU, through its qtest socket. Endpoints are two "edu" devices. */
#include <stdlib.h>
#include <string.h>

#include "session.h"
#include "sim/qtest.h"

#define MEMORY_AT 0x1000000u
#define FAILURES 2u /* to start it, and nobody tries again */
#define PATIENCE 40u

struct qemu_target {
	struct conf_target target;
	struct sim_qtest qemu;
	struct sim_qtest_iommu iommu;
	uint64_t edu[CONF_ENDPOINTS];
	uint32_t failures; /* to start it, in a row */
};

static const char *const arguments[] = { "-device", "edu,addr=05.0,dma_mask=0xffffffffffffffff", "-device",
					 "edu,addr=06.0,dma_mask=0xffffffffffffffff", NULL };

static bool bring_up(struct qemu_target *t)
{
	struct viommu_pci_bar bars[VIOMMU_PCI_BARS];

	for (uint32_t i = 0; i < CONF_ENDPOINTS; i++) {
		if (sim_qtest_place(&t->qemu, t->target.endpoints[i], bars) != VIOMMU_OK)
			return false;
		t->edu[i] = bars[0].address;
	}
	return sim_qtest_find_iommu(&t->qemu, &t->iommu) == VIOMMU_OK;
}

static bool qemu_renew(void *ctx, uint64_t features)
{
	struct qemu_target *t = ctx;

	(void)features;
	sim_qtest_stop(&t->qemu);
	if (t->failures == FAILURES)
		return false;
	if (sim_qtest_start(&t->qemu, arguments) && bring_up(t)) {
		t->failures = 0;
		return true;
	}
	sim_qtest_stop(&t->qemu);
	t->failures++;
	return false;
}

static bool qemu_run(void *ctx)
{
	struct qemu_target *t = ctx;
	bool alive = sim_qtest_run(&t->qemu);

	if (t->qemu.why != NULL)
		t->target.why = t->qemu.why;
	return alive;
}

static uint8_t qemu_notifications(void *ctx)
{
	struct qemu_target *t = ctx;

	return viommu_pci_driver_interrupt(&t->iommu.driver);
}

static void qemu_dma(void *ctx, uint32_t index, bool write, uint64_t iova, uint32_t len)
{
	struct qemu_target *t = ctx;

	if (write)
		(void)sim_qtest_edu_save(&t->qemu, t->edu[index], iova, len);
	else
		(void)sim_qtest_edu_load(&t->qemu, t->edu[index], iova, len);
}

static bool qemu_system_reset(void *ctx)
{
	struct qemu_target *t = ctx;

	sim_qtest_system_reset(&t->qemu);
	return bring_up(t);
}

struct conf_target *conf_target_qemu(const char *program)
{
	struct qemu_target *t = calloc(1, sizeof(*t));

	if (t == NULL || !sim_qtest_init(&t->qemu, program))
		return NULL;
	memcpy(t->target.version, t->qemu.version, sizeof(t->target.version) - 1);
	t->target.registers = &viommu_pci_driver_ops;
	t->target.registers_ctx = &t->iommu.driver;
	t->target.memory = t->qemu.ram + MEMORY_AT;
	t->target.memory_addr = MEMORY_AT;
	t->target.endpoints[0] = 0x28;
	t->target.endpoints[1] = 0x30;
	t->target.endpoint_count = 2;
	t->target.unknown_endpoint = 0x777;
	t->target.patience = PATIENCE;
	t->target.ctx = t;
	t->target.run = qemu_run;
	t->target.notifications = qemu_notifications;
	t->target.dma = qemu_dma;
	t->target.system_reset = qemu_system_reset;
	t->target.renew = qemu_renew;
	return &t->target;
}
