/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk.h: a virtio block device behind the IOMMU. Whatever it reads or writes for the guest, rings, descriptors and
 * data, is at an address that the IOMMU translates, in an access section: ring and requests in one for each look at the
 * queue, data in one for each job of the disk, which ends when the disk is done.
 */
#ifndef BLK_H
#define BLK_H

#include "disk.h"
#include "function.h"
#include "options.h"

#include <stdio.h>
#include <viommu/access.h>

#define BLK_QUEUE_SIZE 256u

struct blk;

struct blk_request {
	struct disk_job job; /* first: a job that comes back is its request */
	struct blk *blk;
	struct viommu_segment segments[BLK_QUEUE_SIZE];
	struct viommu_chain chain;
	struct viommu_access_token token; /* of the job's section */
	uint64_t data_len;
	uint64_t data_done;
	uint64_t offset; /* on the disk, of the first byte */
	uint32_t generation;
	uint8_t status;
	struct blk_request *next_free;
};

struct blk {
	struct function function;
	struct disk disk;
	struct viommu_access access;
	struct viommu_access_cache cache;
	struct viommu_memory_view view;
	struct viommu_registers registers;
	struct viommu_virtq_device queue;
	struct blk_request *requests;
	struct blk_request *free;
	uint32_t in_flight;
	uint32_t generation; /* of the driver: requests from before a reset are not answered */
	uint32_t endpoint;
	uint64_t wrong; /* for data that is written: 0, or translations lead to another page */
	char name[16];
	uint64_t counts[5]; /* by enum disk_verb */
	uint64_t bytes;     /* of data */
	uint64_t errors;    /* requests answered with another status than 0 */
};

bool blk_init(struct blk *blk, const struct options *options, uint32_t number, struct viommu_device *device,
	      struct viommu_endpoint *endpoint);

/* On its thread: a DMA where nothing is mapped. The argument is the struct blk, as function_call gives it. */
void blk_stray(void *blk);

/* On its thread: from now on it is this endpoint. */
void blk_move(struct blk *blk, struct viommu_device *device, struct viommu_endpoint *endpoint);

void blk_print_stats(const struct blk *blk, FILE *out);

/* After its thread has ended. */
void blk_deinit(struct blk *blk);

#endif /* BLK_H */
