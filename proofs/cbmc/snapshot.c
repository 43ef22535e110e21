/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot.c: proofs of what reads a snapshot, which is a peer's as much as a ring is: a private copy of any bytes. */
#include "proof.h"

#include "../../libviommu/snapshot.h"
#include "../../libviommu/virtq/snapshot.h"

#include "../../libviommu/wire/snapshot.c"

static const uint8_t *any_bytes(size_t len)
{
	return malloc(len);
}

/* The remainder, bit by bit. */
static uint32_t divided(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	for (int i = 0; i < 8; i++)
		crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
	return crc;
}

/* Proof of viommu_i_snapshot_crc. Unwind 9. Bound: up to 2 bytes. It reads these and no others; CRC-32 bit by bit. */
void prove_snapshot_crc(void)
{
	uint32_t crc = nondet_u32();
	size_t len = nondet_size();
	const uint8_t *bytes;
	uint32_t after;

	ASSUME(len <= 2);
	bytes = any_bytes(len);
	after = viommu_i_snapshot_crc(crc, bytes, len);
	if (len == 0)
		PROVE(after == crc);
	if (len == 1)
		PROVE(after == ~divided(~crc, bytes[0]));
	if (len == 2)
		PROVE(after == ~divided(divided(~crc, bytes[0]), bytes[1]));
	REACHABLE(len == 0);
	REACHABLE(len == 2 && after == 0);
}

static struct {
	const uint8_t *from;
	size_t len;
	uint32_t value;
} summed;

/* Stands for viommu_i_snapshot_crc. */
uint32_t any_crc(uint32_t crc, const uint8_t *bytes, size_t len)
{
	__CPROVER_assert(crc == 0, "it begins anew");
	__CPROVER_assert(__CPROVER_r_ok(bytes, len), "what is summed up is there");
	summed.from = bytes;
	summed.len = len;
	summed.value = nondet_u32();
	return summed.value;
}

/*
 * Proof of viommu_i_load_begin. With viommu_i_snapshot_crc as any_crc. Unwind 9. Of bytes of any length: those between
 * the head and the checksum, or nothing is set.
 */
void prove_load_begin(void)
{
	size_t len = any_len();
	const uint8_t *bytes = any_bytes(len);
	struct viommu_i_load before = { nondet_pointer(), nondet_size() };
	struct viommu_i_load l = before;
	enum viommu_result r = viommu_i_load_begin(&l, bytes, len);

	if (r == VIOMMU_OK) {
		PROVE(len >= SNAPSHOT_FRAME && l.at == bytes + SNAPSHOT_HEAD && l.left == len - SNAPSHOT_FRAME);
		PROVE(__CPROVER_r_ok(l.at, l.left) && viommu_i_get64(bytes + 12) == len);
	} else {
		PROVE(r == VIOMMU_E_PEER || r == VIOMMU_E_ABI);
		PROVE(l.at == before.at && l.left == before.left);
	}
	if (r != VIOMMU_E_PEER) {
		PROVE(summed.from == bytes && summed.len == len - 4);
		PROVE(summed.value == viommu_i_get32(bytes + len - 4));
	}
	REACHABLE(r == VIOMMU_OK && l.left == 0);
	REACHABLE(r == VIOMMU_OK && l.left > UINT32_MAX);
	REACHABLE(r == VIOMMU_E_ABI);
	REACHABLE(r == VIOMMU_E_PEER && len == SNAPSHOT_FRAME - 1);
	REACHABLE(r == VIOMMU_E_PEER && summed.len != 0);
}

/* Proof of viommu_i_load_fixed, viommu_i_load_section. A section lies in what is left, and that is less by it. */
void prove_load_section(void)
{
	size_t len = any_len();
	const uint8_t *bytes = any_bytes(len);
	struct viommu_i_load l = { bytes, len };
	uint32_t type = nondet_u32();

	if (nondet_bool()) {
		struct viommu_i_section s;
		bool found = viommu_i_load_section(&l, type, &s);

		if (found) {
			PROVE(s.bytes == bytes + SNAPSHOT_SECTION && __CPROVER_r_ok(s.bytes, s.len));
			PROVE(l.at == s.bytes + s.len && l.left == len - SNAPSHOT_SECTION - s.len);
			PROVE(viommu_i_get32(bytes) == type && viommu_i_get64(bytes + 4) == s.len);
		} else {
			PROVE(l.at == bytes && l.left == len);
		}
		REACHABLE(found && l.left == 0 && s.len > UINT32_MAX);
		REACHABLE(found && s.len == 0);
		REACHABLE(!found && len == SNAPSHOT_SECTION - 1);
	} else {
		size_t want = nondet_size();
		const uint8_t *fixed = viommu_i_load_fixed(&l, type, want);

		PROVE(fixed == NULL || (fixed == bytes + SNAPSHOT_SECTION && __CPROVER_r_ok(fixed, want)));
		REACHABLE(fixed != NULL && want == len - SNAPSHOT_SECTION);
		REACHABLE(fixed == NULL && l.left != len);
	}
}

