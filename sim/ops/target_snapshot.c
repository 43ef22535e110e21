/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * target_snapshot.c: snapshots, as the library wrote them and as anybody may have changed them.
 *
 * Requests give a device a state; it is saved, alone or with its pump; the bytes are changed and mended; and another
 * device is restored from what came of it. Of a device alone a naive reader says whether the bytes are to be accepted,
 * and which endpoint then reaches what. What is refused has changed nothing; what is accepted is a device that is sound,
 * saves the same state again, and can be reset. Bytes lie at the end of their block, so that a sanitizer sees a read
 * behind them.
 *
 * Beside it there is virtio-mmio above that pump, and virtio-pci above registers that nobody is behind: what is accepted
 * of these says the same again, byte by byte, and after a reset it is as if it were new.
 */
#include "targets.h"

#include <stdlib.h>
#include <string.h>

#include <viommu/viommu.h>

#define ENDPOINTS 3u
#define MAX_DOMAINS 3u
#define NODES 512u
#define BYTES_MAX 2048u
#define RAM 0x4000u
#define QUEUE_SIZE 8u
#define RW (VIOMMU_MAP_F_READ | VIOMMU_MAP_F_WRITE)

static const uint32_t ids[ENDPOINTS] = { 8, 0, 0xffffffff };
static const struct viommu_resv_region doorbell[] = { { { 0xfee00000, 0xfeefffff }, VIOMMU_RESV_MEM_MSI } };

#define VECTORS 3u

struct machine {
	struct viommu_device dev;
	struct viommu_pump pump;
	struct viommu_mmio mmio;
	struct viommu_register_queue mmio_queues[VIOMMU_QUEUE_COUNT];
	struct viommu_registers registers; /* of the PCI function */
	struct viommu_virtq_device queues[VIOMMU_QUEUE_COUNT];
	struct viommu_pci pci;
	struct viommu_register_queue pci_queues[VIOMMU_QUEUE_COUNT];
	struct viommu_pci_vector vectors[VECTORS];
	uint32_t told; /* how often the embedder was called by a transport */
	struct viommu_access accesses[ENDPOINTS];
	uint8_t memory[VIOMMU_DEVICE_MEM(ENDPOINTS, MAX_DOMAINS, NODES)];
	uint64_t pump_memory[2048];
};

struct world {
	uint8_t bytes[BYTES_MAX];
	size_t len;
};

static struct world the_world;
static struct machine source, target;
static uint8_t ram[RAM];
static struct viommu_memory_table table;
static const struct viommu_memory_region region = { 0, RAM - 1, ram, 3 };

enum verb {
	VERB_UP,
	VERB_ATTACH,
	VERB_DETACH,
	VERB_MAP,
	VERB_UNMAP,
	VERB_BYPASS,
	VERB_SAVE,
	VERB_NUMBER,
	VERB_RAW,
	VERB_CUT,
	VERB_MEND,
	VERB_RESTORE,
	VERB_STORE
};

enum kind {
	KIND_DEVICE,
	KIND_PUMP,
	KIND_MMIO,
	KIND_PCI
};

static const char *const kinds[] = { "device", "pump", "mmio", "pci" };

/* Where the driver of the source stores something. */
static const char *const places[] = { "mmio", "space", "bar0", "bar2" };

