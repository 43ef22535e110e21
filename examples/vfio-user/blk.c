/* SPDX-License-Identifier: BSD-3-Clause */
/* blk.c: the block device's queue. */
#define _GNU_SOURCE
#include "blk.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512u
#define HEADER_SIZE 16u
#define RANGE_SIZE 16u
#define ID_SIZE 20u
#define BUDGET 64u

/* "Block Device": features, types of requests, statuses */
#define F_SEG_MAX (UINT64_C(1) << 2)
#define F_BLK_SIZE (UINT64_C(1) << 6)
#define F_FLUSH (UINT64_C(1) << 9)
#define F_DISCARD (UINT64_C(1) << 13)
#define F_WRITE_ZEROES (UINT64_C(1) << 14)
#define FEATURES (F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_DISCARD | F_WRITE_ZEROES | VIOMMU_F_ACCESS_PLATFORM)

enum {
	TYPE_IN = 0,
	TYPE_OUT = 1,
	TYPE_FLUSH = 4,
	TYPE_GET_ID = 8,
	TYPE_DISCARD = 11,
	TYPE_WRITE_ZEROES = 13
};

enum {
	STATUS_OK,
	STATUS_IOERR,
	STATUS_UNSUPP
};

static struct blk *from(struct function *f)
{
	return (struct blk *)((char *)f - offsetof(struct blk, function));
}

/* Memory, by the addresses of the endpoint */

#define WRONG_PAGE 0x1000u

/* The first piece of it in this process, or NULL; `wrong` is 0, or turns bits of where it is. In a section. */
static void *locate(struct blk *blk, uint64_t iova, uint64_t *len, uint32_t kind, uint64_t wrong)
{
	struct viommu_memory memory = { &viommu_memory_view_ops, &blk->view };
	struct viommu_translation t;
	void *host;

	if (viommu_access_translate(&blk->access, iova, *len, kind, &t) != VIOMMU_OK || t.msi)
		return NULL;
	*len = t.length;
	if (wrong != 0 && *len > wrong - (t.gpa & (wrong - 1)))
		*len = wrong - (t.gpa & (wrong - 1));
	host = memory.ops->resolve(memory.ctx, t.gpa ^ wrong, kind, len);
	return host;
}

