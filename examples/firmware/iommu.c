/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iommu.c: the library's driver, the memory that it gets, and a few lines of policy: a domain for each device, and
 * buffers in a window of addresses, strictly: what was taken back is out of the device's reach at once.
 */
#include "iommu.h"

#include "board.h"
#include "bus.h"
#include "console.h"

#define PAGE 4096u
#define QUEUE_SIZE 16u
#define EVENT_COUNT 8u

/* Far from where memory and MSI are, and below 2^39, which is what some machines can translate. */
#define DMA_FIRST UINT64_C(0x4000000000)
#define DMA_LAST UINT64_C(0x7fffffffff)

/* Turns of a loop. Seconds; the device answers within microseconds. */
#define PATIENCE 50000000u

/* What the driver remembers, 64 mappings among it; and what the device sees: rings, requests, event buffers. */
static uint8_t private_memory[12 * 1024];
static _Alignas(PAGE) uint8_t shared_memory[2 * PAGE];

static struct viommu_driver driver;
static struct viommu_pci_driver pci;
static struct viommu_pci_driver_queue pci_queues[VIOMMU_QUEUE_COUNT];
static struct bus_function function;

static struct viommu_wire_fault first_fault;
static uint32_t fault_count; /* since the last one was taken */

static enum viommu_result wait_for_device(void *ctx, uint32_t attempt)
{
	(void)ctx;
	board_relax();
	return attempt < PATIENCE ? VIOMMU_OK : VIOMMU_E_TIMEOUT;
}

static void on_fault(void *ctx, const struct viommu_wire_fault *fault)
{
	static const char *const reasons[] = { "unknown reason", "no domain", "no mapping" };

	(void)ctx;
	if (fault_count++ != 0)
		return;
	first_fault = *fault;
	put("  fault: endpoint ");
	put_hex(fault->endpoint);
	put(", ");
	put(reasons[fault->reason]);
	if ((fault->flags & VIOMMU_FAULT_F_READ) != 0)
		put(", read");
	if ((fault->flags & VIOMMU_FAULT_F_WRITE) != 0)
		put(", write");
	if ((fault->flags & VIOMMU_FAULT_F_ADDRESS) != 0) {
		put(" at ");
		put_hex(fault->address);
	}
	put("\n");
}

static const struct viommu_driver_ops ops = {
	.size = sizeof ops,
	.wait = wait_for_device,
	.fault = on_fault,
};

static void init_driver(void)
{
	const struct viommu_shared_memory shared = { shared_memory, (uintptr_t)shared_memory, sizeof shared_memory };
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	size_t private_bytes, shared_bytes;

	config.queue_size = QUEUE_SIZE;
	config.event_count = EVENT_COUNT;
	config.ops = &ops;
	need(viommu_driver_mem_size(&config, &private_bytes, &shared_bytes), "the driver's configuration");
	put("  memory: ");
	put_dec((uint32_t)private_bytes);
	put(" bytes private, ");
	put_dec((uint32_t)((sizeof private_memory - private_bytes) / VIOMMU_MAP_NODE_SIZE));
	put(" mappings, ");
	put_dec((uint32_t)shared_bytes);
	put(" bytes shared\n");
	need(viommu_driver_init(&driver, &config, private_memory, sizeof private_memory, &shared),
	     "the driver's memory");
}

/* The driver says that something is missing, or that the pages are too large. What, and how large? */
_Noreturn static void explain(enum viommu_result result)
{
	uint64_t features = viommu_pci_driver_ops.get_features(&pci);
	uint8_t mask[8];
	uint64_t granules = 0;

	if ((features & VIOMMU_F_VERSION_1) == 0)
		fail("the IOMMU has no VERSION_1", result);
	if ((features & VIOMMU_F_MAP_UNMAP) == 0)
		fail("the IOMMU has no MAP_UNMAP", result);
	viommu_pci_driver_ops.config_read(&pci, 0, mask, sizeof mask);
	for (unsigned i = 0; i < sizeof mask; i++)
		granules |= (uint64_t)mask[i] << 8 * i;
	put("  page_size_mask is ");
	put_hex(granules);
	put("\n");
	fail(result == VIOMMU_E_RANGE ? "the IOMMU cannot map 4 KiB" : "bringing up the IOMMU", result);
}

