/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * register_fixture.h: the registers of a device whose class is a few variables, for the tests of register files. The
 * memory has room for the three areas of each queue.
 */
#ifndef VIOMMU_TESTS_REGISTER_FIXTURE_H
#define VIOMMU_TESTS_REGISTER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_class.h"

#define REGISTER_QUEUES 2u
#define REGISTER_QUEUE_SIZE 16u
#define REGISTER_CONFIG FAKE_CONFIG_MAX
#define REGISTER_RAM UINT64_C(0x1234500000) /* both halves of an address are something */
#define REGISTER_FEATURES UINT64_C(0x8000000f)
#define REGISTER_RING_FEATURES                                                                                         \
	(VIOMMU_F_VERSION_1 | VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX | VIOMMU_F_NOTIFICATION_DATA |               \
	 VIOMMU_F_RING_RESET)

#define ACK_ONLY VIOMMU_STATUS_ACKNOWLEDGE
#define ACK_DRIVER (ACK_ONLY | VIOMMU_STATUS_DRIVER)
#define AGREED (ACK_DRIVER | VIOMMU_STATUS_FEATURES_OK)
#define RUNNING (AGREED | VIOMMU_STATUS_DRIVER_OK)

struct register_fixture {
	struct viommu_registers regs;
	struct viommu_virtq_device queues[REGISTER_QUEUES];
	struct fake_class fake;
};

/* Everything off, settled, config[i] = 0x10 + i. */
void register_fixture_init(struct register_fixture *f, const struct viommu_interrupt_ops *interrupts, void *ctx);

/* Where a queue can be: desc, avail and used, size REGISTER_QUEUE_SIZE. */
struct viommu_virtq_layout register_fixture_layout(uint32_t queue);

#endif /* VIOMMU_TESTS_REGISTER_FIXTURE_H */
