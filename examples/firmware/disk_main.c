/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * disk_main.c: firmware that loads its next stage from a disk behind the IOMMU. The disk can write where the stage is to
 * be while it is read, and never afterwards: what was checked is what runs.
 */
#include "blk.h"
#include "board.h"
#include "console.h"
#include "memory.h"
#include "stage.h"

#define PAGE 4096u

/* Sectors of one request; whole pages, which are what can be mapped. */
#define PIECE (16 * 1024u)

static _Alignas(PAGE) uint8_t header[PAGE];

static struct platform platform;
static struct bus_function function;
static struct iommu_device device;
static struct blk blk;

static uint32_t get_le32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t crc32(const uint8_t *bytes, uint32_t len)
{
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (UINT32_C(0xedb88320) & (0 - (crc & 1)));
	}
	return ~crc;
}

/* The buffer, of whole pages, is the disk's while this lasts. Returns where it was for the disk. */
static uint64_t load(uint64_t sector, uint8_t *buffer, uint32_t len)
{
	struct viommu_dma_buffer dma;

	dma_map(&device, &dma, buffer, len, VIOMMU_DMA_FROM_DEVICE);
	if (!blk_read(&blk, sector, dma.iova, len))
		fail("the disk does not read", VIOMMU_OK);
	dma_unmap(&device, &dma, VIOMMU_DMA_FROM_DEVICE);
	return dma.iova;
}

/* The bytes of the stage, its header being in memory; not more than there is room and disk for. */
static uint32_t stage_len(void)
{
	uint32_t len = get_le32(header + 8);

	if (memcmp(header, STAGE_MAGIC, sizeof STAGE_MAGIC) != 0)
		fail("no stage is on the disk", VIOMMU_OK);
	if (len == 0 || len > (uintptr_t)stage_end - (uintptr_t)stage_begin || len / BLK_SECTOR >= blk.sectors)
		fail("the stage is too large", VIOMMU_OK);
	return len;
}

static void load_stage(void)
{
	uint32_t len, done, piece;

	(void)load(0, header, BLK_SECTOR);
	len = stage_len();
	for (done = 0; done < len; done += piece) {
		/* The last sector is read whole; there is room, since stage_end is the end of a page. */
		piece = len - done < PIECE ? (len - done + BLK_SECTOR - 1) & ~(BLK_SECTOR - 1) : PIECE;
		(void)load(1 + done / BLK_SECTOR, stage_begin + done, piece);
	}
	put("  ");
	put_dec(len);
	put(" bytes loaded\n");
	if (crc32(stage_begin, len) != get_le32(header + 12))
		fail("the stage is damaged", VIOMMU_OK);
}

/* A disk that is told to write where it may not any more. QEMU's does not notice; the IOMMU and the memory count. */
static void late(void)
{
	struct viommu_wire_fault fault;
	uint64_t iova;

	put("the disk writes to what was unmapped\n");
	iova = load(0, header, BLK_SECTOR);
	memset(header, 0, sizeof header);
	(void)blk_read(&blk, 0, iova, BLK_SECTOR);
	if (!iommu_take_fault(&fault))
		fail("no fault was reported", VIOMMU_OK);
	if (fault.reason != VIOMMU_FAULT_R_MAPPING || fault.address < iova || fault.address - iova >= BLK_SECTOR)
		fail("another fault was reported than there was", VIOMMU_OK);
	for (uint32_t i = 0; i < sizeof header; i++) {
		if (header[i] != 0)
			fail("the disk has written to memory that was taken from it", VIOMMU_OK);
	}
	put("  memory is untouched\n");
}

static void start(const void *boot)
{
	need(platform_find(&platform, boot), "the PCI bus");
	iommu_start(&platform);
	put("disk\n");
	need(viommu_pci_find(&bus_accessors, &platform, 0, 0xff, BLK_DEVICE_ID, &function.number), "a disk");
	bus_prepare(&platform, function.number, &function);
	iommu_add(&platform, &device, function.number);
	blk_start(&platform, &blk, &function, &device);
}

/* Nothing that was started goes on. */
static void stop(void)
{
	blk_stop(&blk);
	bus_allow_dma(&platform, function.number, false);
	iommu_remove(&device);
	iommu_stop();
}

void firmware_main(const void *boot)
{
	stack_paint();
	put("libviommu firmware, ");
	put(board_name);
	put("\n");
	start(boot);
	load_stage();
	late();
	stop();
	put("stack: ");
	put_dec(stack_used());
	put(" bytes\n");
	board_sync_code();
	((stage_entry *)(uintptr_t)stage_begin)(put);
	put("firmware: done\n");
	board_exit(0);
}