static const struct sim_ops_verb verbs[] = {
	{ "up", { SIM_OPS_ARG("status", SIM_OPS_U8, 0, NULL), SIM_OPS_ARG("queues", SIM_OPS_U8, 4, NULL) }, 6 },
	{ "attach",
	  { SIM_OPS_ARG("domain", SIM_OPS_U8, 6, NULL), SIM_OPS_ARG("endpoint", SIM_OPS_PICK, ENDPOINTS, ids),
	    SIM_OPS_ARG("flags", SIM_OPS_U8, 2, NULL) },
	  20 },
	{ "detach",
	  { SIM_OPS_ARG("domain", SIM_OPS_U8, 6, NULL), SIM_OPS_ARG("endpoint", SIM_OPS_PICK, ENDPOINTS, ids) },
	  4 },
	{ "map",
	  { SIM_OPS_ARG("domain", SIM_OPS_U8, 6, NULL), SIM_OPS_ARG("first", SIM_OPS_FIRST, 0, NULL),
	    SIM_OPS_ARG("last", SIM_OPS_LAST, 0, NULL), SIM_OPS_ARG("phys", SIM_OPS_FIRST, 0, NULL),
	    SIM_OPS_ARG("flags", SIM_OPS_U8, 8, NULL) },
	  30 },
	{ "unmap",
	  { SIM_OPS_ARG("domain", SIM_OPS_U8, 6, NULL), SIM_OPS_ARG("first", SIM_OPS_FIRST, 0, NULL),
	    SIM_OPS_ARG("last", SIM_OPS_LAST, 0, NULL) },
	  4 },
	{ "bypass", { SIM_OPS_ARG("value", SIM_OPS_U8, 3, NULL) }, 4 },
	{ "save", { SIM_OPS_ARG("kind", SIM_OPS_CHOICE, 4, kinds) }, 16 },
	{ "number",
	  { SIM_OPS_ARG("at", SIM_OPS_U16, 0, NULL), SIM_OPS_ARG("width", SIM_OPS_U8, 9, NULL),
	    SIM_OPS_ARG("value", SIM_OPS_U64, 0, NULL) },
	  40 },
	{ "raw", { SIM_OPS_ARG("bytes", SIM_OPS_BYTES, 64, NULL) }, 4 },
	{ "cut", { SIM_OPS_ARG("count", SIM_OPS_U16, 0, NULL) }, 4 },
	{ "mend", { SIM_OPS_NO_ARGS }, 20 },
	{ "restore",
	  { SIM_OPS_ARG("kind", SIM_OPS_CHOICE, 4, kinds), SIM_OPS_ARG("nodes", SIM_OPS_U16, 0, NULL),
	    SIM_OPS_ARG("limits", SIM_OPS_U8, 0, NULL) },
	  30 },
	{ "store",
	  { SIM_OPS_ARG("place", SIM_OPS_CHOICE, 4, places), SIM_OPS_ARG("offset", SIM_OPS_U16, 0x1000, NULL),
	    SIM_OPS_ARG("width", SIM_OPS_U8, 5, NULL), SIM_OPS_ARG("value", SIM_OPS_U64, 0, NULL) },
	  40 },
};

/* The embedder of both transports, and a device class that does nothing. */

static void set_line(void *ctx, bool high)
{
	(void)high;
	((struct machine *)ctx)->told++;
}

static void notify(void *ctx, uint32_t queue, uint32_t number)
{
	(void)ctx;
	(void)queue;
	(void)number;
}

static void msi(void *ctx, uint64_t address, uint32_t data)
{
	(void)address;
	(void)data;
	((struct machine *)ctx)->told++;
}

static void bars_changed(void *ctx)
{
	((struct machine *)ctx)->told++;
}

static const struct viommu_mmio_ops mmio_ops = { sizeof(mmio_ops), set_line, notify };
static const struct viommu_pci_ops pci_ops = { sizeof(pci_ops), msi, set_line, notify, bars_changed };

static uint64_t idle_features(void *ctx)
{
	(void)ctx;
	return 3;
}

static enum viommu_result idle_negotiate(void *ctx, uint64_t features)
{
	(void)ctx;
	(void)features;
	return VIOMMU_OK;
}

static void idle_config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	(void)ctx;
	(void)offset;
	memset(dst, 0, len);
}

static void idle_config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	(void)ctx;
	(void)offset;
	(void)src;
	(void)len;
}

static void idle_reset(void *ctx)
{
	(void)ctx;
}

static bool idle_is_settled(void *ctx)
{
	(void)ctx;
	return true;
}

static const struct viommu_register_class idle_class = {
	.size = sizeof(idle_class),
	.features = idle_features,
	.negotiate = idle_negotiate,
	.config_read = idle_config_read,
	.config_write = idle_config_write,
	.reset = idle_reset,
	.is_settled = idle_is_settled,
};

