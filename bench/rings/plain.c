/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plain.c: the halves that one writes after reading the specification once: structs over shared memory, descriptors
 * read and linked where they are, requests parsed where they are. Both check what a machine monitor or a kernel has to
 * check so as not to be led astray by a broken other side, but what they checked may change before they use it.
 *
 * The device comes in two kinds: `copying` is the same, only that each descriptor and the request are copied first.
 */
#include "split.h"

struct plain_driver {
	struct split_desc *desc;
	struct split_avail *avail;
	struct split_used *used;
	struct split_desc (*tables)[SPLIT_TABLE]; /* NULL: INDIRECT_DESC was not negotiated */
	uint64_t tables_addr;
	void *tokens[BENCH_RING_SIZE];
	uint16_t free_head;
	uint16_t free_count;
	uint16_t added;
	uint16_t published;
	uint16_t seen;
	bool event_idx;
};

static void *plain_driver_open(const struct bench_ring_memory *memory, uint64_t features,
			       struct viommu_virtq_layout *layout)
{
	const size_t tables = sizeof(struct split_desc) * BENCH_RING_SIZE;
	const size_t avail = tables * (1 + SPLIT_TABLE);
	const size_t used = VIOMMU_VIRTQ_DRIVER_USED_AT(BENCH_RING_SIZE);
	struct plain_driver *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	memset(memory->base, 0, VIOMMU_VIRTQ_DRIVER_SHARED(BENCH_RING_SIZE));
	d->desc = (struct split_desc *)memory->base;
	d->avail = (struct split_avail *)(memory->base + avail);
	d->used = (struct split_used *)(memory->base + used);
	if ((features & VIOMMU_F_INDIRECT_DESC) != 0)
		d->tables = (struct split_desc(*)[SPLIT_TABLE])(memory->base + tables);
	d->tables_addr = memory->addr + tables;
	d->free_count = BENCH_RING_SIZE;
	d->event_idx = (features & VIOMMU_F_EVENT_IDX) != 0;
	for (uint16_t i = 0; i < BENCH_RING_SIZE; i++)
		d->desc[i].next = viommu_port_le16((uint16_t)(i + 1));
	*layout = (struct viommu_virtq_layout){ .size = BENCH_RING_SIZE,
						.desc = memory->addr,
						.avail = memory->addr + avail,
						.used = memory->addr + used,
						.features = features };
	return d;
}

/* All but the link to the next one. */
static inline void plain_fill(struct split_desc *d, const struct viommu_bus_segment *piece, bool writable, bool last)
{
	d->addr = viommu_port_le64(piece->addr);
	d->len = viommu_port_le32(piece->len);
	d->flags = viommu_port_le16((uint16_t)((writable ? SPLIT_WRITE : 0) | (last ? 0 : SPLIT_NEXT)));
}

static void plain_add_indirect(struct plain_driver *d, const struct viommu_bus_segment *pieces, uint32_t readable,
			       uint32_t count)
{
	struct split_desc *table = d->tables[d->free_head];
	struct split_desc *head = &d->desc[d->free_head];

	for (uint32_t i = 0; i < count; i++) {
		plain_fill(&table[i], &pieces[i], i >= readable, i + 1 == count);
		table[i].next = viommu_port_le16((uint16_t)(i + 1));
	}
	head->addr = viommu_port_le64(d->tables_addr + sizeof(*d->tables) * d->free_head);
	head->len = viommu_port_le32((uint32_t)sizeof(*head) * count);
	head->flags = viommu_port_le16(SPLIT_INDIRECT);
	d->free_head = viommu_port_le16(head->next);
	d->free_count--;
}

static enum viommu_result plain_driver_add(void *driver, const struct viommu_bus_segment *pieces, uint32_t readable,
					   uint32_t writable, void *token)
{
	struct plain_driver *d = driver;
	const uint32_t count = readable + writable;
	const uint16_t head = d->free_head;

	if (count == 0 || count > BENCH_RING_SIZE)
		return VIOMMU_E_ARG;
	if (d->tables != NULL && count > 1 && count <= SPLIT_TABLE) {
		if (d->free_count == 0)
			return VIOMMU_E_FULL;
		plain_add_indirect(d, pieces, readable, count);
	} else {
		if (d->free_count < count)
			return VIOMMU_E_FULL;
		for (uint32_t i = 0; i < count; i++) {
			struct split_desc *desc = &d->desc[d->free_head];

			plain_fill(desc, &pieces[i], i >= readable, i + 1 == count);
			d->free_head = viommu_port_le16(desc->next);
		}
		d->free_count = (uint16_t)(d->free_count - count);
	}
	d->tokens[head] = token;
	d->avail->ring[d->added % BENCH_RING_SIZE] = viommu_port_le16(head);
	d->added++;
	return VIOMMU_OK;
}

