/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c: a virtio-iommu and block devices behind it, for one virtual machine. docs/hypervisor.md walks through it. */
#define _GNU_SOURCE
#include "blk.h"
#include "iommu.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static struct iommu iommu;

static bool init(const struct options *options, struct blk *disks)
{
	if (!iommu_init(&iommu, options))
		return false;
	for (uint32_t i = 0; i < options->disk_count; i++) {
		if (!blk_init(&disks[i], options, i, &iommu.unit->device, iommu.unit->endpoints[i]))
			return false;
	}
	if (!function_start(&iommu.function))
		return false;
	for (uint32_t i = 0; i < options->disk_count; i++) {
		if (!function_start(&disks[i].function))
			return false;
	}
	return true;
}

struct move {
	struct blk *blk;
	struct viommu_endpoint *endpoint;
};

static void move(void *ctx)
{
	struct move *m = ctx;

	blk_move(m->blk, &iommu.unit->device, m->endpoint);
}

/* The IOMMU's thread waits for each disk, and so answers no request before all of them see the new device. */
static void move_all(void *ctx)
{
	struct blk *disks = ctx;

	for (uint32_t i = 0; i < iommu.options->disk_count; i++)
		function_call(&disks[i].function, move, &(struct move){ &disks[i], iommu.unit->endpoints[i] });
}

static void swap(void *ctx)
{
	(void)iommu_swap(&iommu, move_all, ctx);
}

static void wait_for_signals(const struct options *options, const sigset_t *signals, struct blk *disks)
{
	int number;

	while (sigwait(signals, &number) == 0 && (number == SIGUSR1 || number == SIGUSR2)) {
		if (number == SIGUSR1)
			function_call(&iommu.function, swap, disks);
		for (uint32_t i = 0; number == SIGUSR2 && i < options->disk_count; i++)
			function_call(&disks[i].function, blk_stray, &disks[i]);
	}
}

/* The IOMMU last: its reset may wait for DMA of the others, which needs nothing of it. */
static bool deinit(const struct options *options, struct blk *disks)
{
	for (uint32_t i = 0; i < options->disk_count; i++)
		function_stop(&disks[i].function);
	function_stop(&iommu.function);
	if (options->stats) {
		iommu_print_stats(&iommu, stdout);
		for (uint32_t i = 0; i < options->disk_count; i++)
			blk_print_stats(&disks[i], stdout);
		printf("memory.mapped %llu\n", (unsigned long long)memory_mapped());
	}
	for (uint32_t i = 0; i < options->disk_count; i++) {
		blk_deinit(&disks[i]);
		unlink(options->disks[i].path);
	}
	unlink(options->iommu_path);
	return iommu_deinit(&iommu);
}

int main(int argc, char **argv)
{
	struct options options;
	struct blk *disks;
	sigset_t signals;
	int status;

	if (options_parse(&options, argc, argv, &status) != 0)
		return status;
	signal(SIGPIPE, SIG_IGN);
	memory_catch_truncation();
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &signals, NULL); /* in all threads */
	disks = calloc(options.disk_count != 0 ? options.disk_count : 1, sizeof *disks);
	if (disks == NULL || !init(&options, disks))
		return 1;
	printf("ready\n");
	fflush(stdout);
	wait_for_signals(&options, &signals, disks);
	status = deinit(&options, disks) ? 0 : 1;
	free(disks);
	return status;
}
