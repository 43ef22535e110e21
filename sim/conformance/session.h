/* SPDX-License-Identifier: BSD-3-Clause */
/* session.h: what the cases are written with. Private to sim/conformance. */
#ifndef VIOMMU_SIM_CONFORMANCE_SESSION_H
#define VIOMMU_SIM_CONFORMANCE_SESSION_H

#include "conformance.h"

/* Offsets in the target's memory. */
#define CONF_QUEUE_AT 0x0u     /* 0x8000 for each queue: table, and at 0x2000 and 0x4000 the rings */
#define CONF_OUT_AT 0x10000u   /* readable bytes of a request */
#define CONF_IN_AT 0x12000u    /* writable ones */
#define CONF_TABLE_AT 0x14000u /* an indirect table */
#define CONF_EVENT_AT 0x18000u /* event buffers */
#define CONF_PAGE_AT 0x100000u /* what DMA goes to: 16 granules, of up to 64 KiB */
#define CONF_FILL 0xaau        /* in writable bytes, before the device has them */

/* What conf_ask returns beside a status byte. */
#define CONF_UNWRITTEN (-1)  /* used length 0 */
#define CONF_NO_ANSWER (-2)  /* no used entry */
#define CONF_ODD_LENGTH (-3) /* a used length that does not lead up to the status */

struct conf_queue {
	uint8_t *desc;
	uint8_t *avail;
	uint8_t *used;
	uint64_t addr;
	uint32_t size;
	uint16_t added; /* free-running */
	uint16_t taken;
};

/* The readable bytes of a request, to be spoilt at will. */
struct conf_message {
	uint8_t bytes[128];
	size_t len;
	size_t in_len; /* of the writable ones */
};

/* A descriptor as it goes into a table. */
struct conf_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
#define CONF_DESC_NEXT 1u
#define CONF_DESC_WRITE 2u
#define CONF_DESC_INDIRECT 4u

struct conf {
	struct conf_target *target;
	struct conf_outcome *outcome;
	uint64_t offered;
	uint64_t negotiated;
	struct viommu_wire_config config;
	uint64_t granule;
	uint64_t iova; /* where mappings can be made: 64 granules, outside of reserved regions */
	struct conf_queue queues[VIOMMU_QUEUE_COUNT];
	uint32_t checks;
	bool gone;
	/* of the last request */
	uint32_t used;
	uint16_t used_id;
	uint8_t in[CONF_REPLY_MAX];
	bool table_changed; /* the descriptors of the last request, by the device */
};

/* Verdicts */

/* The case has failed unless `good`, and the format says with what. Returns `good`. */
bool conf_check(struct conf *c, bool good, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The rest of the case does not matter. */
void conf_absent(struct conf *c, const char *why);
void conf_unreached(struct conf *c, const char *why);

/* What the device does where it is free to. */
void conf_free(struct conf *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Evidence, if there is no request to show. */
void conf_note(struct conf *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bring-up, all of it or step by step */

#define CONF_CLASS_FEATURES UINT64_C(0x77) /* without the old BYPASS */

/* Reset, and waits until status reads 0. */
bool conf_reset(struct conf *c);

/* From a reset to FEATURES_OK, with what is offered of these, and VERSION_1. */
bool conf_negotiate(struct conf *c, uint64_t features);

/* Both queues, with at most `size` entries. */
bool conf_enable_queues(struct conf *c, uint32_t size);
bool conf_enable_queue(struct conf *c, uint32_t queue, uint32_t size);

void conf_driver_ok(struct conf *c);

/* All of it, with event buffers of 24 bytes and, if it can be chosen, without bypass. A failure fails the case. */
bool conf_start(struct conf *c, uint64_t features);

/* Registers */

uint8_t conf_status(struct conf *c);
void conf_set_status(struct conf *c, uint8_t status);
uint8_t conf_bypass(struct conf *c);
void conf_set_bypass(struct conf *c, uint8_t bypass);
void conf_kick(struct conf *c, uint32_t queue);

/* Rings */

/* Puts the descriptors into the table, the first one's index into the ring, and moves the index. No kick. */
void conf_post(struct conf *c, uint32_t queue, uint16_t head, const struct conf_desc *descs, uint32_t count);

/* Waits for the next used entry; its id and length are in c->used_id and c->used. */
bool conf_wait(struct conf *c, uint32_t queue);

/* Gives the device its time, for what must not happen. */
void conf_idle(struct conf *c);

/* Messages */

struct conf_message conf_attach(uint32_t domain, uint32_t endpoint, uint32_t flags);
struct conf_message conf_detach(uint32_t domain, uint32_t endpoint);
struct conf_message conf_map(uint32_t domain, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags);
struct conf_message conf_unmap(uint32_t domain, uint64_t first, uint64_t last);
struct conf_message conf_probe(const struct conf *c, uint32_t endpoint);

/* Asks with one descriptor for each part, and returns the status, or one of the above. */
int conf_ask(struct conf *c, struct conf_message message);

/* The same with these descriptors, of which the writable ones begin at CONF_IN_AT. */
int conf_ask_chain(struct conf *c, const struct conf_message *message, const struct conf_desc *descs, uint32_t count);

/* Asks, and has to get this. */
bool conf_expect(struct conf *c, struct conf_message message, int status);

/* What it takes to go on with a case: the status has to be OK, and the case has failed otherwise. */
bool conf_set_up(struct conf *c, struct conf_message message);

const char *conf_status_name(int status);

/* The n-th domain number that the device allows; the n-th granule of the place for mappings, and of that for DMA. */
uint32_t conf_domain(const struct conf *c, uint32_t n);
uint64_t conf_iova(const struct conf *c, uint64_t n);
uint64_t conf_phys(const struct conf *c, uint64_t n);
uint8_t *conf_page(const struct conf *c, uint64_t n);

/* MAP of granules n up to n + count - 1 to the pages from `page` on. */
struct conf_message conf_map_pages(const struct conf *c, uint32_t domain, uint64_t n, uint64_t count, uint64_t page,
				   uint32_t flags);
struct conf_message conf_unmap_pages(const struct conf *c, uint32_t domain, uint64_t n, uint64_t count);

/* DMA */

#define CONF_DMA_LEN 64u

/* Is there any? If not, the case is unreached. */
bool conf_has_dma(struct conf *c, uint32_t endpoints);

/* 64 bytes, from and to the engine's buffer. */
void conf_dma_read(struct conf *c, uint32_t index, uint64_t iova);
void conf_dma_write(struct conf *c, uint32_t index, uint64_t iova);

/* A page full of bytes that depend on the seed; is it, in its first 64? */
void conf_paint(struct conf *c, uint64_t page, uint8_t seed);
bool conf_is_painted(const struct conf *c, uint64_t page, uint8_t seed);

/* The engine's buffer gets painted through page 8, and is empty again. Leaves the endpoint in domain 3. */
bool conf_load_engine(struct conf *c, uint32_t index, uint8_t seed);

/* Makes `count` event buffers of this length available. */
void conf_give_events(struct conf *c, uint32_t count, uint32_t len);

/* The next fault report: 24 bytes, and c->used. */
bool conf_take_event(struct conf *c, uint8_t report[VIOMMU_WIRE_FAULT_SIZE]);

#endif /* VIOMMU_SIM_CONFORMANCE_SESSION_H */