static void build_transports(struct machine *m)
{
	struct viommu_memory seam = { &viommu_memory_table_ops, &table };
	struct viommu_mmio_config mmio = VIOMMU_MMIO_CONFIG_INIT;
	struct viommu_pci_config pci = VIOMMU_PCI_CONFIG_INIT;
	struct viommu_registers_config registers = {
		.size = sizeof(registers),
		.queue_count = VIOMMU_QUEUE_COUNT,
		.queue_size_max = QUEUE_SIZE,
		.queues = m->queues,
		.device_class = &idle_class,
		.interrupts = &viommu_pci_interrupt_ops,
		.interrupt_ctx = &m->pci,
	};

	mmio.registers = viommu_pump_registers(&m->pump);
	mmio.queues = m->mmio_queues;
	mmio.ops = &mmio_ops;
	mmio.ops_ctx = m;
	SIM_OPS_CHECK(viommu_mmio_init(&m->mmio, &mmio) == VIOMMU_OK);
	for (uint32_t i = 0; i < VIOMMU_QUEUE_COUNT; i++)
		viommu_virtq_device_init(&m->queues[i], &seam);
	SIM_OPS_CHECK(viommu_registers_init(&m->registers, &registers) == VIOMMU_OK);
	pci.registers = &m->registers;
	pci.queues = m->pci_queues;
	pci.vectors = m->vectors;
	pci.vector_count = VECTORS;
	pci.ops = &pci_ops;
	pci.ops_ctx = m;
	SIM_OPS_CHECK(viommu_pci_init(&m->pci, &pci) == VIOMMU_OK);
	m->told = 0;
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | p[bytes];
	return value;
}

static void put(uint8_t *p, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++, value >>= 8)
		p[i] = (uint8_t)value;
}

static uint32_t checksum(const uint8_t *bytes, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (crc & 1) != 0 ? crc >> 1 ^ UINT32_C(0xedb88320) : crc >> 1;
	}
	return ~crc;
}

/* What an endpoint of the target can do, where that is less than the device: bits 1..0 say which one. */
#define LIMITS_OF 3u
#define LIMITS_GRANULE 4u /* 64 KiB */
#define LIMITS_RANGE 8u   /* from 64 KiB to 4 GiB */

static void build(struct machine *m, uint32_t nodes, uint64_t limits)
{
	struct viommu_device_config device = VIOMMU_DEVICE_CONFIG_INIT;
	struct viommu_pump_config pump = VIOMMU_PUMP_CONFIG_INIT;

	device.max_endpoints = ENDPOINTS;
	device.max_domains = MAX_DOMAINS;
	device.domain_last = 4;
	device.input_range.last = UINT64_C(0x7fffffffffffffff);
	SIM_OPS_CHECK(viommu_device_init(&m->dev, &device, m->memory,
					 VIOMMU_DEVICE_MEM(ENDPOINTS, MAX_DOMAINS, nodes)) == VIOMMU_OK);
	for (uint32_t i = 0; i < ENDPOINTS; i++) {
		struct viommu_endpoint_config config = VIOMMU_ENDPOINT_CONFIG_INIT;
		struct viommu_endpoint *handle;

		config.id = ids[i];
		config.regions = doorbell;
		config.region_count = i == 0;
		if ((limits & LIMITS_OF) == i && (limits & LIMITS_GRANULE) != 0)
			config.page_size_mask = 0x10000;
		if ((limits & LIMITS_OF) == i && (limits & LIMITS_RANGE) != 0) {
			config.flags = VIOMMU_ENDPOINT_F_INPUT_RANGE;
			config.input_range = (struct viommu_range){ 0x10000, UINT32_MAX };
		}
		SIM_OPS_CHECK(viommu_device_add_endpoint(&m->dev, &config, &handle) == VIOMMU_OK);
		viommu_access_init(&m->accesses[i], &m->dev, handle);
	}
	pump.queue_size_max = QUEUE_SIZE;
	pump.device = &m->dev;
	pump.memory = (struct viommu_memory){ &viommu_memory_table_ops, &table };
	pump.interrupts = &viommu_mmio_interrupt_ops;
	pump.interrupt_ctx = &m->mmio;
	SIM_OPS_CHECK(viommu_pump_init(&m->pump, &pump, m->pump_memory, sizeof(m->pump_memory)) == VIOMMU_OK);
	build_transports(m);
}

/* The naive reader, of a device alone */

struct naive {
	const uint8_t *part[4]; /* device, endpoints, domains, mappings */
	uint64_t len[4];
};

