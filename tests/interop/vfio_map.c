/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio_map.c: runs in the guest. A device that is given to user space: 256 MiB of memory mapped for it through VFIO in
 * random splits, at addresses of which some are above 4 GiB, and unmapped again, each time split in another way.
 *
 *     vfio_map BDF ROUNDS
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)
#define SIZE (UINT64_C(256) << 20)
#define PIECES 256

static uint64_t state = 88172645463325252u;
static int container;

static uint64_t next(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* The number of the function's group, at the end of a link. */
static void open_group(const char *bdf)
{
	char path[128], link[256];
	ssize_t n;
	int group;

	snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/iommu_group", bdf);
	n = readlink(path, link, sizeof link - 1);
	if (n < 0)
		fail(path);
	link[n] = 0;
	snprintf(path, sizeof path, "/dev/vfio/%s", strrchr(link, '/') + 1);
	container = open("/dev/vfio/vfio", O_RDWR);
	group = open(path, O_RDWR);
	if (container < 0 || group < 0 || ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) != 0 ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0)
		fail("VFIO");
	if (ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf) < 0)
		fail(bdf);
}

/* Half of it below, half of it above 4 GiB, past the window of MSIs. */
static uint64_t place(uint64_t offset)
{
	return (offset < SIZE / 2 ? 0 : UINT64_C(1) << 33) + offset;
}

/* Where the pieces begin; a boundary is in the middle, where the addresses have a gap. */
static unsigned split(uint64_t *starts)
{
	unsigned count = 0;

	for (uint64_t at = 0; at < SIZE;) {
		uint64_t most = (at < SIZE / 2 ? SIZE / 2 : SIZE) - at;
		uint64_t len = count < PIECES - 3 ? (1 + next(2048)) * PAGE : most;

		starts[count++] = at;
		at += len < most ? len : most;
	}
	starts[count] = SIZE;
	return count;
}

static void map(uint8_t *memory, uint64_t first, uint64_t end)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof map,
						.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
						.vaddr = (uintptr_t)(memory + first),
						.iova = place(first),
						.size = end - first };

	if (ioctl(container, VFIO_IOMMU_MAP_DMA, &map) != 0)
		fail("map");
}

/* One, or several that are together. */
static void unmap(uint64_t first, uint64_t end)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof unmap, .iova = place(first), .size = end - first };

	if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) != 0 || unmap.size != end - first)
		fail("unmap");
}

int main(int argc, char **argv)
{
	uint64_t starts[PIECES + 1];
	uint8_t *memory;

	if (argc != 3)
		return 2;
	open_group(argv[1]);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		fail("mmap");
	for (long round = atol(argv[2]); round > 0; round--) {
		unsigned count = split(starts);

		for (unsigned i = 0; i < count; i++)
			map(memory, starts[i], starts[i + 1]);
		for (unsigned i = 0, n; i < count; i += n) {
			n = 1;
			while (i + n < count && starts[i + n] != SIZE / 2 && next(2) == 0)
				n++;
			unmap(starts[i], starts[i + n]);
		}
	}
	map(memory, 0, SIZE / 2); /* and left behind */
	return 0;
}
