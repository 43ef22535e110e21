/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_board.h: a driver whose queues are seam B's: arrays, and a device that answers what it is let answer, the oldest
 * first.
 *
 * There is one thread. The other one is in the hooks: it runs where a second processor could, when the lock is free.
 */
#ifndef VIOMMU_TESTS_DRIVER_BOARD_H
#define VIOMMU_TESTS_DRIVER_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include <viommu/driver.h>

#define PAGE UINT64_C(0x1000)
#define SLOTS 64u

struct board {
	struct viommu_driver drv;
	struct viommu_shared_memory shared;
	/* The queue: added and answered are free-running. */
	struct {
		void *token;
		uint8_t *tail;
	} chains[SLOTS];
	uint32_t added;
	uint32_t visible;
	uint32_t answered;
	uint32_t popped;
	uint32_t pace; /* requests that the device answers in a round */
	uint8_t status; /* that it answers; OK */
	bool gives_up;  /* whoever waits */
	/* What is counted. */
	uint32_t requests;
	uint32_t kicks;
	uint32_t rounds;
	uint32_t hold; /* operations since the lock was taken */
	uint32_t longest;
	bool locked;
	/* Whoever else there is. */
	void (*other)(struct board *b);
	bool other_runs;
	struct viommu_driver_domain domains[2];
	struct viommu_driver_endpoint endpoints[2];
	struct viommu_driver_domain *flooded; /* by the other one */
	viommu_iova next;                     /* and where */
};

extern struct board board;

/* Two domains with an endpoint each, and nothing counted yet. */
void board_up(struct board *b, uint32_t pace);
void board_down(struct board *b);

/* Queues of a device that has been reset, for a driver that is stopped. */
void board_start(struct board *b);

/* The device answers the oldest of what it sees. */
void board_answer(struct board *b);

/* These have to succeed. */
void map_page(struct viommu_driver_domain *domain, viommu_iova iova);
void unmap_page(struct viommu_driver_domain *domain, viommu_iova iova);
void sync_domain(struct viommu_driver_domain *domain);

/* For other: takes each slot that is free, and has the device see it at once. */
void flood(struct board *b);

#endif /* VIOMMU_TESTS_DRIVER_BOARD_H */