static bool plain_driver_publish(void *driver)
{
	struct plain_driver *d = driver;
	const uint16_t before = d->published;

	d->published = d->added;
	viommu_port_store16_release(&d->avail->idx, d->published);
	viommu_port_fence();
	if (d->event_idx)
		return split_passed(viommu_port_load16(&d->used->avail_event), before, d->published);
	return (viommu_port_load16(&d->used->flags) & SPLIT_QUIET) == 0;
}

static enum viommu_result plain_driver_pop(void *driver, void **token, uint32_t *written)
{
	struct plain_driver *d = driver;
	const struct split_used_entry *entry;
	uint16_t head, last;
	uint32_t id;

	if (viommu_port_load16_acquire(&d->used->idx) == d->seen)
		return VIOMMU_E_EMPTY;
	entry = &d->used->ring[d->seen % BENCH_RING_SIZE];
	id = viommu_port_load32(&entry->id);
	*written = viommu_port_load32(&entry->len);
	if (id >= BENCH_RING_SIZE || d->tokens[id] == NULL)
		return VIOMMU_E_BROKEN;
	*token = d->tokens[id];
	d->tokens[id] = NULL;
	head = last = (uint16_t)id;
	d->free_count++;
	while ((viommu_port_le16(d->desc[last].flags) & SPLIT_NEXT) != 0) {
		last = viommu_port_le16(d->desc[last].next);
		d->free_count++;
	}
	d->desc[last].next = viommu_port_le16(d->free_head);
	d->free_head = head;
	d->seen++;
	return VIOMMU_OK;
}

const struct bench_driver_ops bench_plain_driver = {
	.open = plain_driver_open,
	.close = free,
	.add = plain_driver_add,
	.publish = plain_driver_publish,
	.pop = plain_driver_pop,
};

struct plain_piece {
	uint8_t *base;
	uint32_t len;
};

struct plain_device {
	struct bench_ring_memory memory;
	const struct split_desc *desc;
	const struct split_avail *avail;
	struct split_used *used;
	uint16_t taken;
	uint16_t done;
	bool event_idx;
	bool indirect;
	bool broken;
	/* The chain at hand. */
	struct plain_piece pieces[BENCH_RING_SIZE];
	uint32_t readable;
	uint32_t writable;
};

static void *plain_device_open(const struct bench_ring_memory *memory, const struct viommu_virtq_layout *layout)
{
	struct plain_device *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->memory = *memory;
	d->desc = (const void *)split_host(memory, layout->desc, VIOMMU_VIRTQ_DESC_SIZE(BENCH_RING_SIZE));
	d->avail = (const void *)split_host(memory, layout->avail, VIOMMU_VIRTQ_AVAIL_SIZE(BENCH_RING_SIZE));
	d->used = (void *)split_host(memory, layout->used, VIOMMU_VIRTQ_USED_SIZE(BENCH_RING_SIZE));
	d->event_idx = (layout->features & VIOMMU_F_EVENT_IDX) != 0;
	d->indirect = (layout->features & VIOMMU_F_INDIRECT_DESC) != 0;
	if (layout->size == BENCH_RING_SIZE && d->desc != NULL && d->avail != NULL && d->used != NULL)
		return d;
	free(d);
	return NULL;
}

/* The descriptor where it is, or, copying, a copy of it. */
static inline const struct split_desc *plain_fetch(const struct split_desc *desc, struct split_desc *copy, bool copying)
{
	uint64_t low, high;

	if (!copying)
		return desc;
	viommu_port_load_pair(desc, &low, &high);
	*copy = (struct split_desc){ viommu_port_le64(low), viommu_port_le32((uint32_t)high),
				     viommu_port_le16((uint16_t)(high >> 32)),
				     viommu_port_le16((uint16_t)(high >> 48)) };
	return copy;
}

/* Finds the pieces of a chain. False: there is something wrong with it. */
static inline __attribute__((always_inline)) bool plain_walk(struct plain_device *d, uint16_t head, bool copying)
{
	const struct split_desc *table = d->desc;
	uint32_t entries = BENCH_RING_SIZE;
	struct split_desc copy;
	const struct split_desc *desc = plain_fetch(&table[head], &copy, copying);
	uint32_t count = 0;

	d->readable = 0;
	d->writable = 0;
	if ((viommu_port_le16(desc->flags) & SPLIT_INDIRECT) != 0) {
		const uint32_t len = viommu_port_le32(desc->len);

		if (!d->indirect || len % sizeof(*desc) != 0)
			return false;
		table = (const void *)split_host(&d->memory, viommu_port_le64(desc->addr), len);
		if (table == NULL)
			return false;
		entries = len / sizeof(*desc);
		desc = plain_fetch(&table[0], &copy, copying);
	}
	for (;;) {
		const uint32_t len = viommu_port_le32(desc->len);
		uint8_t *base = split_host(&d->memory, viommu_port_le64(desc->addr), len);
		uint16_t next;

		if (base == NULL || count == BENCH_RING_SIZE || (viommu_port_le16(desc->flags) & SPLIT_INDIRECT) != 0)
			return false;
		d->pieces[count++] = (struct plain_piece){ base, len };
		if ((viommu_port_le16(desc->flags) & SPLIT_WRITE) != 0)
			d->writable++;
		else if (d->writable > 0)
			return false;
		else
			d->readable++;
		if ((viommu_port_le16(desc->flags) & SPLIT_NEXT) == 0)
			return true;
		next = viommu_port_le16(desc->next);
		if (next >= entries)
			return false;
		desc = plain_fetch(&table[next], &copy, copying);
	}
}