static bool naive_split(struct naive *n, const uint8_t *b, size_t len)
{
	static const char *const names[] = { "devi", "endp", "doma", "maps" };
	size_t at = 20;

	if (len < 24 || memcmp(b, "viommu\x1a\n", 8) != 0 || get(b + 12, 8) != len || get(b + 8, 4) != 1 ||
	    get(b + len - 4, 4) != checksum(b, len - 4))
		return false;
	for (unsigned i = 0; i < 4; i++) {
		if (len - 4 - at < 12 || memcmp(b + at, names[i], 4) != 0 || get(b + at + 4, 8) > len - 4 - at - 12)
			return false;
		n->part[i] = b + at + 12;
		n->len[i] = get(b + at + 4, 8);
		at += 12 + (size_t)n->len[i];
	}
	return at == len - 4 && n->len[0] == 56 && n->len[1] % 16 == 0 && n->len[2] % 16 == 0 && n->len[3] % 32 == 0;
}

static bool naive_is_mapping(const uint8_t *m)
{
	uint64_t first = get(m, 8), last = get(m + 8, 8), phys = get(m + 16, 8);

	return first % 4096 == 0 && last % 4096 == 4095 && phys % 4096 == 0 && first <= last && last >> 63 == 0 &&
	       phys + (last - first) >= phys && get(m + 24, 8) < 8;
}

/* The domain (a record) that this endpoint (a record) is in, its mappings, and how many, if there are so many. */
static const uint8_t *naive_domain(const struct naive *n, const uint8_t *e, const uint8_t **mappings, uint64_t *count)
{
	uint64_t before = 0;

	for (uint64_t d = 0; d < n->len[2] && get(e + 8, 4) == 1; d += 16) {
		uint64_t own = get(n->part[2] + d + 8, 8);

		*count = own == UINT64_MAX ? 0 : own;
		if (*count > n->len[3] / 32 - before)
			return NULL;
		*mappings = n->part[3] + 32 * before;
		if (get(n->part[2] + d, 4) == get(e + 4, 4))
			return n->part[2] + d;
		before += *count;
	}
	return NULL;
}

static const uint8_t *naive_endpoint(const struct naive *n, uint64_t id)
{
	for (uint64_t e = 0; e < n->len[1]; e += 16) {
		if (get(n->part[1] + e, 4) == id)
			return n->part[1] + e;
	}
	return NULL;
}

static bool naive_endpoints_are_good(const struct naive *n)
{
	for (uint64_t at = 0; at < n->len[1]; at += 16) {
		const uint8_t *e = n->part[1] + at, *m;
		uint64_t id = get(e, 4), count;

		if ((id != ids[0] && id != ids[1] && id != ids[2]) || (at > 0 && get(e - 16, 4) >= id))
			return false;
		if (get(e + 8, 4) == 0 ? get(e + 4, 4) != 0 : naive_domain(n, e, &m, &count) == NULL)
			return false;
		if ((id == ids[0]) != (get(e + 12, 4) != 0))
			return false;
	}
	return true;
}

/* What the endpoints that have a doorbell may not have mapped. */
static bool naive_doorbell_is_free(const struct naive *n)
{
	const uint8_t *e = naive_endpoint(n, ids[0]), *m;
	uint64_t count;

	if (e == NULL || naive_domain(n, e, &m, &count) == NULL)
		return true;
	for (uint64_t i = 0; i < count; i++, m += 32) {
		if (get(m, 8) <= 0xfeefffff && get(m + 8, 8) >= 0xfee00000)
			return false;
	}
	return true;
}

/* And what the endpoint that can do less can have mapped. */
static bool naive_limits_are_kept(const struct naive *n, uint64_t limits)
{
	const uint8_t *e = (limits & LIMITS_OF) < ENDPOINTS ? naive_endpoint(n, ids[limits & LIMITS_OF]) : NULL, *m;
	uint64_t count;

	if (e == NULL || naive_domain(n, e, &m, &count) == NULL)
		return true;
	for (uint64_t i = 0; i < count; i++, m += 32) {
		if ((limits & LIMITS_GRANULE) != 0 &&
		    (get(m, 8) % 0x10000 != 0 || get(m + 8, 8) % 0x10000 != 0xffff || get(m + 16, 8) % 0x10000 != 0))
			return false;
		if ((limits & LIMITS_RANGE) != 0 && (get(m, 8) < 0x10000 || get(m + 8, 8) > UINT32_MAX))
			return false;
	}
	return true;
}

