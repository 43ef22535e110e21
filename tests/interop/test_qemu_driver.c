/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_qemu_driver.c: the driver, unchanged, on a device that this project did not write: QEMU's virtio-iommu, over
 * virtio-pci, with "edu" devices that copy memory through what the driver maps. VIOMMU_QEMU names another QEMU than
 * the one in PATH. Skipped if there is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <viommu/dma.h>
#include <viommu/driver.h>

#include "sim/oracle.h"
#include "sim/qtest.h"
#include "sim/trace.h"

#define SKIPPED 77
#define PAGE 0x1000u
#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)
#define SHARED_AT 0x1000000u
#define SHARED_LEN 0x40000u
#define PRIVATE_LEN 0x800000u
#define DATA_AT 0x400000u
#define WAITS 200u
#define FAULTS 64u

#define FIRST_EDU 0x28u
#define SECOND_EDU 0x30u

static const char *const engines[] = { "-device", "edu,addr=05.0,dma_mask=0xffffffffffffffff", "-device",
				       "edu,addr=06.0,dma_mask=0xffffffffffffffff", NULL };

static struct sim_qtest qemu;
static struct sim_qtest_iommu iommu;
static struct viommu_driver driver;
static struct viommu_driver_ops ops;
static uint8_t private_memory[PRIVATE_LEN];
static struct viommu_wire_fault faults[FAULTS];
static uint32_t fault_count;
static uint64_t first_edu, second_edu; /* where their registers are */

/* Hooks */

static enum viommu_result wait_hook(void *ctx, uint32_t attempt)
{
	(void)ctx;
	return sim_qtest_run(&qemu) && attempt < WAITS ? VIOMMU_OK : VIOMMU_E_TIMEOUT;
}

static void fault_hook(void *ctx, const struct viommu_wire_fault *fault)
{
	(void)ctx;
	if (fault_count < FAULTS)
		faults[fault_count++] = *fault;
}

static void take_faults(void)
{
	for (int i = 0; i < 20; i++) {
		(void)sim_qtest_run(&qemu);
		while (viommu_driver_process(&driver, 8))
			;
	}
}

/* Making */

static void start_qemu(const char *const *arguments)
{
	assert_true(sim_qtest_start(&qemu, arguments));
	fault_count = 0;
}

static void start_driver(uint64_t features)
{
	struct viommu_driver_config config = VIOMMU_DRIVER_CONFIG_INIT;
	struct viommu_shared_memory shared = { qemu.ram + SHARED_AT, SHARED_AT, SHARED_LEN };

	ops = (struct viommu_driver_ops){ .size = sizeof(ops), .wait = wait_hook, .fault = fault_hook };
	config.ops = &ops;
	config.features &= features;
	assert_int_equal(viommu_driver_init(&driver, &config, private_memory, sizeof(private_memory), &shared),
			 VIOMMU_OK);
	assert_int_equal(viommu_driver_start(&driver, &viommu_pci_driver_ops, &iommu.driver), VIOMMU_OK);
}

static void find_engines(void)
{
	struct viommu_pci_bar bars[VIOMMU_PCI_BARS];

	assert_int_equal(sim_qtest_place(&qemu, FIRST_EDU, bars), VIOMMU_OK);
	first_edu = bars[0].address;
	assert_int_equal(sim_qtest_place(&qemu, SECOND_EDU, bars), VIOMMU_OK);
	second_edu = bars[0].address;
}

static int up(void **state)
{
	(void)state;
	start_qemu(engines);
	find_engines();
	assert_int_equal(sim_qtest_find_iommu(&qemu, &iommu), VIOMMU_OK);
	start_driver(UINT64_MAX);
	return 0;
}

static int down(void **state)
{
	(void)state;
	assert_true(viommu_driver_check(&driver));
	sim_qtest_stop(&qemu);
	return 0;
}

/* An endpoint with the regions that QEMU tells of it. */
struct endpoint {
	struct viommu_driver_endpoint driver;
	struct viommu_resv_region regions[4];
};

/* Those of a test, with addresses that the driver may keep until its end. */
static struct viommu_driver_domain a, b;
static struct endpoint ea, eb;

static void probe(struct endpoint *e, uint32_t id)
{
	assert_int_equal(viommu_driver_endpoint_init(&e->driver, &driver, id, e->regions, 4), VIOMMU_OK);
}

