/* SPDX-License-Identifier: BSD-3-Clause */
/* blk.c: one request at a time, each a chain of three pieces: what to read, the sectors, the status. */
#include "blk.h"

#include "board.h"
#include "console.h"
#include "memory.h"

#define PAGE 4096u
#define QUEUE_SIZE 4u
#define NEEDED (VIOMMU_F_VERSION_1 | VIOMMU_F_ACCESS_PLATFORM)
#define WANTED (NEEDED | VIOMMU_F_ORDER_PLATFORM)
#define TYPE_IN 0u
#define STATUS_OK 0u
#define STATUS_NONE 0xffu

#define PATIENCE 50000000u

/* All that the disk sees but for the sectors, in pages that hold nothing else. */
static struct {
	uint8_t ring[VIOMMU_VIRTQ_DRIVER_SHARED(QUEUE_SIZE)];
	struct {
		uint32_t type;
		uint32_t reserved;
		uint64_t sector;
	} request;
	uint8_t status;
	uint8_t rest[PAGE - VIOMMU_VIRTQ_DRIVER_SHARED(QUEUE_SIZE) - 17];
} shared __attribute__((aligned(PAGE)));

static struct viommu_virtq_shadow shadow[QUEUE_SIZE];

static const struct viommu_register_ops *const regs = &viommu_pci_driver_ops;

static uint8_t add_status(struct blk *blk, uint8_t bits)
{
	regs->set_status(&blk->pci, regs->get_status(&blk->pci) | bits);
	return regs->get_status(&blk->pci);
}

static void reset(struct blk *blk)
{
	regs->set_status(&blk->pci, 0);
	for (uint32_t i = 0; i < PATIENCE; i++) {
		if (regs->get_status(&blk->pci) == 0)
			return;
		board_relax();
	}
	fail("resetting the disk", VIOMMU_E_TIMEOUT);
}

static uint64_t negotiate(struct blk *blk)
{
	uint64_t features = regs->get_features(&blk->pci) & WANTED;

	/* Without it the disk would take our addresses for those of memory. */
	if ((features & VIOMMU_F_ACCESS_PLATFORM) == 0)
		fail("the disk goes past the IOMMU (no ACCESS_PLATFORM)", VIOMMU_OK);
	if ((features & NEEDED) != NEEDED)
		fail("the disk has no VERSION_1", VIOMMU_OK);
	regs->set_features(&blk->pci, features);
	if ((add_status(blk, VIOMMU_STATUS_FEATURES_OK) & VIOMMU_STATUS_FEATURES_OK) == 0)
		fail("the disk does not take its features", VIOMMU_OK);
	return features;
}

static void set_up_queue(struct blk *blk, uint64_t features)
{
	const struct viommu_shared_memory ring = { shared.ring, blk->shared.iova, sizeof shared.ring };
	struct viommu_virtq_layout layout;

	if (regs->queue_size_max(&blk->pci, 0) < QUEUE_SIZE)
		fail("the queue of the disk is too short", VIOMMU_OK);
	need(viommu_virtq_driver_init(&blk->queue, QUEUE_SIZE, features, &ring, shadow, &layout), "the queue's memory");
	need(regs->queue_enable(&blk->pci, 0, &layout), "enabling the queue of the disk");
}

void blk_start(struct platform *platform, struct blk *blk, const struct bus_function *function,
	       struct iommu_device *iommu)
{
	struct viommu_pci_driver_config config = VIOMMU_PCI_DRIVER_CONFIG_INIT;
	uint8_t capacity[8];

	config.function = function->number;
	config.device_id = BLK_DEVICE_ID;
	config.device_config_least = sizeof capacity;
	config.bars = function->bars;
	config.queues = &blk->pci_queue;
	config.queue_count = 1;
	config.accessors = &bus_accessors;
	config.ctx = platform;
	need(viommu_pci_driver_init(&blk->pci, &config), "the registers of the disk");

	reset(blk);
	blk->iommu = iommu;
	dma_map(iommu, &blk->shared, &shared, sizeof shared, VIOMMU_DMA_BIDIRECTIONAL);
	add_status(blk, VIOMMU_STATUS_ACKNOWLEDGE);
	add_status(blk, VIOMMU_STATUS_DRIVER);
	set_up_queue(blk, negotiate(blk));
	regs->config_read(&blk->pci, 0, capacity, sizeof capacity);
	blk->sectors = 0;
	for (unsigned i = 0; i < sizeof capacity; i++)
		blk->sectors |= (uint64_t)capacity[i] << 8 * i;
	add_status(blk, VIOMMU_STATUS_DRIVER_OK);
}

void blk_stop(struct blk *blk)
{
	reset(blk);
	dma_unmap(blk->iommu, &blk->shared, VIOMMU_DMA_BIDIRECTIONAL);
}

static uint64_t address_of(const struct blk *blk, const void *member)
{
	return blk->shared.iova + (uint64_t)((uintptr_t)member - (uintptr_t)&shared);
}

static bool needs_reset(struct blk *blk)
{
	return (regs->get_status(&blk->pci) & VIOMMU_STATUS_NEEDS_RESET) != 0;
}

bool blk_read(struct blk *blk, uint64_t sector, uint64_t iova, uint32_t len)
{
	const struct viommu_bus_segment segments[] = {
		{ address_of(blk, &shared.request), sizeof shared.request },
		{ iova, len },
		{ address_of(blk, &shared.status), 1 },
	};
	uint32_t written;
	void *token;

	shared.request.type = viommu_port_le32(TYPE_IN);
	shared.request.sector = viommu_port_le64(sector);
	shared.status = STATUS_NONE;
	if (viommu_virtq_driver_add(&blk->queue, segments, 1, 2, blk) != VIOMMU_OK)
		return false;
	if (viommu_virtq_driver_publish(&blk->queue))
		regs->notify(&blk->pci, 0);
	for (uint32_t i = 0; i < PATIENCE; i++) {
		enum viommu_result result = viommu_virtq_driver_pop(&blk->queue, &token, &written);

		if (result == VIOMMU_OK)
			return written == len + 1 && *(volatile uint8_t *)&shared.status == STATUS_OK;
		if (result != VIOMMU_E_EMPTY || needs_reset(blk))
			return false;
		board_relax();
	}
	return false;
}