/* The checksum of the doorbell and what the driver was shown are taken as `honest` bytes have them. */
static bool naive_accepts(const struct naive *n, const struct naive *honest)
{
	uint64_t left = n->len[3] / 32, at = 0;

	if (memcmp(n->part[0], honest->part[0], 44) != 0 || memcmp(n->part[0] + 45, honest->part[0] + 45, 3) != 0 ||
	    n->part[0][44] > 1 || (get(n->part[0] + 48, 8) & ~VIOMMU_DEVICE_FEATURES) != 0)
		return false;
	if (n->len[2] / 16 > MAX_DOMAINS || !naive_endpoints_are_good(n))
		return false;
	if (naive_endpoint(n, ids[0]) != NULL &&
	    get(naive_endpoint(n, ids[0]) + 12, 4) != get(naive_endpoint(honest, ids[0]) + 12, 4))
		return false;
	for (uint64_t d = 0; d < n->len[2]; d += 16) {
		const uint8_t *record = n->part[2] + d, *member = naive_endpoint(n, get(record + 4, 4));
		uint64_t count = get(record + 8, 8);

		if (count == UINT64_MAX)
			count = 0;
		if ((d > 0 && get(record - 16, 4) >= get(record, 4)) || get(record, 4) > 4 || count > left ||
		    member == NULL || get(member + 8, 4) != 1 || get(member + 4, 4) != get(record, 4))
			return false;
		left -= count;
		for (uint64_t i = 0; i < count; i++, at += 32) {
			if (!naive_is_mapping(n->part[3] + at) ||
			    (i > 0 && get(n->part[3] + at, 8) <= get(n->part[3] + at - 24, 8)))
				return false;
		}
	}
	return left == 0 && naive_doorbell_is_free(n);
}

/* Where a byte leads; false: a fault. */
static bool leads(struct machine *m, uint32_t index, uint64_t iova, uint32_t kind, uint64_t *gpa)
{
	struct viommu_translation t = { 0 };
	struct viommu_access_token token;
	struct viommu_wire_fault fault;
	enum viommu_result result;

	SIM_OPS_CHECK(viommu_access_begin(&m->accesses[index], &token) == VIOMMU_OK);
	result = viommu_access_translate(&m->accesses[index], iova, 1, kind, &t);
	viommu_access_end(&m->accesses[index], token);
	while (viommu_device_next_fault(&m->dev, &fault) == VIOMMU_OK)
		;
	*gpa = t.gpa;
	return result == VIOMMU_OK;
}

static void check_answers(struct machine *m, const struct naive *n)
{
	for (uint32_t i = 0; i < ENDPOINTS; i++) {
		const uint8_t *e = naive_endpoint(n, ids[i]), *mapping = NULL;
		uint64_t count = 0, gpa;
		const uint8_t *d = e != NULL ? naive_domain(n, e, &mapping, &count) : NULL;
		bool passes = d == NULL ? n->part[0][44] == 1 : get(d + 8, 8) == UINT64_MAX;

		if (d == NULL || passes)
			SIM_OPS_CHECK(leads(m, i, 0x12345, VIOMMU_ACCESS_READ, &gpa) == passes);
		for (uint64_t k = 0; k < count; k++, mapping += 32) {
			uint64_t first = get(mapping, 8), last = get(mapping + 8, 8), flags = get(mapping + 24, 8);
			bool reads = leads(m, i, last, VIOMMU_ACCESS_READ, &gpa);

			SIM_OPS_CHECK(reads == ((flags & VIOMMU_MAP_F_READ) != 0));
			SIM_OPS_CHECK(!reads || gpa == get(mapping + 16, 8) + (last - first));
			SIM_OPS_CHECK(leads(m, i, first, VIOMMU_ACCESS_WRITE, &gpa) ==
				      ((flags & VIOMMU_MAP_F_WRITE) != 0));
			if ((k + 1 == count || get(mapping + 32, 8) != last + 1) && (i != 0 || last + 1 != 0xfee00000))
				SIM_OPS_CHECK(!leads(m, i, last + 1, VIOMMU_ACCESS_READ, &gpa));
		}
	}
}