/*
 * Proof of viommu_i_save_begin, viommu_i_save_end. With viommu_i_snapshot_crc as any_crc. Bound: 64 bytes in between.
 * They stay in the room that was announced, or nothing is written.
 */
void prove_save_frame(void)
{
	struct viommu_i_save s = { NULL, NULL };
	uint64_t total = nondet_u64();
	size_t len = any_len();
	uint8_t *buf = malloc(len);
	enum viommu_result r;

	ASSUME(total >= SNAPSHOT_FRAME && total <= SNAPSHOT_FRAME + 64);
	r = viommu_i_save_begin(&s, buf, len, total);
	PROVE((r == VIOMMU_OK) == (len >= total));
	if (r == VIOMMU_OK) {
		PROVE(s.start == buf && s.at == buf + SNAPSHOT_HEAD);
		s.at = buf + (size_t)total - 4; /* what is in between was written */
		PROVE(viommu_i_save_end(&s) == total);
		PROVE(summed.from == buf && summed.len == total - 4);
		PROVE(viommu_i_get32(buf + (size_t)total - 4) == summed.value);
	} else {
		PROVE(r == VIOMMU_E_FULL && s.start == NULL && s.at == NULL);
	}
	REACHABLE(r == VIOMMU_OK && len == SNAPSHOT_FRAME);
	REACHABLE(r == VIOMMU_E_FULL && len == total - 1);
}

static struct viommu_virtq_layout enabled;

/* Stands for viommu_virtq_device_enable: what prove_device_enable shows. */
enum viommu_result any_enable(struct viommu_virtq_device *q, const struct viommu_virtq_layout *layout)
{
	q->popped = 0;
	q->pushed = 0;
	q->published = 0;
	q->reset = VIOMMU_VIRTQ_RESET_NONE;
	enabled = *layout;
	q->state = VIOMMU_VIRTQ_OFF;
	if (nondet_bool())
		return VIOMMU_E_PEER;
	q->size = layout->size;
	q->desc_gpa = layout->desc;
	q->avail_gpa = layout->avail;
	q->used_gpa = layout->used;
	q->state = VIOMMU_VIRTQ_READY;
	return VIOMMU_OK;
}

/*
 * Proof of viommu_i_virtq_load. With viommu_virtq_device_enable as any_enable. Any record: a queue is what it says, and
 * what is ready was enabled as if by the driver.
 */
void prove_virtq_load(void)
{
	const uint8_t *record = any_bytes(VIOMMU_I_VIRTQ_RECORD);
	struct viommu_memory memory = any_memory();
	struct viommu_virtq_device q;
	uint64_t features = nondet_u64();
	enum viommu_result r;

	viommu_virtq_device_init(&q, &memory);
	r = viommu_i_virtq_load(&q, record, features);
	PROVE((r == VIOMMU_E_PEER) == (record[0] > VIOMMU_VIRTQ_BROKEN));
	if (r == VIOMMU_OK) {
		PROVE(q.state == record[0] && q.reset == record[1]);
		PROVE(q.memory.ops == memory.ops && q.memory.ctx == memory.ctx);
	}
	if (r == VIOMMU_OK && q.state != VIOMMU_VIRTQ_OFF)
		PROVE(q.size == viommu_i_get32(record + 8) && q.used_gpa == viommu_i_get64(record + 28));
	if (r == VIOMMU_OK && q.state == VIOMMU_VIRTQ_READY) {
		PROVE(enabled.size == q.size && enabled.features == features && enabled.used == q.used_gpa);
		PROVE(q.popped == viommu_i_get16(record + 2) && q.published == viommu_i_get16(record + 6));
	}
	if (r == VIOMMU_OK && q.state == VIOMMU_VIRTQ_BROKEN)
		PROVE(q.desc == NULL && q.avail == NULL && q.used == NULL && q.popped == 0 && q.published == 0);
	PROVE(peer.loads == 0 && peer.stores == 0);
	REACHABLE(r == VIOMMU_OK && q.state == VIOMMU_VIRTQ_OFF && q.reset == UINT8_MAX);
	REACHABLE(r == VIOMMU_OK && q.state == VIOMMU_VIRTQ_READY && q.popped == UINT16_MAX);
	REACHABLE(r == VIOMMU_OK && q.state == VIOMMU_VIRTQ_BROKEN);
	REACHABLE(r == VIOMMU_E_NOENT);
	REACHABLE(r == VIOMMU_E_PEER);
}
