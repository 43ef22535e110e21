/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bare.c: the floor. The protocol is kept, barriers included, but nothing is copied and nothing is checked: whatever
 * the other side says is believed, and a chain has one readable and one writable piece. Not for use.
 */
#include "split.h"

struct bare {
	struct split_desc *desc;
	struct split_avail *avail;
	struct split_used *used;
	struct split_desc (*tables)[SPLIT_TABLE]; /* NULL: direct chains */
	uint64_t tables_addr;
	uint8_t *base; /* of the driver's memory */
	uint64_t addr;
	void *tokens[BENCH_RING_SIZE];
	uint16_t free_head;
	uint16_t avail_idx;
	uint16_t avail_published;
	uint16_t used_idx;
	bool event_idx;
};

static struct bare *bare_open(const struct bench_ring_memory *memory, const struct viommu_virtq_layout *layout)
{
	const size_t tables = sizeof(struct split_desc) * BENCH_RING_SIZE;
	struct bare *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->base = memory->base;
	b->addr = memory->addr;
	b->desc = (void *)(memory->base + (layout->desc - memory->addr));
	b->avail = (void *)(memory->base + (layout->avail - memory->addr));
	b->used = (void *)(memory->base + (layout->used - memory->addr));
	if ((layout->features & VIOMMU_F_INDIRECT_DESC) != 0)
		b->tables = (void *)(memory->base + tables);
	b->tables_addr = memory->addr + tables;
	b->event_idx = (layout->features & VIOMMU_F_EVENT_IDX) != 0;
	return b;
}

static void *bare_driver_open(const struct bench_ring_memory *memory, uint64_t features,
			      struct viommu_virtq_layout *layout)
{
	const size_t avail = sizeof(struct split_desc) * BENCH_RING_SIZE * (1 + SPLIT_TABLE);
	struct bare *b;

	memset(memory->base, 0, VIOMMU_VIRTQ_DRIVER_SHARED(BENCH_RING_SIZE));
	*layout = (struct viommu_virtq_layout){ .size = BENCH_RING_SIZE,
						.desc = memory->addr,
						.avail = memory->addr + avail,
						.used = memory->addr + VIOMMU_VIRTQ_DRIVER_USED_AT(BENCH_RING_SIZE),
						.features = features };
	b = bare_open(memory, layout);
	if (b == NULL)
		return NULL;
	for (uint16_t i = 0; i < BENCH_RING_SIZE; i++)
		b->desc[i].next = viommu_port_le16((uint16_t)(i + 1));
	return b;
}

static inline void bare_fill(struct split_desc *d, const struct viommu_bus_segment *piece, uint16_t flags)
{
	d->addr = viommu_port_le64(piece->addr);
	d->len = viommu_port_le32(piece->len);
	d->flags = viommu_port_le16(flags);
}

static enum viommu_result bare_add(void *driver, const struct viommu_bus_segment *pieces, uint32_t readable,
				   uint32_t writable, void *token)
{
	struct bare *b = driver;
	const uint16_t head = b->free_head;
	struct split_desc *first = &b->desc[head];
	uint16_t next = viommu_port_le16(first->next);

	(void)readable;
	(void)writable;
	if (b->tables != NULL) {
		struct split_desc *table = b->tables[head];

		bare_fill(&table[0], &pieces[0], SPLIT_NEXT);
		table[0].next = viommu_port_le16(1);
		bare_fill(&table[1], &pieces[1], SPLIT_WRITE);
		first->addr = viommu_port_le64(b->tables_addr + sizeof(*b->tables) * head);
		first->len = viommu_port_le32(2 * sizeof(*first));
		first->flags = viommu_port_le16(SPLIT_INDIRECT);
	} else {
		bare_fill(first, &pieces[0], SPLIT_NEXT);
		bare_fill(&b->desc[next], &pieces[1], SPLIT_WRITE);
		next = viommu_port_le16(b->desc[next].next);
	}
	b->free_head = next;
	b->tokens[head] = token;
	b->avail->ring[b->avail_idx % BENCH_RING_SIZE] = viommu_port_le16(head);
	b->avail_idx++;
	return VIOMMU_OK;
}