/* Restoring */

/* A copy at the end of a block. */
static uint8_t *place(const struct world *w)
{
	static uint8_t block[BYTES_MAX];

	memcpy(block + BYTES_MAX - w->len, w->bytes, w->len);
	return block + BYTES_MAX - w->len;
}

static size_t save_device(struct machine *m, uint8_t *out)
{
	size_t len;

	SIM_OPS_CHECK(viommu_device_save_size(&m->dev) <= BYTES_MAX);
	SIM_OPS_CHECK(viommu_device_save(&m->dev, out, BYTES_MAX, &len) == VIOMMU_OK);
	SIM_OPS_CHECK(len == viommu_device_save_size(&m->dev));
	return len;
}

/* A reset of the driver gets everything back: nodes as well. */
static void check_reset(struct machine *m)
{
	viommu_registers_set_status(&m->pump.registers, 0);
	SIM_OPS_CHECK(viommu_registers_get_status(&m->pump.registers) == 0);
	(void)viommu_device_process(&m->dev, UINT32_MAX);
	SIM_OPS_CHECK(viommu_map_pool_free(&m->dev.pool) == viommu_map_pool_total(&m->dev.pool));
	SIM_OPS_CHECK(viommu_pump_check(&m->pump));
}

static void run_restore(struct world *w, bool pump, uint32_t nodes, uint64_t limits)
{
	static uint8_t before[BYTES_MAX], after[BYTES_MAX];
	static uint8_t ram_before[RAM];
	uint8_t *bytes = place(w);
	struct naive n, honest;
	enum viommu_result result;
	size_t before_len, after_len;
	bool good;

	build(&target, nodes, limits);
	before_len = save_device(&target, before);
	SIM_OPS_CHECK(naive_split(&honest, before, before_len));
	memcpy(ram_before, ram, sizeof(ram));
	good = naive_split(&n, bytes, w->len) && naive_accepts(&n, &honest) && naive_limits_are_kept(&n, limits);
	result = pump ? viommu_pump_restore(&target.pump, bytes, w->len)
		      : viommu_device_restore(&target.dev, bytes, w->len);
	SIM_OPS_CHECK(viommu_pump_check(&target.pump));
	SIM_OPS_CHECK(memcmp(ram, ram_before, sizeof(ram)) == 0);
	if (!pump)
		SIM_OPS_CHECK((result == VIOMMU_OK) == good || (good && nodes < NODES && result == VIOMMU_E_NOMEM));
	after_len = save_device(&target, after);
	if (result != VIOMMU_OK) {
		SIM_OPS_CHECK(after_len == before_len && memcmp(before, after, before_len) == 0);
		SIM_OPS_CHECK(viommu_registers_get_status(&target.pump.registers) == 0);
		SIM_OPS_CHECK(viommu_map_pool_free(&target.dev.pool) == viommu_map_pool_total(&target.dev.pool));
		return;
	}
	SIM_OPS_CHECK(naive_split(&n, after, after_len));
	check_answers(&target, &n);
	if (!pump) {
		/* What the endpoints see is what the bytes said, too, not only what the device says of itself. */
		SIM_OPS_CHECK(naive_split(&n, bytes, w->len));
		check_answers(&target, &n);
	}
	for (unsigned i = 0; i < 4; i++)
		(void)viommu_pump_process(&target.pump, 64);
	SIM_OPS_CHECK(viommu_pump_check(&target.pump));
	check_reset(&target);
}

static size_t save_transport(struct machine *m, bool pci, uint8_t *out)
{
	uint64_t size = pci ? viommu_pci_save_size(&m->pci) : viommu_mmio_save_size(&m->mmio);
	size_t len;

	SIM_OPS_CHECK(size <= BYTES_MAX);
	SIM_OPS_CHECK((pci ? viommu_pci_save(&m->pci, out, BYTES_MAX, &len)
			   : viommu_mmio_save(&m->mmio, out, BYTES_MAX, &len)) == VIOMMU_OK);
	SIM_OPS_CHECK(len == size);
	return len;
}

/* In a snapshot of a PCI function, where the generation of the configuration is, which a reset does not touch. */
#define PCI_GENERATION 288u

