/* SPDX-License-Identifier: BSD-3-Clause */
/* iommu.c: libviommu's device as a function. */
#define _GNU_SOURCE
#include "iommu.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <viommu/snapshot.h>
#include <viommu/transport/snapshot.h>

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
	return viommu_pump_process(&from(f)->unit->pump, BUDGET);
}

/* Until some DMA may have ended. */
static void wait_for_dma(struct iommu *iommu)
{
	struct pollfd wake = { .fd = iommu->function.wake, .events = POLLIN };
	uint64_t count;

	if (poll(&wake, 1, 100) > 0)
		(void)!read(iommu->function.wake, &count, sizeof count);
}

/* What waits for DMA that has ended is done, whether or not the guest lets the function be a bus master. */
static void settle(struct iommu *iommu, bool (*is_settled)(struct viommu_device *device))
{
	for (;;) {
		(void)viommu_pump_process(&iommu->unit->pump, BUDGET);
		if (is_settled(&iommu->unit->device))
			break;
		wait_for_dma(iommu);
	}
	iommu->function.has_work = true; /* this may have taken what the loop was woken for */
}

static void memory_changed(struct function *f)
{
	viommu_pump_memory_changed(&from(f)->unit->pump);
	settle(from(f), viommu_device_memory_is_settled);
}

static void reset(struct function *f)
{
	viommu_pump_system_reset(&from(f)->unit->pump);
	settle(from(f), viommu_device_is_settled);
}

static const struct function_ops iommu_ops = {
	.work = work,
	.memory_changed = memory_changed,
	.reset = reset,
};

static bool init_device(struct iommu *iommu, struct iommu_unit *unit)
{
	const struct options *options = iommu->options;
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	enum viommu_result result;
	size_t size;

	config.max_endpoints = options->disk_count != 0 ? options->disk_count : 1;
	config.max_domains = DOMAINS;
	config.max_pending = 256;
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
		unit->device_memory = malloc(size);
		if (unit->device_memory == NULL)
			return false;
		result = viommu_device_init(&unit->device, &config, unit->device_memory, size);
	}
	if (result != VIOMMU_OK)
		fprintf(stderr, "the IOMMU cannot be made with these features, ranges and page sizes (%d)\n", result);
	return result == VIOMMU_OK;
}

static bool init_pump(struct iommu *iommu, struct iommu_unit *unit)
{
	struct viommu_pump_config config = VIOMMU_PUMP_CONFIG_INIT;
	size_t size;

	viommu_memory_view_init(&unit->view, &iommu->function.memory.table);
	config.device = &unit->device;
	config.memory = (struct viommu_memory){ &viommu_memory_view_ops, &unit->view };
	config.interrupts = &viommu_pci_interrupt_ops;
	config.interrupt_ctx = &iommu->function.pci;
	if (viommu_pump_mem_size(&config, &size) != VIOMMU_OK)
		return false;
	unit->pump_memory = malloc(size);
	return unit->pump_memory != NULL &&
	       viommu_pump_init(&unit->pump, &config, unit->pump_memory, size) == VIOMMU_OK;
}

static bool add_endpoint(struct iommu *iommu, struct iommu_unit *unit, uint32_t number)
{
	struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;
	enum viommu_result result;

	config.id = iommu->options->disks[number].endpoint;
	config.regions = &msi_window;
	config.region_count = (iommu->options->features & VIOMMU_F_PROBE) != 0 ? 1 : 0;
	result = viommu_device_add_endpoint(&unit->device, &config, &unit->endpoints[number]);
	if (result != VIOMMU_OK)
		fprintf(stderr, "endpoint %x cannot be added%s (%d)\n", config.id,
			result == VIOMMU_E_EXISTS ? " twice" : "", result);
	return result == VIOMMU_OK;
}

static void deinit_unit(struct iommu_unit *unit)
{
	free(unit->device_memory);
	free(unit->pump_memory);
	*unit = (struct iommu_unit){ .device_memory = NULL };
}

static bool init_unit(struct iommu *iommu, struct iommu_unit *unit)
{
	bool done = init_device(iommu, unit) && init_pump(iommu, unit);

	for (uint32_t i = 0; done && i < iommu->options->disk_count; i++)
		done = add_endpoint(iommu, unit, i);
	if (!done)
		deinit_unit(unit);
	return done;
}

static enum viommu_result init_pci(struct iommu *iommu, struct iommu_unit *unit)
{
	struct viommu_pci_config config = VIOMMU_PCI_CONFIG_INIT;

	return function_init_pci(&iommu->function, &config, viommu_pump_registers(&unit->pump), VIOMMU_QUEUE_COUNT);
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
	iommu->options = options;
	iommu->unit = &iommu->units[0];
	return init_unit(iommu, iommu->unit) && init_pci(iommu, iommu->unit) == VIOMMU_OK;
}

struct snapshot {
	void *pump;
	size_t pump_size;
	void *pci;
	size_t pci_size;
};

static void drop_snapshot(struct snapshot *snapshot)
{
	free(snapshot->pump);
	free(snapshot->pci);
	*snapshot = (struct snapshot){ .pump = NULL };
}