void iommu_start(struct platform *platform)
{
	struct viommu_pci_driver_config config = VIOMMU_PCI_DRIVER_CONFIG_INIT;
	struct viommu_driver_limits limits;
	enum viommu_result result;

	put("iommu\n");
	need(viommu_pci_find(&bus_accessors, platform, 0, 0xff, VIOMMU_DEVICE_ID, &config.function), "an IOMMU");
	bus_prepare(platform, config.function, &function);
	config.bars = function.bars;
	config.queues = pci_queues;
	config.queue_count = VIOMMU_QUEUE_COUNT;
	config.accessors = &bus_accessors;
	config.ctx = platform;
	need(viommu_pci_driver_init(&pci, &config), "the registers of the IOMMU");
	init_driver();
	result = viommu_driver_start(&driver, &viommu_pci_driver_ops, &pci);
	if (result == VIOMMU_E_UNSUPP || result == VIOMMU_E_RANGE)
		explain(result);
	need(result, "bringing up the IOMMU");
	viommu_driver_get_limits(&driver, &limits);
	put("  features ");
	put_hex(limits.features);
	put(", granule ");
	put_hex(limits.granule);
	put(", addresses up to ");
	put_hex(limits.input_range.last);
	put("\n");
}

void iommu_stop(void)
{
	need(viommu_driver_stop(&driver), "resetting the IOMMU");
}

void iommu_add(struct platform *platform, struct iommu_device *device, uint32_t number)
{
	struct viommu_dma_config config = VIOMMU_DMA_CONFIG_INIT;
	uint32_t id;

	need(platform_endpoint(platform, number, &id), "an endpoint id for the device");
	put("  ");
	put_function(number);
	put(" is endpoint ");
	put_hex(id);
	put("\n");
	need(viommu_driver_endpoint_init(&device->endpoint, &driver, id, device->regions, 4), "probing the endpoint");
	need(viommu_driver_domain_init(&device->domain, &driver, VIOMMU_DOMAIN_ANY, false), "a domain");
	need(viommu_driver_attach(&device->domain, &device->endpoint, NULL), "attaching the endpoint");
	config.window = (struct viommu_range){ DMA_FIRST, DMA_LAST };
	config.bottom_up = true;
	need(viommu_driver_dma_init(&device->dma, &device->domain, &config), "addresses for buffers");
}

void iommu_remove(struct iommu_device *device)
{
	need(viommu_driver_detach(&device->endpoint, NULL), "detaching the endpoint");
	need(viommu_driver_domain_deinit(&device->domain), "the end of the domain");
}

void dma_map(struct iommu_device *device, struct viommu_dma_buffer *buffer, void *memory, size_t len, uint32_t how)
{
	*buffer = (struct viommu_dma_buffer){ .cpu = memory, .phys = (uintptr_t)memory, .len = len };
	need(viommu_driver_dma_map(&device->dma, buffer, 1, how), "mapping a buffer");
}

void dma_unmap(struct iommu_device *device, const struct viommu_dma_buffer *buffer, uint32_t how)
{
	need(viommu_driver_dma_unmap(&device->dma, buffer, 1, how), "unmapping a buffer");
}

bool iommu_take_fault(struct viommu_wire_fault *fault)
{
	bool taken;

	for (uint32_t i = 0; i < PATIENCE && fault_count == 0; i++) {
		(void)viommu_driver_process(&driver, EVENT_COUNT);
		board_relax();
	}
	taken = fault_count != 0;
	for (int rounds = 0; rounds < 16 && viommu_driver_process(&driver, EVENT_COUNT); rounds++)
		;
	*fault = first_fault;
	fault_count = 0;
	return taken;
}
