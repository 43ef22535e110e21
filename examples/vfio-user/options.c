/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viommu/device.h>

static const char help[] =
	"usage: viommu-vfio-user [OPTION]... IOMMU.sock [BLK.sock BDF]...\n"
	"\n"
	"Serves a virtio-iommu and virtio block devices behind it, as PCI functions over vfio-user:\n"
	"one socket for each, for a virtual machine that has them as vfio-user-pci devices.\n"
	"BDF is the function's place in the guest in hex, bus << 8 | device << 3 | function: 28 for\n"
	"00:05.0. It is the endpoint's id. Ends on SIGTERM or SIGINT. SIGUSR1: another\n"
	"device takes over from a snapshot, while the guest goes on. SIGUSR2: each block device reads once\n"
	"where nothing is mapped, so that the guest sees a fault.\n"
	"\n"
	"  --disk FILE              of the next block device that has none; without, it is memory\n"
	"  --disk-size MIB          of disks in memory (64)\n"
	"  --features BITS          of virtio-iommu that are offered, in hex (77)\n"
	"  --page-size-mask MASK    in hex (fffffffffffff000)\n"
	"  --input-range FIRST-LAST in hex (0-ffffffffffffffff)\n"
	"  --domain-range FIRST-LAST  decimal (0-4294967295)\n"
	"  --boot-bypass on|off     endpoints that are attached nowhere pass untranslated (on)\n"
	"  --threads N              of each disk for its file: 0 to 16 (1); with 0 the function waits\n"
	"  --trace FILE             write the requests that were executed, for viommu-sim replay\n"
	"  --stats                  print counters at the end\n"
	"  --sabotage               translate what is written to disks to the wrong page: a test of tests\n"
	"  --help\n";

enum {
	OPTION_DISK = 1,
	OPTION_DISK_SIZE,
	OPTION_FEATURES,
	OPTION_PAGE_SIZE_MASK,
	OPTION_INPUT_RANGE,
	OPTION_DOMAIN_RANGE,
	OPTION_BOOT_BYPASS,
	OPTION_THREADS,
	OPTION_TRACE,
	OPTION_STATS,
	OPTION_SABOTAGE,
	OPTION_HELP
};

static const struct option long_options[] = {
	{ "disk", required_argument, NULL, OPTION_DISK },
	{ "disk-size", required_argument, NULL, OPTION_DISK_SIZE },
	{ "features", required_argument, NULL, OPTION_FEATURES },
	{ "page-size-mask", required_argument, NULL, OPTION_PAGE_SIZE_MASK },
	{ "input-range", required_argument, NULL, OPTION_INPUT_RANGE },
	{ "domain-range", required_argument, NULL, OPTION_DOMAIN_RANGE },
	{ "boot-bypass", required_argument, NULL, OPTION_BOOT_BYPASS },
	{ "threads", required_argument, NULL, OPTION_THREADS },
	{ "trace", required_argument, NULL, OPTION_TRACE },
	{ "stats", no_argument, NULL, OPTION_STATS },
	{ "sabotage", no_argument, NULL, OPTION_SABOTAGE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

/* A number up to `most`, which ends where `stop` is. */
static bool number(const char **text, int base, uint64_t most, char stop, uint64_t *out)
{
	char *end;

	if ((**text < '0' || **text > '9') && (base != 16 || strchr("abcdefABCDEF", **text) == NULL || **text == 0))
		return false;
	errno = 0;
	*out = strtoull(*text, &end, base);
	if (errno != 0 || *end != stop || *out > most)
		return false;
	*text = end + 1;
	return true;
}

static bool range(const char *text, int base, uint64_t most, uint64_t *first, uint64_t *last)
{
	return number(&text, base, most, '-', first) && number(&text, base, most, 0, last) && *first <= *last;
}

/* An option's argument. False: it is no good. */
static bool argument(struct options *o, int option, const char *text, uint32_t *files)
{
	uint64_t first, last;

	switch (option) {
	case OPTION_DISK:
		if (*files == OPTIONS_DISKS_MAX)
			return false;
		o->disks[(*files)++].file = text;
		return true;
	case OPTION_DISK_SIZE:
		if (!number(&text, 10, 1 << 20, 0, &first) || first == 0)
			return false;
		o->disk_size = first << 20;
		return true;
	case OPTION_FEATURES:
		return number(&text, 16, UINT64_MAX, 0, &o->features) && (o->features & ~VIOMMU_DEVICE_FEATURES) == 0;
	case OPTION_PAGE_SIZE_MASK:
		return number(&text, 16, UINT64_MAX, 0, &o->page_size_mask) && o->page_size_mask != 0;
	case OPTION_INPUT_RANGE:
		return range(text, 16, UINT64_MAX, &o->input_range.first, &o->input_range.last);
	case OPTION_DOMAIN_RANGE:
		if (!range(text, 10, UINT32_MAX, &first, &last))
			return false;
		o->domain_first = (uint32_t)first;
		o->domain_last = (uint32_t)last;
		return true;
	case OPTION_BOOT_BYPASS:
		o->boot_bypass = strcmp(text, "on") == 0;
		return o->boot_bypass || strcmp(text, "off") == 0;
	case OPTION_THREADS:
		if (!number(&text, 10, 16, 0, &first))
			return false;
		o->threads = (uint32_t)first;
		return true;
	case OPTION_TRACE:
		o->trace = text;
		return true;
	case OPTION_STATS:
		o->stats = true;
		return true;
	default:
		o->sabotage = true;
		return true;
	}
}

static bool paths(struct options *o, int argc, char **argv)
{
	if (argc % 2 != 1 || (unsigned)argc / 2 > OPTIONS_DISKS_MAX)
		return false;
	o->iommu_path = argv[0];
	for (int i = 1; i < argc; i += 2) {
		const char *bdf = argv[i + 1];
		uint64_t id;

		if (!number(&bdf, 16, 0xffff, 0, &id))
			return false;
		o->disks[o->disk_count].path = argv[i];
		o->disks[o->disk_count++].endpoint = (uint32_t)id;
	}
	return true;
}

int options_parse(struct options *o, int argc, char **argv, int *status)
{
	uint32_t files = 0;
	int option;

	*o = (struct options){ .features = VIOMMU_DEVICE_FEATURES,
			       .input_range = { 0, UINT64_MAX },
			       .domain_last = UINT32_MAX,
			       .disk_size = 64 << 20,
			       .threads = 1,
			       .boot_bypass = true };
	*status = 2;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == OPTION_HELP) {
			fputs(help, stdout);
			*status = 0;
			return 1;
		}
		if (option == '?')
			return 1;
		if (!argument(o, option, optarg, &files)) {
			fprintf(stderr, "viommu-vfio-user: '%s' is not possible, see --help\n", optarg);
			return 1;
		}
	}
	if (!paths(o, argc - optind, argv + optind) || files > o->disk_count) {
		fprintf(stderr,
			"viommu-vfio-user: give a socket for the IOMMU, and a socket and a BDF in hex for each disk;"
			" see --help\n");
		return 1;
	}
	return 0;
}
