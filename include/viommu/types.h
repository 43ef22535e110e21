/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * types.h: the words that every other header uses.
 *
 * Rules that hold everywhere in the library:
 *
 *   Ranges include both ends, as on the wire: {first, last}. A length never appears where 2^64 could be meant.
 *   Objects are complete structs that the caller allocates. Members are private unless a comment says "in" or "out".
 *   Config and ops structs start with `size`, are append-only and are copied at init. A member of 0 means its default
 *   only where 0 is not a legal value, and the comment says so. INIT macros give the defaults.
 *   A failed call changes nothing but counters, unless its comment says otherwise.
 *   viommu_X_is_valid says in constant time, viommu_X_check in all detail, whether what is always true of an object
 *   between two calls is true of this one. For tests, fuzzers and debug builds. They change nothing and read nothing
 *   that a peer can write; no content of the object makes them hang. Pointers to memory of the caller's are trusted.
 *   Owner; where functions of the object are "locked", with the lock held.
 *
 * Thread classes, named in each comment:
 *   any thread   pure, or guarded by what the caller passes in
 *   owner        one thread at a time per object
 */
#ifndef VIOMMU_TYPES_H
#define VIOMMU_TYPES_H

#include <viommu/port.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t viommu_iova; /* what an endpoint puts on the bus */
typedef uint64_t viommu_gpa;  /* guest-physical address */

/*
 * What a call returns. 0 is the only success. Never mixed with the status byte on the wire (enum viommu_status).
 */
enum viommu_result {
	VIOMMU_OK = 0,

	/* The caller's mistake or a question with a negative answer. Nothing happened. */
	VIOMMU_E_ARG = -1,     /* an argument is outside what the comment allows */
	VIOMMU_E_STATE = -2,   /* not now: the object is in another state */
	VIOMMU_E_ABI = -3,     /* a struct's size is not one that this library knows */
	VIOMMU_E_NOENT = -4,   /* no such endpoint, domain, mapping or region */
	VIOMMU_E_EXISTS = -5,  /* the id is taken, or the range overlaps a mapping */
	VIOMMU_E_RANGE = -6,   /* misaligned, outside the limits, reserved, or it would split a mapping */
	VIOMMU_E_UNSUPP = -7,  /* a feature is needed that was not negotiated */

	/* A budget is used up. Try again later, or give more. */
	VIOMMU_E_NOMEM = -33,   /* the donated memory is used up */
	VIOMMU_E_FULL = -34,    /* no free slot or descriptor */
	VIOMMU_E_EMPTY = -35,   /* nothing there */
	VIOMMU_E_BUSY = -36,    /* an earlier request that touches the same thing is still in flight */
	VIOMMU_E_TIMEOUT = -37, /* the wait hook gave up */

	/* The other side broke the rules, or refused. */
	VIOMMU_E_PEER = -65,     /* malformed; that one message, chain or property was dropped */
	VIOMMU_E_BROKEN = -66,   /* the queue or the device is beyond trust until a reset */
	VIOMMU_E_REJECTED = -67, /* the device answered with a status other than OK */
	VIOMMU_E_FAULT = -68,    /* the access is not allowed by the mappings; a fault report was raised */

	/* A callback of the embedder failed. */
	VIOMMU_E_PORT = -97
};

enum viommu_result_class {
	VIOMMU_CLASS_OK,
	VIOMMU_CLASS_CALLER,
	VIOMMU_CLASS_BUDGET,
	VIOMMU_CLASS_PEER,
	VIOMMU_CLASS_PORT
};

/* Any thread. */
static inline enum viommu_result_class viommu_result_class(enum viommu_result r)
{
	if (r == VIOMMU_OK)
		return VIOMMU_CLASS_OK;
	if (r > -32)
		return VIOMMU_CLASS_CALLER;
	if (r > -64)
		return VIOMMU_CLASS_BUDGET;
	return r > -96 ? VIOMMU_CLASS_PEER : VIOMMU_CLASS_PORT;
}

/* How memory is touched. The same bits as MAP_F_READ and MAP_F_WRITE. */
enum viommu_access_kind {
	VIOMMU_ACCESS_READ = 1,
	VIOMMU_ACCESS_WRITE = 2
};

/* first <= last, both included. */
struct viommu_range {
	uint64_t first;
	uint64_t last;
};

/* Any thread. */
static inline bool viommu_range_overlaps(struct viommu_range a, struct viommu_range b)
{
	return a.first <= b.last && b.first <= a.last;
}

/* Is `inner` inside `outer`? Any thread. */
static inline bool viommu_range_contains(struct viommu_range outer, struct viommu_range inner)
{
	return outer.first <= inner.first && inner.last <= outer.last;
}

/* Counters for what a peer can cause stop at the top instead of wrapping. */
static inline void viommu_count(uint32_t *counter)
{
	if (*counter != UINT32_MAX)
		++*counter;
}

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_TYPES_H */
