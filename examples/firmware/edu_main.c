/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * edu_main.c: firmware that lets a device copy from one buffer to another, behind the IOMMU, and sees that it reaches
 * nothing else.
 */
#include "board.h"
#include "console.h"
#include "edu.h"
#include "iommu.h"
#include "memory.h"

#define LEN EDU_MAX

static _Alignas(4096) uint8_t source[4096], target[4096];

static struct platform platform;
static struct bus_function edu;
static struct iommu_device device;

static void fill(void)
{
	for (uint32_t i = 0; i < sizeof source; i++) {
		source[i] = (uint8_t)(i * 7 + (i >> 8));
		target[i] = 0;
	}
}

static void expect_fault(uint64_t iova)
{
	struct viommu_wire_fault fault;

	if (!iommu_take_fault(&fault))
		fail("no fault was reported", VIOMMU_OK);
	if (fault.reason != VIOMMU_FAULT_R_MAPPING || fault.address != iova)
		fail("another fault was reported than there was", VIOMMU_OK);
}

static void copy(uint64_t from, uint64_t to)
{
	put("copy from ");
	put_hex(from);
	put(" to ");
	put_hex(to);
	put("\n");
	if (!edu_load(&edu, from, LEN) || !edu_save(&edu, to, LEN))
		fail("edu does not come to an end", VIOMMU_OK);
	if (memcmp(source, target, LEN) != 0 || target[LEN] != 0)
		fail("the copy is not right", VIOMMU_OK);
	put("  ");
	put_dec(LEN);
	put(" bytes are right\n");
}

/* The device wants to read where nothing is mapped. */
static void stray(uint64_t iova)
{
	put("a read where nothing is mapped\n");
	if (!edu_load(&edu, iova, LEN))
		fail("edu does not come to an end", VIOMMU_OK);
	expect_fault(iova);
}

/* The device goes on with a buffer that was taken from it. */
static void late(uint64_t iova)
{
	put("a write to what was unmapped\n");
	memset(target, 0, sizeof target);
	if (!edu_save(&edu, iova, LEN))
		fail("edu does not come to an end", VIOMMU_OK);
	expect_fault(iova);
	for (uint32_t i = 0; i < sizeof target; i++) {
		if (target[i] != 0)
			fail("a device has written to memory that was taken from it", VIOMMU_OK);
	}
	put("  memory is untouched\n");
}

void firmware_main(const void *boot)
{
	struct viommu_dma_buffer from, to;
	uint32_t number;

	stack_paint();
	put("libviommu firmware, ");
	put(board_name);
	put("\n");
	need(platform_find(&platform, boot), "the PCI bus");
	iommu_start(&platform);
	if (!bus_find(&platform, EDU_ID, &number))
		fail("edu", VIOMMU_E_NOENT);
	put("edu\n");
	bus_prepare(&platform, number, &edu);
	iommu_add(&platform, &device, number);
	bus_allow_dma(&platform, number, true);

	fill();
	dma_map(&device, &from, source, sizeof source, VIOMMU_DMA_TO_DEVICE);
	dma_map(&device, &to, target, sizeof target, VIOMMU_DMA_FROM_DEVICE);
	copy(from.iova, to.iova);
	stray(to.iova + sizeof target);
	dma_unmap(&device, &from, VIOMMU_DMA_TO_DEVICE);
	dma_unmap(&device, &to, VIOMMU_DMA_FROM_DEVICE);
	late(to.iova);

	bus_allow_dma(&platform, number, false);
	iommu_remove(&device);
	iommu_stop();
	put("stack: ");
	put_dec(stack_used());
	put(" bytes\nfirmware: done\n");
	board_exit(0);
}