static void join(struct viommu_driver_domain *d, struct endpoint *e, uint32_t id)
{
	probe(e, id);
	assert_int_equal(viommu_driver_domain_init(d, &driver, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(d, &e->driver, NULL), VIOMMU_OK);
}

static void map(struct viommu_driver_domain *d, uint64_t iova, uint64_t phys, uint32_t len, uint32_t flags)
{
	assert_int_equal(viommu_driver_map(d, iova, iova + (len - 1), phys, flags), VIOMMU_OK);
}

static void sync_now(struct viommu_driver_domain *d)
{
	assert_int_equal(viommu_driver_sync(d, NULL), VIOMMU_OK);
}

/* Data */

static void fill(uint64_t phys, uint32_t len, uint8_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		qemu.ram[phys + i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

static void clear(uint64_t phys, uint32_t len)
{
	memset(qemu.ram + phys, 0xee, len);
}

/* Did the engine copy `len` bytes from one address of its own to another? */
static bool copies(uint64_t edu, uint64_t from, uint64_t to, uint32_t len)
{
	return sim_qtest_edu_load(&qemu, edu, from, len) && sim_qtest_edu_save(&qemu, edu, to, len);
}

static bool is_untouched(uint64_t phys, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		if (qemu.ram[phys + i] != 0xee)
			return false;
	}
	return true;
}

/* Tests */

static void test_qemu_driver__start__has_what_qemu_offers(void **state)
{
	struct viommu_driver_limits limits;
	const struct viommu_resv_region *regions;
	uint32_t count;

	(void)state;
	viommu_driver_get_limits(&driver, &limits);
	assert_int_equal(limits.granule, PAGE);
	assert_int_equal(limits.input_range.first, 0);
	assert_true(limits.input_range.last >= 0xffffffff);
	assert_int_equal(limits.domain_first, 0);
	assert_true((limits.features & VIOMMU_F_PROBE) != 0 && (limits.features & VIOMMU_F_BYPASS_CONFIG) != 0);
	probe(&ea, FIRST_EDU);
	regions = viommu_driver_endpoint_regions(&ea.driver, &count);
	assert_int_equal(count, 1);
	assert_int_equal(regions[0].subtype, VIOMMU_RESV_MEM_MSI);
	assert_int_equal(regions[0].range.first, 0xfee00000);
	assert_int_equal(regions[0].range.last, 0xfeefffff);
	/* Nobody is at 00:1d.3. */
	assert_int_equal(viommu_driver_endpoint_init(&ea.driver, &driver, 0xeb, ea.regions, 4), VIOMMU_E_REJECTED);
	assert_int_equal(viommu_driver_look(&driver), VIOMMU_OK);
}

/* Of several pages, which lie apart and in another order behind the IOMMU, and with two engines that share a domain. */
static void test_qemu_driver__mapped__engines_copy_through_it(void **state)
{
	const uint64_t from = 0x100000000 - 0x1000, to = 0x7000000;

	(void)state;
	join(&a, &ea, FIRST_EDU);
	map(&a, from, DATA_AT + 0x3000, PAGE, VIOMMU_MAP_F_READ);
	map(&a, to, DATA_AT + 0x8000, PAGE, VIOMMU_MAP_F_WRITE);
	map(&a, to + PAGE, DATA_AT + 0x6000, PAGE, RW);
	sync_now(&a);
	fill(DATA_AT + 0x3000, PAGE, 1);
	clear(DATA_AT + 0x6000, 3 * PAGE);
	assert_true(copies(first_edu, from + 0x10, to + 0x804, 0x7f0));
	assert_memory_equal(qemu.ram + DATA_AT + 0x8804, qemu.ram + DATA_AT + 0x3010, 0x7f0);
	assert_true(is_untouched(DATA_AT + 0x8000, 0x804));
	assert_true(is_untouched(DATA_AT + 0x8ff4, PAGE - 0xff4));
	/* Across the border of two mappings. */
	assert_true(copies(first_edu, from, to + 0xf00, 0x400));
	assert_memory_equal(qemu.ram + DATA_AT + 0x8f00, qemu.ram + DATA_AT + 0x3000, 0x100);
	assert_memory_equal(qemu.ram + DATA_AT + 0x6000, qemu.ram + DATA_AT + 0x3100, 0x300);
	probe(&eb, SECOND_EDU);
	assert_int_equal(viommu_driver_attach(&a, &eb.driver, NULL), VIOMMU_OK);
	clear(DATA_AT + 0x6000, PAGE);
	assert_true(copies(second_edu, from, to + PAGE, 0x800));
	assert_memory_equal(qemu.ram + DATA_AT + 0x6000, qemu.ram + DATA_AT + 0x3000, 0x800);
	take_faults();
	assert_int_equal(fault_count, 0);
}

/* A fault that was reported for an access in this page, by this endpoint. */
static const struct viommu_wire_fault *find_fault(uint32_t endpoint, uint64_t page)
{
	take_faults();
	for (uint32_t i = 0; i < fault_count; i++) {
		if (faults[i].endpoint == endpoint && (faults[i].address & ~UINT64_C(0xfff)) == page)
			return &faults[i];
	}
	return NULL;
}

static void test_qemu_driver__unmapped_or_not_allowed__nothing_moves_and_it_is_reported(void **state)
{
	const struct viommu_wire_fault *fault;

	(void)state;
	join(&a, &ea, FIRST_EDU);
	map(&a, 0x10000, DATA_AT, PAGE, VIOMMU_MAP_F_READ);
	map(&a, 0x20000, DATA_AT + PAGE, PAGE, RW);
	sync_now(&a);
	fill(DATA_AT, PAGE, 3);
	clear(DATA_AT + PAGE, PAGE);
	assert_true(copies(first_edu, 0x10000, 0x20000, 64));
	assert_memory_equal(qemu.ram + DATA_AT, qemu.ram + DATA_AT + PAGE, 64);

	assert_int_equal(viommu_driver_unmap(&a, 0x20000, 0x20fff), VIOMMU_OK);
	sync_now(&a);
	clear(DATA_AT + PAGE, PAGE);
	assert_true(sim_qtest_edu_save(&qemu, first_edu, 0x20000, 8));
	assert_true(is_untouched(DATA_AT + PAGE, PAGE));
	fault = find_fault(FIRST_EDU, 0x20000);
	assert_non_null(fault);
	assert_int_equal(fault->reason, VIOMMU_FAULT_R_MAPPING);
	assert_int_equal(fault->flags & VIOMMU_FAULT_F_ADDRESS, VIOMMU_FAULT_F_ADDRESS);

	/* To memory that may only be read. */
	clear(DATA_AT, PAGE);
	assert_true(sim_qtest_edu_save(&qemu, first_edu, 0x10000, 8));
	assert_true(is_untouched(DATA_AT, PAGE));
	fault = find_fault(FIRST_EDU, 0x10000);
	assert_non_null(fault);
	assert_int_equal(fault->flags & VIOMMU_FAULT_F_WRITE, VIOMMU_FAULT_F_WRITE);

	/* Detached, it reaches nothing: this QEMU is started with bypass. */
	assert_int_equal(viommu_driver_detach(&ea.driver, NULL), VIOMMU_OK);
	assert_int_equal(viommu_driver_shutdown(&driver, VIOMMU_HANDOVER_BLOCK), VIOMMU_OK);
	clear(DATA_AT, PAGE);
	assert_true(sim_qtest_edu_save(&qemu, first_edu, DATA_AT, 8));
	assert_true(is_untouched(DATA_AT, PAGE));
}

static void test_qemu_driver__attach__replays_the_record(void **state)
{

	(void)state;
	probe(&ea, FIRST_EDU);
	assert_int_equal(viommu_driver_domain_init(&a, &driver, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
	assert_int_equal(viommu_driver_domain_init(&b, &driver, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
	for (uint64_t i = 0; i < 300; i++)
		map(&a, i * 2 * PAGE, DATA_AT + (i & 15) * PAGE, PAGE, RW);
	map(&b, 0, DATA_AT + 0x20000, PAGE, RW);
	fill(DATA_AT, 16 * PAGE, 5);
	fill(DATA_AT + 0x20000, PAGE, 77);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(viommu_driver_attach(&a, &ea.driver, NULL), VIOMMU_OK);
		assert_true(copies(first_edu, 298 * 2 * PAGE + 0x100, 5 * 2 * PAGE, 128));
		assert_memory_equal(qemu.ram + DATA_AT + 5 * PAGE, qemu.ram + DATA_AT + 10 * PAGE + 0x100, 128);
		/* Into another domain, and back. */
		assert_int_equal(viommu_driver_attach(&b, &ea.driver, NULL), VIOMMU_OK);
		assert_true(copies(first_edu, 0, 0x800, 128));
		assert_memory_equal(qemu.ram + DATA_AT + 0x20000, qemu.ram + DATA_AT + 0x20800, 128);
	}
	assert_int_equal(viommu_driver_detach(&ea.driver, NULL), VIOMMU_OK);
	take_faults();
	assert_int_equal(fault_count, 0);
}

static void test_qemu_driver__bypass_domain__engine_reaches_memory_as_it_is(void **state)
{

	(void)state;
	probe(&ea, FIRST_EDU);
	assert_int_equal(viommu_driver_domain_init(&a, &driver, VIOMMU_DOMAIN_ANY, true), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&a, &ea.driver, NULL), VIOMMU_OK);
	fill(DATA_AT, PAGE, 9);
	clear(DATA_AT + PAGE, PAGE);
	assert_true(copies(first_edu, DATA_AT, DATA_AT + PAGE, 0x800));
	assert_memory_equal(qemu.ram + DATA_AT, qemu.ram + DATA_AT + PAGE, 0x800);
}

/* The same by mappings, around the MSI region. */
static void test_qemu_driver__map_identity__engine_reaches_memory_as_it_is(void **state)
{
	struct viommu_mapping m;

	(void)state;
	join(&a, &ea, FIRST_EDU);
	assert_int_equal(viommu_driver_map_identity(&a, NULL, 0, 0xffffffff, RW), VIOMMU_OK);
	assert_true(viommu_driver_next_mapping(&a, 0, &m));
	assert_int_equal(m.last, 0xfedfffff);
	assert_true(viommu_driver_next_mapping(&a, m.last + 1, &m));
	assert_int_equal(m.first, 0xfef00000);
	fill(DATA_AT, PAGE, 10);
	clear(DATA_AT + PAGE, PAGE);
	assert_true(copies(first_edu, DATA_AT, DATA_AT + PAGE, 0x800));
	assert_memory_equal(qemu.ram + DATA_AT, qemu.ram + DATA_AT + PAGE, 0x800);
}

/* Strict: out of reach when unmap returns. Lazy: when flush does. */
static void test_qemu_driver__dma_buffers__strict_and_lazy(void **state)
{
	(void)state;
	for (int lazy = 0; lazy < 2; lazy++) {
		struct viommu_dma_buffer list[3] = { { .phys = DATA_AT + 0x123, .len = 0x600 },
						     { .phys = DATA_AT + 0x2100, .len = 0x1800 },
						     { .phys = DATA_AT + 0x6000, .len = 0x1000 } };
		struct viommu_dma_config config = VIOMMU_DMA_CONFIG_INIT;
		struct viommu_range deferred[8];
		struct viommu_driver_dma dma;
		uint32_t kicks;

		join(&a, &ea, FIRST_EDU);
		config.window.last = UINT32_MAX;
		if (lazy) {
			config.deferred = deferred;
			config.deferred_count = 8;
		}
		assert_int_equal(viommu_driver_dma_init(&dma, &a, &config), VIOMMU_OK);
		fill(DATA_AT, 0x8000, (uint8_t)(11 + lazy));
		kicks = viommu_driver_get_stats(&driver)->kicks;
		assert_int_equal(viommu_driver_dma_map(&dma, list, 3, VIOMMU_DMA_BIDIRECTIONAL), VIOMMU_OK);
		assert_int_equal(viommu_driver_get_stats(&driver)->kicks, kicks + 1);
		assert_true(copies(first_edu, list[1].iova, list[2].iova + 0x10, 0x600));
		assert_memory_equal(qemu.ram + DATA_AT + 0x6010, qemu.ram + DATA_AT + 0x2100, 0x600);
		assert_int_equal(viommu_driver_dma_unmap(&dma, list, 3, VIOMMU_DMA_BIDIRECTIONAL), VIOMMU_OK);
		clear(DATA_AT + 0x6000, PAGE);
		assert_true(sim_qtest_edu_save(&qemu, first_edu, list[2].iova, 16));
		assert_int_equal(is_untouched(DATA_AT + 0x6000, PAGE), !lazy);
		assert_int_equal(viommu_driver_dma_flush(&dma, NULL), VIOMMU_OK);
		clear(DATA_AT + 0x6000, PAGE);
		assert_true(sim_qtest_edu_save(&qemu, first_edu, list[2].iova, 16));
		assert_true(is_untouched(DATA_AT + 0x6000, PAGE));
		assert_int_equal(viommu_driver_detach(&ea.driver, NULL), VIOMMU_OK);
		assert_int_equal(viommu_driver_domain_deinit(&a), VIOMMU_OK);
	}
}

/* Two engines in one domain: since version 10 a QEMU that is reset does not let go of them. */
static void test_qemu_driver__device_was_reset__recovers(void **state)
{
	(void)state;
	join(&a, &ea, FIRST_EDU);
	probe(&eb, SECOND_EDU);
	assert_int_equal(viommu_driver_attach(&a, &eb.driver, NULL), VIOMMU_OK);
	for (uint64_t i = 0; i < 200; i++)
		map(&a, i * PAGE, DATA_AT + (i & 15) * PAGE, PAGE, RW);
	sync_now(&a);
	for (int round = 0; round < 2; round++) {
		if (round == 0) { /* behind the driver's back */
			viommu_pci_driver_ops.set_status(&iommu.driver, 0);
			assert_int_equal(viommu_driver_look(&driver), VIOMMU_E_BROKEN);
			assert_int_equal(viommu_driver_map(&a, 0x900000, 0x900fff, 0, RW), VIOMMU_E_BROKEN);
		}
		assert_int_equal(viommu_driver_recover(&driver), VIOMMU_OK);
		fill(DATA_AT, 16 * PAGE, (uint8_t)(20 + round));
		assert_true(copies(first_edu, 199 * PAGE, 3 * PAGE, 0x800));
		assert_memory_equal(qemu.ram + DATA_AT + 3 * PAGE, qemu.ram + DATA_AT + 7 * PAGE, 0x800);
		assert_true(copies(second_edu, 198 * PAGE, 4 * PAGE, 0x800));
		assert_memory_equal(qemu.ram + DATA_AT + 4 * PAGE, qemu.ram + DATA_AT + 6 * PAGE, 0x800);
	}
	take_faults();
	assert_int_equal(fault_count, 0);
}

static void test_qemu_driver__system_reset__recovers(void **state)
{

	(void)state;
	join(&a, &ea, FIRST_EDU);
	map(&a, 0x5000, DATA_AT, PAGE, RW);
	sync_now(&a);
	sim_qtest_system_reset(&qemu);
	find_engines();
	assert_int_equal(sim_qtest_find_iommu(&qemu, &iommu), VIOMMU_OK);
	assert_int_equal(viommu_driver_look(&driver), VIOMMU_E_BROKEN);
	assert_int_equal(viommu_driver_recover(&driver), VIOMMU_OK);
	fill(DATA_AT, PAGE, 40);
	assert_true(copies(first_edu, 0x5000, 0x5800, 0x800));
	assert_memory_equal(qemu.ram + DATA_AT, qemu.ram + DATA_AT + 0x800, 0x800);
}

static void test_qemu_driver__thousands_of_mappings__all_lead_where_they_should(void **state)
{
	static const uint64_t looks[] = { 0, 1, 63, 64, 2047, 4095 };

	(void)state;
	join(&a, &ea, FIRST_EDU);
	for (uint64_t i = 0; i < 4096; i++)
		map(&a, i * 3 * PAGE, DATA_AT + (i * 37 & 255) * PAGE, PAGE, RW);
	sync_now(&a);
	fill(DATA_AT, 256 * PAGE, 50);
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		uint64_t page = looks[i], phys = DATA_AT + (page * 37 & 255) * PAGE;

		assert_true(copies(first_edu, page * 3 * PAGE, page * 3 * PAGE + 0x800, 0x200));
		assert_memory_equal(qemu.ram + phys, qemu.ram + phys + 0x800, 0x200);
	}
	for (uint64_t i = 0; i < 4096; i += 2)
		assert_int_equal(viommu_driver_unmap(&a, i * 3 * PAGE, i * 3 * PAGE + (PAGE - 1)), VIOMMU_OK);
	sync_now(&a);
	assert_true(copies(first_edu, 4095 * 3 * PAGE, 3 * PAGE, 16));
	take_faults();
	assert_int_equal(fault_count, 0);
	clear(DATA_AT, PAGE);
	assert_true(sim_qtest_edu_save(&qemu, first_edu, 0, 8));
	assert_true(is_untouched(DATA_AT, PAGE));
	assert_non_null(find_fault(FIRST_EDU, 0));
	assert_int_equal(viommu_driver_unmap(&a, 0, 0xffffffff), VIOMMU_OK);
	sync_now(&a);
	assert_false(viommu_driver_next_mapping(&a, 0, &(struct viommu_mapping){ 0 }));
}

/* A trace */

#define TRACE "sim/traces/vblk-strict.txt.gz"
#define TRACE_EDU 0x10u
#define BATCH 32u

static struct viommu_driver_domain trace_domains[2];
static struct endpoint trace_endpoints[2];

static struct endpoint *trace_endpoint(uint32_t id)
{
	return &trace_endpoints[id == TRACE_EDU];
}

static enum viommu_status run_on_oracle(struct sim_oracle *oracle, const struct sim_trace_line *line)
{
	const struct sim_oracle_mapping mapping = { line->first, line->last, line->phys, line->flags };

	switch (line->type) {
	case 'A':
		return sim_oracle_attach(oracle, line->domain, line->endpoint, line->flags);
	case 'M':
		return sim_oracle_map(oracle, line->domain, &mapping);
	case 'U':
		return sim_oracle_unmap(oracle, line->domain, line->first, line->last);
	default:
		return VIOMMU_S_OK;
	}
}

static void run_line(const struct sim_trace_line *line)
{
	struct viommu_driver_domain *d = &trace_domains[line->domain];

	switch (line->type) {
	case 'P':
		probe(trace_endpoint(line->endpoint), line->endpoint);
		break;
	case 'A':
		assert_int_equal(viommu_driver_domain_init(d, &driver, line->domain, (line->flags & 1) != 0),
				 VIOMMU_OK);
		assert_int_equal(viommu_driver_attach(d, &trace_endpoint(line->endpoint)->driver, NULL), VIOMMU_OK);
		break;
	case 'M':
		assert_int_equal(viommu_driver_map(d, line->first, line->last, line->phys, line->flags), VIOMMU_OK);
		break;
	default:
		assert_int_equal(line->type, 'U');
		assert_int_equal(viommu_driver_unmap(d, line->first, line->last), VIOMMU_OK);
		break;
	}
}

static void assert_record_is_oracle(struct sim_oracle *oracle, uint32_t domain)
{
	struct viommu_mapping m = { 0 };
	uint64_t from = 0, count = 0;

	while (viommu_driver_next_mapping(&trace_domains[domain], from, &m)) {
		const struct sim_oracle_mapping *o;
		size_t overlaps;

		o = sim_oracle_overlaps(oracle, domain, m.first, m.last, &overlaps);
		assert_non_null(o);
		assert_true(overlaps == 1 && o->first == m.first && o->last == m.last && o->phys == m.phys);
		count++;
		from = m.last + 1;
	}
	assert_int_equal(count, oracle->live);
}

/* 60,000 requests that a Linux guest once sent. What they map is beyond this machine's memory, but for one page. */
static void test_qemu_driver__recorded_trace__runs_and_leaves_what_it_should(void **state)
{
	static const char *const arguments[] = { "-device", "edu,addr=02.0,dma_mask=0xffffffffffffffff", NULL };
	static const uint32_t ids[] = { 0, TRACE_EDU };
	struct sim_oracle_config config = { .granule = PAGE,
					    .input_range = { 0, UINT64_MAX },
					    .msi = { 0xfee00000, 0xfeefffff } };
	struct viommu_pci_bar bars[VIOMMU_PCI_BARS];
	struct sim_oracle oracle;
	struct sim_trace trace;
	struct sim_error error;
	uint32_t domain = 0;

	(void)state;
	start_qemu(arguments);
	assert_int_equal(sim_qtest_place(&qemu, TRACE_EDU, bars), VIOMMU_OK);
	assert_int_equal(sim_qtest_find_iommu(&qemu, &iommu), VIOMMU_OK);
	start_driver(UINT64_MAX);
	assert_true(sim_trace_load(&trace, TRACE, &error));
	assert_true(sim_oracle_init(&oracle, &config, ids, 2));
	for (size_t i = 0; i < trace.count; i++) {
		const struct sim_trace_line *line = &trace.lines[i];

		run_line(line);
		if (line->type == 'A' && line->endpoint == TRACE_EDU)
			domain = line->domain;
		assert_int_equal(run_on_oracle(&oracle, line), VIOMMU_S_OK);
		if (i % BATCH == 0 && line->type != 'P')
			sync_now(&trace_domains[line->domain]);
	}
	sync_now(&trace_domains[domain]);
	assert_record_is_oracle(&oracle, domain);
	map(&trace_domains[domain], 0x1000, DATA_AT, PAGE, RW);
	sync_now(&trace_domains[domain]);
	fill(DATA_AT, PAGE, 60);
	assert_true(copies(bars[0].address, 0x1000, 0x1800, 0x800));
	assert_memory_equal(qemu.ram + DATA_AT, qemu.ram + DATA_AT + 0x800, 0x800);
	sim_oracle_deinit(&oracle);
	sim_trace_deinit(&trace);
}

/* A device that is gone from one moment to the next: errors, and an end. */
static void test_qemu_driver__qemu_dies__broken_and_another_one_takes_over(void **state)
{

	(void)state;
	join(&a, &ea, FIRST_EDU);
	map(&a, 0x5000, DATA_AT, PAGE, RW);
	sync_now(&a);
	map(&a, 0x6000, DATA_AT, PAGE, RW);
	sim_qtest_stop(&qemu);
	assert_int_equal(viommu_driver_sync(&a, NULL), VIOMMU_E_TIMEOUT);
	assert_int_equal(viommu_driver_look(&driver), VIOMMU_E_BROKEN);
	assert_int_equal(viommu_driver_recover(&driver), VIOMMU_E_TIMEOUT);
	viommu_driver_abandon(&driver);
	start_qemu(engines);
	find_engines();
	assert_int_equal(sim_qtest_find_iommu(&qemu, &iommu), VIOMMU_OK);
	assert_int_equal(viommu_driver_start(&driver, &viommu_pci_driver_ops, &iommu.driver), VIOMMU_OK);
	assert_int_equal(viommu_driver_attach(&a, &ea.driver, NULL), VIOMMU_OK);
	fill(DATA_AT, PAGE, 70);
	assert_true(copies(first_edu, 0x5000, 0x5800, 0x800));
	assert_memory_equal(qemu.ram + DATA_AT, qemu.ram + DATA_AT + 0x800, 0x800);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = {
		TEST(test_qemu_driver__start__has_what_qemu_offers),
		TEST(test_qemu_driver__mapped__engines_copy_through_it),
		TEST(test_qemu_driver__unmapped_or_not_allowed__nothing_moves_and_it_is_reported),
		TEST(test_qemu_driver__attach__replays_the_record),
		TEST(test_qemu_driver__bypass_domain__engine_reaches_memory_as_it_is),
		TEST(test_qemu_driver__map_identity__engine_reaches_memory_as_it_is),
		TEST(test_qemu_driver__dma_buffers__strict_and_lazy),
		TEST(test_qemu_driver__device_was_reset__recovers),
		TEST(test_qemu_driver__system_reset__recovers),
		TEST(test_qemu_driver__thousands_of_mappings__all_lead_where_they_should),
		TEST(test_qemu_driver__recorded_trace__runs_and_leaves_what_it_should),
		TEST(test_qemu_driver__qemu_dies__broken_and_another_one_takes_over),
	};
	const char *program = getenv("VIOMMU_QEMU");
	int failed;

	if (!sim_qtest_init(&qemu, program != NULL && program[0] != 0 ? program : "qemu-system-x86_64")) {
		printf("skipped: there is no QEMU\n");
		return SKIPPED;
	}
	printf("%s\n", qemu.version);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_qtest_deinit(&qemu);
	return failed;
}