static bool bare_publish(void *driver)
{
	struct bare *b = driver;
	const uint16_t before = b->avail_published;

	b->avail_published = b->avail_idx;
	viommu_port_store16_release(&b->avail->idx, b->avail_idx);
	viommu_port_fence();
	if (b->event_idx)
		return split_passed(viommu_port_load16(&b->used->avail_event), before, b->avail_idx);
	return (viommu_port_load16(&b->used->flags) & SPLIT_QUIET) == 0;
}

static enum viommu_result bare_pop(void *driver, void **token, uint32_t *written)
{
	struct bare *b = driver;
	const struct split_used_entry *entry = &b->used->ring[b->used_idx % BENCH_RING_SIZE];
	uint16_t head, last;

	if (viommu_port_load16_acquire(&b->used->idx) == b->used_idx)
		return VIOMMU_E_EMPTY;
	head = (uint16_t)viommu_port_load32(&entry->id);
	*written = viommu_port_load32(&entry->len);
	last = b->tables != NULL ? head : viommu_port_le16(b->desc[head].next);
	b->desc[last].next = viommu_port_le16(b->free_head);
	b->free_head = head;
	b->used_idx++;
	*token = b->tokens[head];
	return VIOMMU_OK;
}

const struct bench_driver_ops bench_bare_driver = {
	.open = bare_driver_open,
	.close = free,
	.add = bare_add,
	.publish = bare_publish,
	.pop = bare_pop,
};

static void *bare_device_open(const struct bench_ring_memory *memory, const struct viommu_virtq_layout *layout)
{
	return bare_open(memory, layout);
}

static inline uint8_t *bare_host(const struct bare *b, uint64_t addr)
{
	return b->base + (viommu_port_le64(addr) - b->addr);
}

static uint32_t bare_serve(void *device, bool *interrupt)
{
	struct bare *b = device;
	const uint16_t before = b->used_idx;
	uint32_t n = 0;

	while (viommu_port_load16_acquire(&b->avail->idx) != b->avail_idx) {
		const uint16_t head = viommu_port_load16(&b->avail->ring[b->avail_idx % BENCH_RING_SIZE]);
		struct split_used_entry *entry = &b->used->ring[b->used_idx % BENCH_RING_SIZE];
		const struct split_desc *table = b->desc;
		const struct split_desc *request = &table[head];
		const struct split_desc *tail;
		uint8_t answer[BENCH_RING_TAIL] = { 0 };

		if (b->tables != NULL) {
			table = (const void *)bare_host(b, request->addr);
			request = table;
		}
		tail = &table[viommu_port_le16(request->next)];
		answer[0] = bench_ring_execute(bare_host(b, request->addr), viommu_port_le32(request->len));
		memcpy(bare_host(b, tail->addr), answer, sizeof answer);
		viommu_port_store32(&entry->id, head);
		viommu_port_store32(&entry->len, BENCH_RING_TAIL);
		b->avail_idx++;
		b->used_idx++;
		n++;
	}
	*interrupt = false;
	if (n == 0)
		return 0;
	viommu_port_store16_release(&b->used->idx, b->used_idx);
	viommu_port_fence();
	*interrupt = b->event_idx ? split_passed(viommu_port_load16(&b->avail->used_event), before, b->used_idx)
				  : (viommu_port_load16(&b->avail->flags) & SPLIT_QUIET) == 0;
	return n;
}

static bool bare_arm(void *device)
{
	struct bare *b = device;

	if (b->event_idx) {
		viommu_port_store16(&b->used->avail_event, b->avail_idx);
		viommu_port_fence();
	}
	return viommu_port_load16_acquire(&b->avail->idx) != b->avail_idx;
}

const struct bench_device_ops bench_bare_device = {
	.open = bare_device_open,
	.close = free,
	.serve = bare_serve,
	.arm = bare_arm,
};