static void run_restore_transport(struct world *w, bool pci)
{
	static uint8_t before[BYTES_MAX], after[BYTES_MAX];
	uint8_t *bytes = place(w);
	enum viommu_result result;
	size_t len;

	build(&target, NODES, 0);
	len = save_transport(&target, pci, before);
	result =
		pci ? viommu_pci_restore(&target.pci, bytes, w->len) : viommu_mmio_restore(&target.mmio, bytes, w->len);
	SIM_OPS_CHECK(viommu_pci_check(&target.pci) && viommu_mmio_check(&target.mmio));
	SIM_OPS_CHECK(save_transport(&target, pci, after) == len);
	if (result != VIOMMU_OK) {
		SIM_OPS_CHECK(memcmp(before, after, len) == 0 && target.told == 0);
		return;
	}
	SIM_OPS_CHECK(w->len == len && memcmp(bytes, after, len) == 0);
	if (pci) {
		viommu_pci_reset(&target.pci);
		put(after + PCI_GENERATION, 8, 0);
		memcpy(before + PCI_GENERATION, after + PCI_GENERATION, 8);
		SIM_OPS_CHECK(save_transport(&target, pci, after) == len);
		put(after + PCI_GENERATION, 8, 0);
	} else {
		viommu_mmio_write(&target.mmio, VIOMMU_MMIO_STATUS, 4, 0);
		SIM_OPS_CHECK(save_transport(&target, pci, after) == len);
	}
	SIM_OPS_CHECK(memcmp(before, after, len - 4) == 0);
}

/* The source */

static void run_store(const struct sim_ops_op *op)
{
	uint32_t offset = (uint32_t)op->arg[1], width = (uint32_t)op->arg[2];

	switch (op->arg[0]) {
	case 0:
		viommu_mmio_write(&source.mmio, offset, width, op->arg[3]);
		break;
	case 1:
		viommu_pci_config_write(&source.pci, offset, width, (uint32_t)op->arg[3]);
		break;
	case 2:
		viommu_pci_bar_write(&source.pci, VIOMMU_PCI_BAR_VIRTIO, offset, width, op->arg[3]);
		break;
	default:
		viommu_pci_bar_write(&source.pci, VIOMMU_PCI_BAR_MSIX, offset, width, op->arg[3]);
		break;
	}
}

static void submit(const struct viommu_wire_request *r)
{
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX], tail[4];
	struct viommu_segment readable = { bytes, 0, 0 }, writable = { tail, sizeof(tail), 0 };
	struct viommu_request request = { .readable = &readable, .writable = &writable };

	if (source.dev.domain_ids.count > 0 && viommu_device_save_size(&source.dev) > BYTES_MAX / 2)
		return;
	readable.len = viommu_wire_request_encode(r, bytes, sizeof(bytes));
	request.readable_count = 1;
	request.writable_count = 1;
	SIM_OPS_CHECK(viommu_device_submit(&source.dev, &request) == VIOMMU_OK);
	SIM_OPS_CHECK(request.state == VIOMMU_REQUEST_DONE);
}

static void run_up(uint8_t status, uint64_t queues)
{
	struct viommu_registers *regs = &source.pump.registers;

	viommu_registers_set_status(regs, VIOMMU_STATUS_ACKNOWLEDGE | VIOMMU_STATUS_DRIVER);
	viommu_registers_set_features(regs, VIOMMU_F_VERSION_1 | VIOMMU_F_EVENT_IDX | VIOMMU_DEVICE_FEATURES);
	viommu_registers_set_status(regs, VIOMMU_STATUS_FEATURES_OK);
	for (uint32_t i = 0; i < 2; i++) {
		struct viommu_virtq_layout layout = { QUEUE_SIZE, i * 0x1000, i * 0x1000 + 0x400, i * 0x1000 + 0x800,
						      0 };

		if ((queues >> i & 1) != 0)
			(void)!viommu_registers_queue_enable(regs, i, &layout);
	}
	if (status != 0)
		viommu_registers_set_status(regs, status);
}

