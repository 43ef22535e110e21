/* SPDX-License-Identifier: BSD-3-Clause */
/* pci_fixture.h: a virtio device of two queues on a PCI bus, with a device class that is a few variables. */
#ifndef VIOMMU_TESTS_PCI_FIXTURE_H
#define VIOMMU_TESTS_PCI_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/transport/pci.h>

#include "fake_class.h"
#include "suite.h"

#define OFFERED UINT64_C(0x2d) /* class bits of the fake */
#define QUEUES 2u
#define QUEUE_SIZE 16u
#define VECTORS 40u /* more than one word of pending bits */
#define CONFIG_SIZE 10u
#define RAM_FIRST 0x1000u
#define RAM_SIZE 0x4000u
#define NO_VECTOR VIOMMU_REGISTER_NO_VECTOR
#define NO_QUEUE VIOMMU_REGISTER_NO_QUEUE
#define MESSAGES 64u

#define ACKNOWLEDGE VIOMMU_STATUS_ACKNOWLEDGE
#define DRIVER VIOMMU_STATUS_DRIVER
#define FEATURES_OK VIOMMU_STATUS_FEATURES_OK
#define DRIVER_OK VIOMMU_STATUS_DRIVER_OK
#define NEEDS_RESET VIOMMU_STATUS_NEEDS_RESET

/* Configuration space */
#define COMMAND 0x04u
#define STATUS 0x06u
#define BAR(n) (0x10u + 4 * (n))
#define CAP_COMMON 0x40u
#define CAP_ISR 0x50u
#define CAP_NOTIFY 0x60u
#define CAP_PCI 0x74u
#define CAP_DEVICE 0x88u
#define CAP_MSIX 0x98u
#define MSIX_CONTROL (CAP_MSIX + 2)
#define MEMORY_ON 0x2u
#define MASTER_ON 0x4u
#define INTX_OFF 0x400u
#define MSIX_ON 0x8000u
#define MSIX_ALL_MASKED 0x4000u

/* BAR 0 */
#define FEATURES_SELECT 0x00u
#define FEATURES 0x04u
#define DRIVER_FEATURES_SELECT 0x08u
#define DRIVER_FEATURES 0x0cu
#define CONFIG_VECTOR 0x10u
#define QUEUE_COUNT 0x12u
#define DEVICE_STATUS 0x14u
#define GENERATION 0x15u
#define SELECT 0x16u
#define SIZE 0x18u
#define QUEUE_VECTOR 0x1au
#define ENABLE 0x1cu
#define NOTIFY_OFF 0x1eu
#define DESC 0x20u
#define AVAIL 0x28u
#define USED 0x30u
#define QUEUE_RESET 0x3au
#define ISR 0x1000u
#define CONFIG 0x2000u
#define NOTIFY 0x3000u

/* BAR 2 */
#define ENTRY(n) (16u * (n))
#define PENDING 0x800u

struct pci_message {
	uint64_t address;
	uint32_t data;
};

struct pci_world {
	struct viommu_pci pci;
	struct viommu_registers regs;
	struct viommu_virtq_device queues[QUEUES];
	struct viommu_register_queue queue_setup[QUEUES];
	struct viommu_pci_vector vectors[VECTORS];
	struct fake_class fake;
	/* what the embedder hears */
	struct pci_message messages[MESSAGES];
	unsigned message_count;
	bool line;
	unsigned line_changes;
	unsigned looks;                   /* NO_QUEUE */
	uint8_t config_seen[CONFIG_SIZE]; /* then */
	unsigned kicks;
	uint32_t kicked, kick_value;
	unsigned bar_changes;
};

extern const struct viommu_pci_ops pci_world_ops;

struct viommu_registers_config pci_world_registers(struct pci_world *w);
struct viommu_pci_config pci_world_config(struct pci_world *w);

/* Everything as after a power-up. pci_setup_with changes the configuration first. */
void pci_setup(struct pci_world *w);
void pci_setup_with(struct pci_world *w, const struct viommu_pci_config *config);

/* Accesses to BAR 0, BAR 2 and configuration space. Memory space and bus mastering have to be on for the BARs. */
uint32_t bar0(struct pci_world *w, uint64_t offset, uint32_t width);
void set_bar0(struct pci_world *w, uint64_t offset, uint32_t width, uint64_t value);
uint32_t bar2(struct pci_world *w, uint64_t offset);
void set_bar2(struct pci_world *w, uint64_t offset, uint32_t value);
uint32_t config_space(struct pci_world *w, uint32_t offset, uint32_t width);
void set_config_space(struct pci_world *w, uint32_t offset, uint32_t width, uint32_t value);

/* Memory space and bus mastering on. */
void pci_power(struct pci_world *w);
/* From a reset to FEATURES_OK with all that is offered. */
void pci_negotiate(struct pci_world *w);
/* Queue with QUEUE_SIZE entries, a page in. */
void pci_enable_queue(struct pci_world *w, uint32_t queue);
/* All of these, and DRIVER_OK. */
void pci_go_live(struct pci_world *w);
/* MSI-X on, with entry i at `0x100000000 + 16 * i`, data 0x1000 + i, unmasked; queue q on vector q + 1, config on 0. */
void pci_use_msix(struct pci_world *w);

#endif /* VIOMMU_TESTS_PCI_FIXTURE_H */