/* VIOMMU_E_BUSY: requests wait for DMA. */
static enum viommu_result take_snapshot(const struct iommu *iommu, struct snapshot *s)
{
	const struct viommu_pump *pump = &iommu->unit->pump;
	const struct viommu_pci *pci = &iommu->function.pci;
	enum viommu_result result = VIOMMU_E_NOMEM;

	s->pump_size = (size_t)viommu_pump_save_size(pump);
	s->pci_size = (size_t)viommu_pci_save_size(pci);
	s->pump = malloc(s->pump_size);
	s->pci = malloc(s->pci_size);
	if (s->pump != NULL && s->pci != NULL)
		result = viommu_pump_save(pump, s->pump, s->pump_size, &s->pump_size);
	if (result == VIOMMU_OK)
		result = viommu_pci_save(pci, s->pci, s->pci_size, &s->pci_size);
	if (result != VIOMMU_OK)
		drop_snapshot(s);
	return result;
}

/* What all units have counted. */
static void add_stats(struct iommu *iommu, struct iommu_unit *unit)
{
	const struct viommu_device_stats *s = viommu_device_get_stats(&unit->device);
	const struct viommu_pump_stats *p = viommu_pump_get_stats(&unit->pump);

	for (unsigned i = 0; i < VIOMMU_T_COUNT; i++)
		iommu->stats.requests[i] += s->requests[i];
	for (unsigned i = 0; i < VIOMMU_S_COUNT; i++)
		iommu->stats.statuses[i] += s->statuses[i];
	iommu->stats.unanswered += s->unanswered;
	iommu->stats.faults += s->faults;
	iommu->stats.faults_lost += s->faults_lost;
	iommu->stats.pended += s->pended;
	iommu->pump_stats.events += p->events;
	iommu->pump_stats.events_dropped += p->events_dropped;
	iommu->pump_stats.malformed += p->malformed;
}

bool iommu_swap(struct iommu *iommu, void (*moved)(void *ctx), void *ctx)
{
	struct iommu_unit *old = iommu->unit, *unit = &iommu->units[old == &iommu->units[0]];
	struct snapshot snapshot;
	enum viommu_result result;

	if (!init_unit(iommu, unit))
		return false;
	while ((result = take_snapshot(iommu, &snapshot)) == VIOMMU_E_BUSY) {
		wait_for_dma(iommu);
		(void)viommu_pump_process(&old->pump, BUDGET);
	}
	if (result == VIOMMU_OK)
		result = viommu_pump_restore(&unit->pump, snapshot.pump, snapshot.pump_size);
	if (result != VIOMMU_OK) {
		fprintf(stderr, "the IOMMU cannot be put into another one (%d)\n", result);
		drop_snapshot(&snapshot);
		deinit_unit(unit);
		return false;
	}
	if (init_pci(iommu, unit) != VIOMMU_OK ||
	    viommu_pci_restore(&iommu->function.pci, snapshot.pci, snapshot.pci_size) != VIOMMU_OK)
		abort(); /* it was saved from one like this */
	drop_snapshot(&snapshot);
	iommu->unit = unit;
	moved(ctx);
	add_stats(iommu, old);
	deinit_unit(old);
	iommu->swaps++;
	return true; /* and the loop looks at the queues, as kicks from before are not told again */
}

void iommu_print_stats(struct iommu *iommu, FILE *out)
{
	static const char *const types[VIOMMU_T_COUNT] = { "none", "attach", "detach", "map", "unmap", "probe" };
	static const char *const statuses[VIOMMU_S_COUNT] = { "ok",    "ioerr", "unsupp", "deverr", "inval",
							      "range", "noent", "fault",  "nomem" };
	const struct viommu_device_stats *s = &iommu->stats;
	const struct viommu_pump_stats *p = &iommu->pump_stats;

	add_stats(iommu, iommu->unit);
	for (unsigned i = 0; i < VIOMMU_T_COUNT; i++)
		fprintf(out, "iommu.requests.%s %u\n", types[i], s->requests[i]);
	for (unsigned i = 0; i < VIOMMU_S_COUNT; i++)
		fprintf(out, "iommu.statuses.%s %u\n", statuses[i], s->statuses[i]);
	fprintf(out, "iommu.unanswered %u\niommu.pended %u\n", s->unanswered, s->pended);
	fprintf(out, "iommu.faults %u\niommu.faults_lost %u\n", s->faults, s->faults_lost);
	fprintf(out, "iommu.events %u\niommu.events_dropped %u\n", p->events, p->events_dropped);
	fprintf(out, "iommu.malformed %u\n", p->malformed);
	fprintf(out, "iommu.clients %u\niommu.refused %u\n", iommu->function.clients, iommu->function.refused);
	fprintf(out, "iommu.consistent %u\n", viommu_pump_check(&iommu->unit->pump));
	fprintf(out, "iommu.swaps %u\n", iommu->swaps);
}

bool iommu_deinit(struct iommu *iommu)
{
	bool written = record_close(&iommu->record);

	deinit_unit(iommu->unit);
	if (!written)
		perror("the trace");
	return written;
}
