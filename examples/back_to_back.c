/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * back_to_back.c: the whole column in one process with nothing but the library: a driver, registers, rings in shared
 * memory, a pump, a device, and an endpoint that reads through it. What a test of your hypervisor or firmware looks
 * like before there is a guest or a board.
 */
#include <viommu/viommu.h>

#include <stdio.h>
#include <string.h>

#define ENDPOINT 0x10u

/* One megabyte of guest memory at guest-physical 0x80000000. Its first half is the driver's shared area. */
#define RAM_BASE UINT64_C(0x80000000)
#define RAM_SIZE 0x100000u
#define SHARED_SIZE (RAM_SIZE / 2)
static _Alignas(4096) uint8_t ram[RAM_SIZE];

static struct viommu_device device;
static struct viommu_pump pump;
static struct viommu_driver driver;

/* The transport: registers as function calls. */

static uint8_t get_status(void *ctx)
{
	return viommu_registers_get_status(ctx);
}

static void set_status(void *ctx, uint8_t status)
{
	viommu_registers_set_status(ctx, status);
}

static uint64_t get_features(void *ctx)
{
	return viommu_registers_get_features(ctx);
}

static void set_features(void *ctx, uint64_t features)
{
	viommu_registers_set_features(ctx, features);
}

static uint32_t config_generation(void *ctx)
{
	return viommu_registers_config_generation(ctx);
}

static void config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	viommu_registers_config_read(ctx, offset, dst, len);
}

static void config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	viommu_registers_config_write(ctx, offset, src, len);
}

static uint32_t queue_size_max(void *ctx, uint32_t queue)
{
	return viommu_registers_queue_size_max(ctx, queue);
}

static enum viommu_result queue_enable(void *ctx, uint32_t queue, const struct viommu_virtq_layout *layout)
{
	return viommu_registers_queue_enable(ctx, queue, layout);
}

/* A kick. In a hypervisor this is an exit of the guest. */
static void notify(void *ctx, uint32_t queue)
{
	(void)ctx;
	(void)queue;
	while (viommu_pump_process(&pump, 1000))
		;
}

static const struct viommu_register_ops registers = {
	.size = sizeof registers,
	.get_status = get_status,
	.set_status = set_status,
	.get_features = get_features,
	.set_features = set_features,
	.config_generation = config_generation,
	.config_read = config_read,
	.config_write = config_write,
	.queue_size_max = queue_size_max,
	.queue_enable = queue_enable,
	.notify = notify,
};

static const struct viommu_memory_region regions[] = {
	{ RAM_BASE, RAM_BASE + RAM_SIZE - 1, ram, VIOMMU_ACCESS_READ | VIOMMU_ACCESS_WRITE },
};
static struct viommu_memory_table memory_table = { .regions = regions, .count = 1 };
static const struct viommu_memory memory = { &viommu_memory_table_ops, &memory_table };

static enum viommu_result device_up(struct viommu_access *access)
{
	static uint8_t device_memory[VIOMMU_DEVICE_MEM(16, 16, 256)];
	static uint8_t pump_memory[32 * 1024];
	struct viommu_device_config config = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_endpoint_config endpoint_config = VIOMMU_ENDPOINT_CONFIG_INIT;
	struct viommu_pump_config pump_config = VIOMMU_PUMP_CONFIG_INIT;
	struct viommu_endpoint *endpoint;
	enum viommu_result result;

	config.memory = memory;
	endpoint_config.id = ENDPOINT;
	pump_config.device = &device;
	pump_config.memory = memory;
	result = viommu_device_init(&device, &config, device_memory, sizeof device_memory);
	if (result == VIOMMU_OK)
		result = viommu_device_add_endpoint(&device, &endpoint_config, &endpoint);
	if (result == VIOMMU_OK)
		result = viommu_pump_init(&pump, &pump_config, pump_memory, sizeof pump_memory);
	if (result == VIOMMU_OK)
		viommu_access_init(access, &device, endpoint);
	return result;
}

/* The device has done all it can when a kick returns: whatever is not there by now will not come. */
static enum viommu_result wait_for_device(void *ctx, uint32_t attempt)
{
	(void)ctx;
	return attempt == 0 ? VIOMMU_OK : VIOMMU_E_TIMEOUT;
}

static void on_fault(void *ctx, const struct viommu_wire_fault *fault)
{
	unsigned *count = ctx;

	++*count;
	printf("fault: endpoint 0x%x, address 0x%llx\n", (unsigned)fault->endpoint, (unsigned long long)fault->address);
}

static const struct viommu_driver_ops driver_ops = {
	.size = sizeof driver_ops,
	.wait = wait_for_device,
	.fault = on_fault,
};

static enum viommu_result driver_up(struct viommu_driver_endpoint *endpoint, struct viommu_driver_domain *domain,
				    unsigned *faults)
{
	static uint8_t driver_memory[64 * 1024];
	static struct viommu_resv_region resv[4];
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { ram, RAM_BASE, SHARED_SIZE };
	enum viommu_result result;

	config.ops = &driver_ops;
	config.ops_ctx = faults;
	result = viommu_driver_init(&driver, &config, driver_memory, sizeof driver_memory, &shared);
	if (result == VIOMMU_OK)
		result = viommu_driver_start(&driver, &registers, viommu_pump_registers(&pump));
	if (result == VIOMMU_OK)
		result = viommu_driver_endpoint_init(endpoint, &driver, ENDPOINT, resv, 4);
	if (result == VIOMMU_OK)
		result = viommu_driver_domain_init(domain, &driver, VIOMMU_DOMAIN_ANY, false);
	if (result == VIOMMU_OK)
		result = viommu_driver_attach(domain, endpoint, NULL);
	return result;
}

/* The endpoint reads through the IOMMU. */
static enum viommu_result dma_read(struct viommu_access *access, viommu_iova iova, void *dst, size_t len)
{
	struct viommu_access_token token;
	enum viommu_result result;
	size_t done;

	result = viommu_access_begin(access, &token);
	if (result != VIOMMU_OK)
		return result;
	result = viommu_access_read(access, iova, dst, len, &done);
	viommu_access_end(access, token);
	return result;
}

int main(void)
{
	static const char message[] = "through the driver, a virtqueue, the device and a mapping";
	static struct viommu_access access;
	static struct viommu_driver_endpoint endpoint;
	static struct viommu_driver_domain domain;
	const uint64_t page = RAM_BASE + SHARED_SIZE;
	char seen[sizeof message] = "";
	unsigned faults = 0;

	memcpy(ram + SHARED_SIZE, message, sizeof message);
	if (device_up(&access) != VIOMMU_OK || driver_up(&endpoint, &domain, &faults) != VIOMMU_OK)
		return 1;

	if (viommu_driver_map(&domain, 0x1000, 0x1fff, page, VIOMMU_MAP_F_READ) != VIOMMU_OK ||
	    viommu_driver_sync(&domain, NULL) != VIOMMU_OK || dma_read(&access, 0x1000, seen, sizeof seen) != VIOMMU_OK)
		return 1;
	printf("%s\n", seen);

	if (viommu_driver_unmap(&domain, 0x1000, 0x1fff) != VIOMMU_OK ||
	    viommu_driver_sync(&domain, NULL) != VIOMMU_OK ||
	    dma_read(&access, 0x1000, seen, sizeof seen) != VIOMMU_E_FAULT)
		return 1;
	(void)viommu_pump_process(&pump, 1000);
	(void)viommu_driver_process(&driver, 16);
	return memcmp(seen, message, sizeof message) == 0 && faults == 1 ? 0 : 1;
}