static void run_save(struct world *w, enum kind kind)
{
	size_t len;

	if (kind == KIND_DEVICE) {
		w->len = save_device(&source, w->bytes);
		return;
	}
	if (kind != KIND_PUMP) {
		/* With what an interrupt leaves behind. */
		viommu_registers_interrupt(&source.registers, 0);
		viommu_registers_interrupt(viommu_pump_registers(&source.pump), 0);
		w->len = save_transport(&source, kind == KIND_PCI, w->bytes);
		return;
	}
	SIM_OPS_CHECK(viommu_pump_save_size(&source.pump) <= BYTES_MAX);
	SIM_OPS_CHECK(viommu_pump_save(&source.pump, w->bytes, BYTES_MAX, &len) == VIOMMU_OK);
	w->len = len;
}

static void *begin(void)
{
	memset(&the_world, 0, sizeof(the_world));
	memset(ram, 0, sizeof(ram));
	SIM_OPS_CHECK(viommu_memory_table_init(&table, &region, 1) == VIOMMU_OK);
	build(&source, NODES, 0);
	run_up(0, 0);
	return &the_world;
}

static void run(void *world, const struct sim_ops_op *op)
{
	struct world *w = world;
	struct viommu_wire_request r = { 0 };
	uint8_t value;

	switch ((enum verb)op->verb) {
	case VERB_UP:
		run_up((uint8_t)op->arg[0], op->arg[1]);
		break;
	case VERB_ATTACH:
		r.type = VIOMMU_T_ATTACH;
		r.u.attach.domain = (uint32_t)op->arg[0];
		r.u.attach.endpoint = (uint32_t)op->arg[1];
		r.u.attach.flags = (uint32_t)op->arg[2];
		submit(&r);
		break;
	case VERB_DETACH:
		r.type = VIOMMU_T_DETACH;
		r.u.detach.domain = (uint32_t)op->arg[0];
		r.u.detach.endpoint = (uint32_t)op->arg[1];
		submit(&r);
		break;
	case VERB_MAP:
		r.type = VIOMMU_T_MAP;
		r.u.map.domain = (uint32_t)op->arg[0];
		r.u.map.virt_start = op->arg[1];
		r.u.map.virt_end = op->arg[2];
		r.u.map.phys_start = op->arg[3];
		r.u.map.flags = (uint32_t)op->arg[4];
		submit(&r);
		break;
	case VERB_UNMAP:
		r.type = VIOMMU_T_UNMAP;
		r.u.unmap.domain = (uint32_t)op->arg[0];
		r.u.unmap.virt_start = op->arg[1];
		r.u.unmap.virt_end = op->arg[2];
		submit(&r);
		break;
	case VERB_BYPASS:
		value = (uint8_t)op->arg[0];
		viommu_device_config_write(&source.dev, VIOMMU_WIRE_CONFIG_BYPASS, &value, 1);
		break;
	case VERB_SAVE:
		run_save(w, (enum kind)op->arg[0]);
		break;
	case VERB_NUMBER:
		if (w->len > 8)
			put(w->bytes + op->arg[0] % (w->len - 8), (unsigned)op->arg[1], op->arg[2]);
		break;
	case VERB_RAW:
		if (op->len <= BYTES_MAX - w->len) {
			memcpy(w->bytes + w->len, op->bytes, op->len);
			w->len += op->len;
		}
		break;
	case VERB_CUT:
		w->len -= op->arg[0] < w->len ? (size_t)op->arg[0] : w->len;
		break;
	case VERB_MEND:
		if (w->len >= 24) {
			put(w->bytes + 12, 8, w->len);
			put(w->bytes + w->len - 4, 4, checksum(w->bytes, w->len - 4));
		}
		break;
	case VERB_STORE:
		run_store(op);
		break;
	case VERB_RESTORE:
		if (op->arg[0] == KIND_MMIO || op->arg[0] == KIND_PCI) {
			run_restore_transport(w, op->arg[0] == KIND_PCI);
			break;
		}
		run_restore(w, op->arg[0] == 1, op->arg[1] < NODES ? (uint32_t)op->arg[1] : NODES, op->arg[2]);
		break;
	}
}

const struct sim_ops_target sim_ops_snapshot = {
	.name = "snapshot",
	.verbs = verbs,
	.verb_count = sizeof(verbs) / sizeof(verbs[0]),
	.begin = begin,
	.run = run,
};
