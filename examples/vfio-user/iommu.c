/* SPDX-License-Identifier: BSD-3-Clause */
/* iommu.c: libviommu's device as a function. */
#define _GNU_SOURCE
#include "iommu.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define BUDGET 1000u /* steps of the pump between two looks at the client */
#define DOMAINS 256u /* more than one for each endpoint: those that died are kept for a while */
#define NODE_MEMORY (64u << 20)

/*
 * Writes of MSIs to the local APICs of a PC pass the IOMMU, and nothing can be mapped there. Only for a driver that can
 * find out: one that cannot maps everything from 0 on when it wants no translation, and must not be refused that.
 */
static const struct viommu_resv_region msi_window = { { 0xfee00000, 0xfeefffff }, VIOMMU_RESV_MEM_MSI };

static struct iommu *from(struct function *f)
{
	return (struct iommu *)((char *)f - offsetof(struct iommu, function));
}

/* Called on the threads of endpoints too. */
static void work_pending(void *ctx)
{
	struct iommu *iommu = ctx;

	function_wake(&iommu->function);
}

static void trace(void *ctx, const struct viommu_trace_event *event)
{
	struct iommu *iommu = ctx;

	record_event(&iommu->record, event);
}

static const struct viommu_device_ops device_ops = {
	.size = sizeof device_ops,
	.work_pending = work_pending,
	.trace = trace,
};

static bool work(struct function *f)
{
	return viommu_pump_process(&from(f)->pump, BUDGET);
}

/* What waits for DMA that has ended is done, whether or not the guest lets the function be a bus master. */
static void settle(struct iommu *iommu, bool (*is_settled)(struct viommu_device *device))
{
	uint64_t count;

	for (;;) {
		struct pollfd wake = { .fd = iommu->function.wake, .events = POLLIN };

		(void)viommu_pump_process(&iommu->pump, BUDGET);
		if (is_settled(&iommu->device))
			break;
		if (poll(&wake, 1, 100) > 0)
			(void)!read(iommu->function.wake, &count, sizeof count);
	}
	iommu->function.has_work = true; /* this may have taken what the loop was woken for */
}

static void memory_changed(struct function *f)
{
	viommu_pump_memory_changed(&from(f)->pump);
	settle(from(f), viommu_device_memory_is_settled);
}

static void reset(struct function *f)
{
	viommu_pump_system_reset(&from(f)->pump);
	settle(from(f), viommu_device_is_settled);
}

static const struct function_ops iommu_ops = {
	.work = work,
	.memory_changed = memory_changed,
	.reset = reset,
};

static bool init_device(struct iommu *iommu, const struct options *options)
{
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	enum viommu_result result;
	size_t size;

	config.max_endpoints = options->disk_count != 0 ? options->disk_count : 1;
	config.max_domains = DOMAINS;
	config.max_pending = 256;
	iommu->features = options->features;
	config.features = options->features;
	config.page_size_mask = options->page_size_mask;
	config.input_range = options->input_range;
	config.domain_first = options->domain_first;
	config.domain_last = options->domain_last;
	config.bypass = options->boot_bypass && (options->features & VIOMMU_F_BYPASS_CONFIG) != 0;
	config.ops = &device_ops;
	config.ops_ctx = iommu;
	result = viommu_device_mem_size(&config, &size);
	if (result == VIOMMU_OK) {
		size += NODE_MEMORY;
		iommu->device_memory = malloc(size);
		if (iommu->device_memory == NULL)
			return false;
		result = viommu_device_init(&iommu->device, &config, iommu->device_memory, size);
	}
	if (result != VIOMMU_OK)
		fprintf(stderr, "the IOMMU cannot be made with these features, ranges and page sizes (%d)\n", result);
	return result == VIOMMU_OK;
}

static bool init_pump(struct iommu *iommu)
{
	struct viommu_pump_config config = VIOMMU_PUMP_CONFIG_INIT;
	struct viommu_pci_config pci = VIOMMU_PCI_CONFIG_INIT;
	size_t size;

	viommu_memory_view_init(&iommu->view, &iommu->function.memory.table);
	config.device = &iommu->device;
	config.memory = (struct viommu_memory){ &viommu_memory_view_ops, &iommu->view };
	config.interrupts = &viommu_pci_interrupt_ops;
	config.interrupt_ctx = &iommu->function.pci;
	if (viommu_pump_mem_size(&config, &size) != VIOMMU_OK)
		return false;
	iommu->pump_memory = malloc(size);
	return iommu->pump_memory != NULL &&
	       viommu_pump_init(&iommu->pump, &config, iommu->pump_memory, size) == VIOMMU_OK &&
	       function_init_pci(&iommu->function, &pci, viommu_pump_registers(&iommu->pump), VIOMMU_QUEUE_COUNT) ==
		       VIOMMU_OK;
}

bool iommu_init(struct iommu *iommu, const struct options *options)
{
	if (!function_listen(&iommu->function, "iommu", options->iommu_path, &iommu_ops)) {
		perror(options->iommu_path);
		return false;
	}
	if (!record_open(&iommu->record, options->trace)) {
		perror(options->trace);
		return false;
	}
	return init_device(iommu, options) && init_pump(iommu);
}

struct viommu_endpoint *iommu_add_endpoint(struct iommu *iommu, uint32_t id)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_endpoint *endpoint;
	enum viommu_result result;

	config.id = id;
	config.regions = &msi_window;
	config.region_count = (iommu->features & VIOMMU_F_PROBE) != 0 ? 1 : 0;
	result = viommu_device_add_endpoint(&iommu->device, &config, &endpoint);
	if (result == VIOMMU_OK)
		return endpoint;
	fprintf(stderr, "endpoint %x cannot be added%s (%d)\n", id, result == VIOMMU_E_EXISTS ? " twice" : "", result);
	return NULL;
}

void iommu_print_stats(struct iommu *iommu, FILE *out)
{
	static const char *const types[VIOMMU_T_COUNT] = { "none", "attach", "detach", "map", "unmap", "probe" };
	static const char *const statuses[VIOMMU_S_COUNT] = { "ok",    "ioerr", "unsupp", "deverr", "inval",
							      "range", "noent", "fault",  "nomem" };
	const struct viommu_device_stats *s = viommu_device_get_stats(&iommu->device);
	const struct viommu_pump_stats *p = viommu_pump_get_stats(&iommu->pump);

	for (unsigned i = 0; i < VIOMMU_T_COUNT; i++)
		fprintf(out, "iommu.requests.%s %u\n", types[i], s->requests[i]);
	for (unsigned i = 0; i < VIOMMU_S_COUNT; i++)
		fprintf(out, "iommu.statuses.%s %u\n", statuses[i], s->statuses[i]);
	fprintf(out, "iommu.unanswered %u\niommu.pended %u\n", s->unanswered, s->pended);
	fprintf(out, "iommu.faults %u\niommu.faults_lost %u\n", s->faults, s->faults_lost);
	fprintf(out, "iommu.events %u\niommu.events_dropped %u\n", p->events, p->events_dropped);
	fprintf(out, "iommu.malformed %u\n", p->malformed);
	fprintf(out, "iommu.clients %u\niommu.refused %u\n", iommu->function.clients, iommu->function.refused);
	fprintf(out, "iommu.consistent %u\n", viommu_pump_check(&iommu->pump));
}

bool iommu_deinit(struct iommu *iommu)
{
	bool written = record_close(&iommu->record);

	free(iommu->device_memory);
	free(iommu->pump_memory);
	if (!written)
		perror("the trace");
	return written;
}
