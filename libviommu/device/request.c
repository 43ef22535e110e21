/* SPDX-License-Identifier: BSD-3-Clause */
/* request.c: seam A: from bytes to a request, to its handler, to a status, to bytes. */
#include "core.h"

#include "../internal.h"

#define MAP_SIZE 36u
#define UNMAP_SIZE 28u

static bool read_segment(const struct viommu_memory *memory, const struct viommu_segment *segment, uint8_t *bytes,
			 size_t len)
{
	if (segment->base == NULL)
		return viommu_memory_read(memory, segment->gpa, bytes, len) == len;
	/*
	 * Most requests are a MAP or an UNMAP in one piece. Copied with a length that the compiler knows, they are a
	 * few moves; with any other it may take a string instruction, which costs more than all that is done with them.
	 */
	if (len == MAP_SIZE)
		viommu_port_copy_in(bytes, segment->base, MAP_SIZE);
	else if (len == UNMAP_SIZE)
		viommu_port_copy_in(bytes, segment->base, UNMAP_SIZE);
	else
		viommu_port_copy_in(bytes, segment->base, len);
	return true;
}

bool viommu_i_write_segment(const struct viommu_memory *memory, const struct viommu_segment *segment,
			    const uint8_t *bytes, size_t len)
{
	if (segment->base == NULL)
		return viommu_memory_write(memory, segment->gpa, bytes, len) == len;
	viommu_port_copy_out(segment->base, bytes, len);
	return true;
}

/*
 * Copies the readable part, up to what the longest request needs: once, before anything in it is judged. Returns its
 * length; 0 if some of it cannot be read: that is no request.
 */
static size_t gather(const struct viommu_request *request, uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX])
{
	size_t len = 0;

	for (uint32_t i = 0; i < request->readable_count && len < VIOMMU_WIRE_REQUEST_MAX; i++) {
		size_t n = request->readable[i].len;

		if (n == 0)
			continue; /* and base may be NULL */
		if (n > VIOMMU_WIRE_REQUEST_MAX - len)
			n = VIOMMU_WIRE_REQUEST_MAX - len;
		if (!read_segment(request->memory, &request->readable[i], bytes + len, n))
			return 0;
		len += n;
	}
	return len;
}

static uint64_t writable_len(const struct viommu_request *request)
{
	uint64_t len = 0;

	for (uint32_t i = 0; i < request->writable_count; i++)
		len += request->writable[i].len;
	return len;
}

/* The next piece, of at most `len` bytes; moves on behind it. */
static struct viommu_segment next_piece(struct viommu_i_writer *w, uint64_t len)
{
	struct viommu_segment piece;

	while (w->at == w->segment->len) {
		w->segment++;
		w->at = 0;
	}
	piece = *w->segment;
	if (piece.base != NULL)
		piece.base += w->at;
	piece.gpa += w->at;
	piece.len -= w->at;
	if (piece.len > len)
		piece.len = (size_t)len;
	w->at += piece.len;
	return piece;
}

void viommu_i_write(struct viommu_i_writer *w, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		struct viommu_segment piece = next_piece(w, len);

		if (!viommu_i_write_segment(w->memory, &piece, bytes, piece.len))
			w->failed = true;
		bytes += piece.len;
		len -= piece.len;
	}
}

void viommu_i_write_zeroes(struct viommu_i_writer *w, uint64_t len)
{
	static const uint8_t zeroes[64];

	while (len > 0) {
		size_t n = len < sizeof zeroes ? (size_t)len : sizeof zeroes;

		viommu_i_write(w, zeroes, n);
		len -= n;
	}
}

/* Remembers where the tail goes: the vectors are the caller's again when submit returns. */
static void locate_tail(struct viommu_request *request, struct viommu_i_writer *w)
{
	uint32_t len = VIOMMU_WIRE_TAIL_SIZE;

	while (len > 0) {
		struct viommu_segment piece = next_piece(w, len);

		request->tail[request->tail_count++] = piece;
		len -= (uint32_t)piece.len;
	}
}

/* Not a request, not one that this device has, or there is no memory for the reply: the driver gets no answer. */
static void refuse(struct viommu_device *dev, struct viommu_request *request)
{
	request->written = 0;
	viommu_count(&dev->stats.unanswered);
	request->state = VIOMMU_REQUEST_DONE;
}

static void finish(struct viommu_device *dev, struct viommu_request *request)
{
	uint8_t tail[VIOMMU_WIRE_TAIL_SIZE];
	uint32_t offset = 0;

	viommu_map_pool_retire(&dev->pool, &request->limbo);
	viommu_wire_tail_encode(request->status, tail);
	for (uint32_t i = 0; i < request->tail_count; i++) {
		const struct viommu_segment *piece = &request->tail[i];

		if (!viommu_i_write_segment(request->memory, piece, tail + offset, piece->len)) {
			refuse(dev, request);
			return;
		}
		offset += (uint32_t)piece->len;
	}
	viommu_count(&dev->stats.statuses[request->status]);
	request->state = VIOMMU_REQUEST_DONE;
}

static bool is_over(const struct viommu_device *dev, const struct viommu_request *request)
{
	return viommu_i_grace_is_over(dev, request->endpoint, request->domain, request->epoch);
}