/* What a field of a ring has to be is one access; the rest are copies. */
static void copy(void *to, const void *at, size_t len)
{
	if (len == 2 && ((uintptr_t)to | (uintptr_t)at) % 2 == 0)
		__atomic_store_n((uint16_t *)to, __atomic_load_n((const uint16_t *)at, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
	else if (len == 4 && ((uintptr_t)to | (uintptr_t)at) % 4 == 0)
		__atomic_store_n((uint32_t *)to, __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
	else
		memcpy(to, at, len);
}

static bool guest_read(void *ctx, viommu_gpa iova, void *dst, size_t len)
{
	for (size_t done = 0; done < len;) {
		uint64_t n = len - done;
		const void *host = locate(ctx, iova + done, &n, VIOMMU_ACCESS_READ, 0);

		if (host == NULL)
			return false;
		copy((uint8_t *)dst + done, host, (size_t)n);
		done += (size_t)n;
	}
	return true;
}

static bool guest_write(void *ctx, viommu_gpa iova, const void *src, size_t len)
{
	for (size_t done = 0; done < len;) {
		uint64_t n = len - done;
		void *host = locate(ctx, iova + done, &n, VIOMMU_ACCESS_WRITE, 0);

		if (host == NULL)
			return false;
		copy(host, (const uint8_t *)src + done, (size_t)n);
		done += (size_t)n;
	}
	return true;
}

/* No pointers: a ring can be unmapped at any time. */
static const struct viommu_memory_ops translated_ops = {
	.size = sizeof translated_ops,
	.read = guest_read,
	.write = guest_write,
};

/* A chain as a stream of bytes */

static const struct viommu_segment *side(const struct blk_request *r, bool writable, uint32_t *count)
{
	*count = writable ? r->chain.writable : r->chain.readable;
	return r->segments + (writable ? r->chain.readable : 0);
}

/* Copies out of the readable part or into the writable one, from this place on. */
static bool stream_copy(struct blk_request *r, bool writable, uint64_t at, void *bytes, size_t len)
{
	uint32_t count;
	const struct viommu_segment *s = side(r, writable, &count);

	for (; len > 0 && count > 0; s++, count--) {
		size_t n;

		if (at >= s->len) {
			at -= s->len;
			continue;
		}
		n = s->len - at < len ? (size_t)(s->len - at) : len;
		if (!(writable ? guest_write(r->blk, s->gpa + at, bytes, n)
			       : guest_read(r->blk, s->gpa + at, bytes, n)))
			return false;
		bytes = (uint8_t *)bytes + n;
		len -= n;
		at = 0;
	}
	return len == 0;
}

static void add_piece(struct disk_job *job, void *host, size_t len)
{
	struct iovec *last = job->count > 0 ? &job->pieces[job->count - 1] : NULL;

	if (last != NULL && (char *)last->iov_base + last->iov_len == (char *)host)
		last->iov_len += len;
	else
		job->pieces[job->count++] = (struct iovec){ host, len };
	job->len += len;
}

/* The next pieces of data, from data_done on: as many as a job takes. */
static bool locate_data(struct blk_request *r, bool writable, uint64_t skip)
{
	uint64_t at = skip + r->data_done, left = r->data_len - r->data_done;
	uint32_t count, kind = writable ? VIOMMU_ACCESS_WRITE : VIOMMU_ACCESS_READ;
	const struct viommu_segment *s = side(r, writable, &count);

	r->job.count = 0;
	r->job.len = 0;
	for (; left > 0 && count > 0; s++, count--) {
		if (at >= s->len) {
			at -= s->len;
			continue;
		}
		while (at < s->len && left > 0) {
			uint64_t n = s->len - at < left ? s->len - at : left;
			void *host = locate(r->blk, s->gpa + at, &n, kind, writable ? 0 : r->blk->wrong);

			if (host == NULL)
				return false;
			if (r->job.count == DISK_PIECES_MAX)
				return true; /* the rest is for another round */
			add_piece(&r->job, host, (size_t)n);
			at += n;
			left -= n;
		}
		at = 0;
	}
	return true;
}

/* Requests */

static uint64_t le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return viommu_port_le64(v);
}

static uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return viommu_port_le32(v);
}

static bool on_disk(const struct blk *blk, uint64_t sector, uint64_t bytes)
{
	uint64_t sectors = blk->disk.size / SECTOR;

	return bytes % SECTOR == 0 && sector <= sectors && bytes / SECTOR <= sectors - sector;
}

/* In a section. The status goes last, at the end of the writable part. */
static void answer(struct blk_request *r)
{
	struct blk *blk = r->blk;
	uint32_t written = 0;

	if (r->generation == blk->generation && r->chain.writable_len > 0) {
		if (r->status != STATUS_OK)
			blk->errors++;
		if (stream_copy(r, true, r->chain.writable_len - 1, &r->status, 1) && r->status == STATUS_OK)
			written = (uint32_t)r->chain.writable_len;
	}
	if (r->generation == blk->generation)
		(void)!viommu_virtq_device_push(&blk->queue, r->chain.head, written);
	r->next_free = blk->free;
	blk->free = r;
}

/* A round of the request: a job for the disk, with a section that lasts as long. False: it is over, with its status. */
static bool go_on(struct blk_request *r)
{
	struct blk *blk = r->blk;
	bool is_data = r->job.verb == DISK_READ || r->job.verb == DISK_WRITE;

	if (viommu_access_begin(&blk->access, &r->token) != VIOMMU_OK) {
		r->status = STATUS_IOERR;
		return false;
	}
	if (is_data) {
		r->job.offset = r->offset + r->data_done;
		if (!locate_data(r, r->job.verb == DISK_READ, r->job.verb == DISK_READ ? 0 : HEADER_SIZE)) {
			viommu_access_end(&blk->access, r->token);
			r->status = STATUS_IOERR;
			return false;
		}
	}
	blk->in_flight++;
	disk_submit(&blk->disk, &r->job);
	return true;
}

/* What the disk is to do. False: nothing, the status says why. */
static bool decode(struct blk_request *r)
{
	struct blk *blk = r->blk;
	uint8_t bytes[RANGE_SIZE], id[ID_SIZE] = "libviommu";
	uint64_t sector;
	uint32_t type;

	r->status = STATUS_IOERR;
	r->data_len = 0;
	r->data_done = 0;
	if (r->chain.writable_len == 0 || !stream_copy(r, false, 0, bytes, HEADER_SIZE))
		return false;
	type = le32(bytes);
	sector = le64(bytes + 8);
	switch (type) {
	case TYPE_IN:
	case TYPE_OUT:
		r->job.verb = type == TYPE_IN ? DISK_READ : DISK_WRITE;
		r->data_len = type == TYPE_IN ? r->chain.writable_len - 1 : r->chain.readable_len - HEADER_SIZE;
		if (!on_disk(blk, sector, r->data_len) || r->data_len == 0)
			return false;
		r->offset = sector * SECTOR;
		break;
	case TYPE_FLUSH:
		r->job.verb = DISK_FLUSH;
		break;
	case TYPE_GET_ID:
		if (r->chain.writable_len == ID_SIZE + 1 && stream_copy(r, true, 0, id, ID_SIZE))
			r->status = STATUS_OK;
		return false;
	case TYPE_DISCARD:
	case TYPE_WRITE_ZEROES:
		if (r->chain.readable_len != HEADER_SIZE + RANGE_SIZE ||
		    !stream_copy(r, false, HEADER_SIZE, bytes, RANGE_SIZE))
			return false;
		sector = le64(bytes);
		if ((le32(bytes + 12) & ~(type == TYPE_WRITE_ZEROES ? 1u : 0u)) != 0) {
			r->status = STATUS_UNSUPP;
			return false;
		}
		r->job.verb = type == TYPE_DISCARD ? DISK_DISCARD : DISK_ZERO;
		r->job.len = (uint64_t)le32(bytes + 8) * SECTOR;
		if (!on_disk(blk, sector, r->job.len) || r->job.len == 0)
			return false;
		r->job.offset = sector * SECTOR;
		break;
	default:
		r->status = STATUS_UNSUPP;
		return false;
	}
	r->status = STATUS_OK;
	blk->counts[r->job.verb]++;
	blk->bytes += r->data_len;
	return true;
}

/* The queue */

/* A section for the ring. */
static bool enter(struct blk *blk, struct viommu_access_token *token)
{
	return viommu_access_begin(&blk->access, token) == VIOMMU_OK;
}

static void leave(struct blk *blk, struct viommu_access_token token)
{
	if (viommu_registers_is_live(&blk->registers) && viommu_virtq_device_publish(&blk->queue))
		viommu_registers_interrupt(&blk->registers, 0);
	if (viommu_virtq_device_state(&blk->queue) == VIOMMU_VIRTQ_BROKEN)
		viommu_registers_needs_reset(&blk->registers);
	viommu_access_end(&blk->access, token);
}

static void start(struct blk *blk, enum viommu_result result)
{
	struct blk_request *r = blk->free;

	if (result != VIOMMU_OK && result != VIOMMU_E_PEER)
		return;
	blk->free = r->next_free;
	r->generation = blk->generation;
	if (result == VIOMMU_E_PEER)
		r->chain.readable = r->chain.writable = 0, r->chain.readable_len = r->chain.writable_len = 0;
	if (!decode(r) || !go_on(r))
		answer(r);
}

static bool work(struct function *f)
{
	struct blk *blk = from(f);
	struct viommu_access_token token;
	bool more = true;

	if (!viommu_registers_is_live(&blk->registers) || !enter(blk, &token))
		return false;
	for (unsigned i = 0; i < BUDGET && more && blk->free != NULL; i++) {
		enum viommu_result result;

		blk->free->chain.segments = blk->free->segments;
		blk->free->chain.capacity = BLK_QUEUE_SIZE;
		result = viommu_virtq_device_pop(&blk->queue, &blk->free->chain);
		start(blk, result);
		if (result == VIOMMU_E_EMPTY)
			more = viommu_virtq_device_arm(&blk->queue);
		else if (result != VIOMMU_OK && result != VIOMMU_E_PEER)
			more = false;
	}
	leave(blk, token);
	return more && blk->free != NULL;
}

/* What the disk is done with. */
static void collect(struct function *f)
{
	struct blk *blk = from(f);
	struct viommu_access_token token;
	struct disk_job *job = disk_next_done(&blk->disk);

	if (job == NULL || !enter(blk, &token))
		return;
	for (; job != NULL; job = disk_next_done(&blk->disk)) {
		struct blk_request *r = (struct blk_request *)job;
		bool is_data = job->verb == DISK_READ || job->verb == DISK_WRITE;

		viommu_access_end(&blk->access, r->token);
		blk->in_flight--;
		r->data_done += is_data ? job->len : 0;
		if (job->failed)
			r->status = STATUS_IOERR;
		if (job->failed || r->generation != blk->generation || r->data_done == r->data_len || !go_on(r))
			answer(r);
	}
	leave(blk, token);
	f->has_work = true; /* there may be room for what waits in the ring */
}

/* Nothing of ours is in guest memory when this returns. */
static void drain(struct function *f)
{
	struct blk *blk = from(f);
	uint64_t count;

	for (;;) {
		struct pollfd wake = { .fd = f->wake, .events = POLLIN };

		collect(f);
		if (blk->in_flight == 0)
			break;
		if (poll(&wake, 1, 100) > 0)
			(void)!read(f->wake, &count, sizeof count);
	}
	f->has_work = true;
}

void blk_stray(void *ctx)
{
	struct blk *blk = ctx;
	struct viommu_access_token token;
	struct viommu_translation t;

	if (!enter(blk, &token))
		return;
	(void)!viommu_access_translate(&blk->access, 0x123456000, 1, VIOMMU_ACCESS_READ, &t);
	viommu_access_end(&blk->access, token);
}

/* No section is open between two pieces of work, once nothing is in flight. */
void blk_move(struct blk *blk, struct viommu_device *device, struct viommu_endpoint *endpoint)
{
	drain(&blk->function);
	if (viommu_access_deinit(&blk->access) != VIOMMU_OK)
		abort();
	viommu_access_init(&blk->access, device, endpoint);
	viommu_access_set_cache(&blk->access, &blk->cache);
}

static const struct function_ops blk_ops = {
	.work = work,
	.memory_changed = drain,
	.reset = drain,
	.collect = collect,
};

/* The registers' side */

static uint64_t class_features(void *ctx)
{
	(void)ctx;
	return FEATURES;
}

static enum viommu_result class_negotiate(void *ctx, uint64_t features)
{
	(void)ctx;
	(void)features;
	return VIOMMU_OK; /* any of them; whether the driver knows of the IOMMU or not, it is in the way */
}

static void put(uint8_t *config, unsigned at, uint64_t value, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		config[at + i] = (uint8_t)(value >> (8 * i));
}

static void class_config_read(void *ctx, uint32_t offset, void *dst, uint32_t len)
{
	const struct blk *blk = ctx;
	uint8_t config[64] = { 0 };

	put(config, 0, blk->disk.size / SECTOR, 8);
	put(config, 12, BLK_QUEUE_SIZE - 2, 4);
	put(config, 20, SECTOR, 4);
	put(config, 36, UINT32_MAX / SECTOR, 4); /* discard: sectors, ranges, alignment */
	put(config, 40, 1, 4);
	put(config, 44, 1, 4);
	put(config, 48, UINT32_MAX / SECTOR, 4); /* write zeroes: sectors, ranges, may unmap */
	put(config, 52, 1, 4);
	put(config, 56, 1, 1);
	for (uint32_t i = 0; i < len; i++)
		((uint8_t *)dst)[i] = offset < sizeof config && i < sizeof config - offset ? config[offset + i] : 0;
}

static void class_config_write(void *ctx, uint32_t offset, const void *src, uint32_t len)
{
	(void)ctx;
	(void)offset;
	(void)src;
	(void)len;
}

static void class_reset(void *ctx)
{
	struct blk *blk = ctx;

	blk->generation++; /* jobs go on, and nobody is told of them */
}

static bool class_is_settled(void *ctx)
{
	return ((struct blk *)ctx)->in_flight == 0;
}

static const struct viommu_register_class blk_class = {
	.size = sizeof blk_class,
	.features = class_features,
	.negotiate = class_negotiate,
	.config_read = class_config_read,
	.config_write = class_config_write,
	.reset = class_reset,
	.is_settled = class_is_settled,
};

static void on_done(void *ctx)
{
	function_wake(&((struct blk *)ctx)->function);
}

static bool init_requests(struct blk *blk)
{
	blk->requests = calloc(BLK_QUEUE_SIZE, sizeof *blk->requests);
	if (blk->requests == NULL)
		return false;
	for (uint32_t i = 0; i < BLK_QUEUE_SIZE; i++) {
		blk->requests[i].blk = blk;
		blk->requests[i].next_free = blk->free;
		blk->free = &blk->requests[i];
	}
	return true;
}

static bool init_registers(struct blk *blk)
{
	struct viommu_memory memory = { &translated_ops, blk };
	struct viommu_registers_config config = { .size = sizeof config };
	struct viommu_pci_config pci = VIOMMU_PCI_CONFIG_INIT;

	viommu_virtq_device_init(&blk->queue, &memory);
	config.queue_count = 1;
	config.queue_size_max = BLK_QUEUE_SIZE;
	config.queues = &blk->queue;
	config.ring_features = VIOMMU_F_INDIRECT_DESC | VIOMMU_F_EVENT_IDX;
	config.device_class = &blk_class;
	config.class_ctx = blk;
	config.interrupts = &viommu_pci_interrupt_ops;
	config.interrupt_ctx = &blk->function.pci;
	pci.device_id = 2;
	pci.class_code = 0x010000;
	pci.device_config_size = 60;
	return viommu_registers_init(&blk->registers, &config) == VIOMMU_OK &&
	       function_init_pci(&blk->function, &pci, &blk->registers, 1) == VIOMMU_OK;
}

bool blk_init(struct blk *blk, const struct options *options, uint32_t number, struct viommu_device *device,
	      struct viommu_endpoint *endpoint)
{
	const char *path = options->disks[number].path, *file = options->disks[number].file;

	memset(blk, 0, sizeof *blk);
	blk->endpoint = options->disks[number].endpoint;
	blk->wrong = options->sabotage ? WRONG_PAGE : 0;
	snprintf(blk->name, sizeof blk->name, "blk.%x", blk->endpoint);
	if (!function_listen(&blk->function, blk->name, path, &blk_ops)) {
		perror(path);
		return false;
	}
	if (!disk_open(&blk->disk, file, options->disk_size, options->threads, on_done, blk)) {
		perror(file != NULL ? file : "memory for a disk");
		return false;
	}
	viommu_memory_view_init(&blk->view, &blk->function.memory.table);
	viommu_access_init(&blk->access, device, endpoint);
	viommu_access_set_cache(&blk->access, &blk->cache);
	return init_requests(blk) && init_registers(blk);
}

void blk_print_stats(const struct blk *blk, FILE *out)
{
	static const char *const verbs[] = { "reads", "writes", "flushes", "discards", "zeroes" };

	for (unsigned i = 0; i < 5; i++)
		fprintf(out, "%s.%s %llu\n", blk->name, verbs[i], (unsigned long long)blk->counts[i]);
	fprintf(out, "%s.bytes %llu\n%s.errors %llu\n%s.in_flight %u\n", blk->name, (unsigned long long)blk->bytes,
		blk->name, (unsigned long long)blk->errors, blk->name, blk->in_flight);
	fprintf(out, "%s.clients %u\n%s.refused %u\n", blk->name, blk->function.clients, blk->name,
		blk->function.refused);
}

void blk_deinit(struct blk *blk)
{
	disk_close(&blk->disk);
	(void)!viommu_access_deinit(&blk->access);
	free(blk->requests);
}