static inline uint32_t plain_gather(const struct plain_device *d, uint8_t bytes[BENCH_RING_REQUEST])
{
	uint32_t len = 0;

	/* Hardly any driver cuts a request, and a length that the compiler knows makes a few loads and stores of it. */
	if (d->pieces[0].len >= BENCH_RING_REQUEST) {
		viommu_port_copy_in(bytes, d->pieces[0].base, BENCH_RING_REQUEST);
		return BENCH_RING_REQUEST;
	}
	for (uint32_t i = 0; i < d->readable && len < BENCH_RING_REQUEST; i++) {
		uint32_t n = d->pieces[i].len;

		if (n > BENCH_RING_REQUEST - len)
			n = BENCH_RING_REQUEST - len;
		viommu_port_copy_in(bytes + len, d->pieces[i].base, n);
		len += n;
	}
	return len;
}

/* Returns the bytes written. */
static inline __attribute__((always_inline)) uint32_t plain_answer(const struct plain_device *d, bool copying)
{
	const struct plain_piece *tail = &d->pieces[d->readable];
	const uint8_t *request = d->pieces[0].base;
	uint32_t len = d->pieces[0].len;
	uint8_t answer[BENCH_RING_TAIL] = { 0 };
	uint8_t bytes[BENCH_RING_REQUEST];

	if (d->readable == 0 || d->writable != 1 || tail->len < sizeof answer)
		return 0;
	if (copying || d->readable > 1) {
		len = plain_gather(d, bytes);
		request = bytes;
	}
	answer[0] = bench_ring_execute(request, len);
	memcpy(tail->base, answer, sizeof answer);
	return sizeof answer;
}

static inline __attribute__((always_inline)) uint32_t plain_serve(struct plain_device *d, bool *interrupt, bool copying)
{
	const uint16_t before = d->done;
	uint32_t n = 0;

	while (!d->broken) {
		const uint16_t waiting = (uint16_t)(viommu_port_load16_acquire(&d->avail->idx) - d->taken);
		struct split_used_entry *entry;
		uint32_t written;
		uint16_t head;

		if (waiting == 0)
			break;
		head = viommu_port_load16(&d->avail->ring[d->taken % BENCH_RING_SIZE]);
		if (waiting > BENCH_RING_SIZE || head >= BENCH_RING_SIZE) {
			d->broken = true;
			break;
		}
		d->taken++;
		written = plain_walk(d, head, copying) ? plain_answer(d, copying) : 0;
		entry = &d->used->ring[d->done % BENCH_RING_SIZE];
		viommu_port_store32(&entry->id, head);
		viommu_port_store32(&entry->len, written);
		d->done++;
		viommu_port_store16_release(&d->used->idx, d->done);
		n++;
	}
	*interrupt = false;
	if (n == 0)
		return 0;
	viommu_port_fence();
	*interrupt = d->event_idx ? split_passed(viommu_port_load16(&d->avail->used_event), before, d->done)
				  : (viommu_port_load16(&d->avail->flags) & SPLIT_QUIET) == 0;
	return n;
}

static uint32_t plain_serve_in_place(void *device, bool *interrupt)
{
	return plain_serve(device, interrupt, false);
}

static uint32_t plain_serve_copying(void *device, bool *interrupt)
{
	return plain_serve(device, interrupt, true);
}

static bool plain_device_arm(void *device)
{
	struct plain_device *d = device;

	if (d->broken)
		return false;
	if (d->event_idx) {
		viommu_port_store16(&d->used->avail_event, d->taken);
		viommu_port_fence();
	}
	return viommu_port_load16_acquire(&d->avail->idx) != d->taken;
}

const struct bench_device_ops bench_in_place_device = {
	.open = plain_device_open,
	.close = free,
	.serve = plain_serve_in_place,
	.arm = plain_device_arm,
};

const struct bench_device_ops bench_copying_device = {
	.open = plain_device_open,
	.close = free,
	.serve = plain_serve_copying,
	.arm = plain_device_arm,
};