/* Is there such a request? MAP and UNMAP have to be negotiated, PROBE offered. */
static bool is_available(const struct viommu_device *dev, uint8_t type)
{
	switch (type) {
	case VIOMMU_T_MAP:
	case VIOMMU_T_UNMAP:
		return (dev->negotiated & VIOMMU_F_MAP_UNMAP) != 0;
	case VIOMMU_T_PROBE:
		return (dev->features & VIOMMU_F_PROBE) != 0;
	default:
		return true;
	}
}

static uint8_t execute(struct viommu_device *dev, struct viommu_request *request, const struct viommu_wire_request *r,
		       struct viommu_i_writer *w, uint64_t area)
{
	switch (r->type) {
	case VIOMMU_T_ATTACH:
		return viommu_i_attach(dev, request, r);
	case VIOMMU_T_DETACH:
		return viommu_i_detach(dev, request, r);
	case VIOMMU_T_MAP:
		return viommu_i_map(dev, request, r);
	case VIOMMU_T_UNMAP:
		return viommu_i_unmap(dev, request, r);
	default:
		return viommu_i_probe(dev, r, w, area);
	}
}

enum viommu_result viommu_device_submit(struct viommu_device *dev, struct viommu_request *request)
{
	uint8_t bytes[VIOMMU_WIRE_REQUEST_MAX];
	struct viommu_wire_request r;
	uint64_t writable = writable_len(request);
	uint64_t area = 0; /* in front of the tail */
	struct viommu_i_writer w = { .segment = request->writable, .memory = request->memory };
	size_t len;
	bool parsed;

	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if (request->state == VIOMMU_REQUEST_PENDING)
		return VIOMMU_E_STATE;
	if (viommu_device_is_busy(dev))
		return VIOMMU_E_BUSY;
	/* Gives back what was cut out, if its sections have ended by now: this request may need it. */
	(void)viommu_device_is_settled(dev);

	request->tail_count = 0;
	request->epoch = 0;
	request->endpoint = NULL;
	request->domain = NULL;
	request->limbo = (struct viommu_map_limbo){ 0, 0 };
	request->next = NULL;
	len = gather(request, bytes);
	request->type = len >= VIOMMU_WIRE_HEAD_SIZE ? bytes[0] : 0;
	parsed = viommu_wire_request_decode(bytes, len, &r) == VIOMMU_OK;
	viommu_count(&dev->stats.requests[parsed ? r.type : 0]);
	if (!parsed || writable < VIOMMU_WIRE_TAIL_SIZE || !is_available(dev, r.type)) {
		refuse(dev, request);
		if (viommu_i_is_traced(dev))
			viommu_i_trace_request(dev, request, parsed ? &r : NULL);
		return VIOMMU_OK;
	}
	if (r.type == VIOMMU_T_PROBE) {
		area = dev->config.probe_size;
		if (area > writable - VIOMMU_WIRE_TAIL_SIZE)
			area = writable - VIOMMU_WIRE_TAIL_SIZE;
	}
	request->status = execute(dev, request, &r, &w, area);
	request->written = (uint32_t)area + VIOMMU_WIRE_TAIL_SIZE;
	locate_tail(request, &w);
	if (request->epoch != 0)
		viommu_i_grace_advance(dev);
	if (w.failed) {
		refuse(dev, request); /* a PROBE, which has changed nothing */
	} else if (is_over(dev, request)) {
		finish(dev, request);
	} else {
		request->state = VIOMMU_REQUEST_PENDING;
		*dev->pending_end = request;
		dev->pending_end = &request->next;
		dev->pending_count++;
		viommu_count(&dev->stats.pended);
	}
	if (viommu_i_is_traced(dev))
		viommu_i_trace_request(dev, request, &r);
	VIOMMU_ASSERT(viommu_request_is_valid(request));
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return VIOMMU_OK;
}

void viommu_device_forget_replies(struct viommu_device *dev)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	for (struct viommu_request *request = dev->pending; request != NULL; request = request->next) {
		request->written = 0;
		request->tail_count = 0;
	}
}

bool viommu_device_is_busy(const struct viommu_device *dev)
{
	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	return dev->pending_count >= dev->max_pending;
}

struct viommu_request *viommu_device_next_done(struct viommu_device *dev)
{
	struct viommu_request *request = dev->done;

	VIOMMU_ASSERT(viommu_device_is_valid(dev));
	if (request != NULL) {
		dev->done = request->next;
		if (dev->done == NULL)
			dev->done_end = &dev->done;
		request->next = NULL;
		request->state = VIOMMU_REQUEST_DONE;
		if (viommu_i_is_traced(dev))
			viommu_i_trace_done(dev, request);
		return request;
	}
	viommu_i_grace_advance(dev);
	for (struct viommu_request **link = &dev->pending; *link != NULL; link = &(*link)->next) {
		request = *link;
		if (!is_over(dev, request))
			continue;
		*link = request->next;
		if (*link == NULL)
			dev->pending_end = link;
		dev->pending_count--;
		request->next = NULL;
		finish(dev, request);
		if (viommu_i_is_traced(dev))
			viommu_i_trace_done(dev, request);
		VIOMMU_ASSERT(viommu_device_is_valid(dev));
		return request;
	}
	return NULL;
}
