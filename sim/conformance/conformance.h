/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conformance.h: asks any virtio-iommu device, as a guest would, whether it keeps the rules of the specification.
 *
 *      cases_*.c: one small function for each rule            report.c: rule, verdict, evidence
 *            |
 *      session.c: bring-up, chains of any shape, requests, events       shares nothing with libviommu/driver or virtq/,
 *            |                                                          which would never do what is asked for here
 *      struct conf_target: registers, guest memory, DMA
 *            |
 *      target_sim.c: the library's own device in this process, by calls or over virtio-mmio or virtio-pci
 *      target_qemu.c: that of QEMU, in another process
 *
 * A case begins with a device that was just reset. It asks, judges with conf_check, and whatever went over the ring
 * last is its evidence. A device that dies or hangs fails the case and is made anew for the next one.
 */
#ifndef VIOMMU_SIM_CONFORMANCE_H
#define VIOMMU_SIM_CONFORMANCE_H

#include <stdio.h>

#include <viommu/viommu.h>

#define CONF_ENDPOINTS 2u
#define CONF_MEMORY 0x200000u /* bytes of guest memory that a target has to have */
#define CONF_REPLY_MAX 4096u
#define CONF_DESCRIPTORS 128u

/* How to reach a device. Made by conf_target_sim, or by a target of another kind. */
struct conf_target {
	const struct viommu_register_ops *registers;
	void *registers_ctx;
	uint8_t *memory; /* CONF_MEMORY bytes in one piece, which both sides see */
	uint64_t memory_addr;
	uint32_t endpoints[CONF_ENDPOINTS];
	uint32_t endpoint_count;   /* at least 1 */
	uint32_t unknown_endpoint; /* an id that the device does not manage */
	uint32_t patience;         /* calls of run before what has not happened will not happen any more */
	void *ctx;
	/* The device works. False: it is gone, and *why says so. */
	bool (*run)(void *ctx);
	/* What has been notified since the last call: VIOMMU_INTERRUPT_USED, VIOMMU_INTERRUPT_CONFIG. */
	uint8_t (*notifications)(void *ctx);
	/* The endpoint with this index reads from iova into a buffer of its own, or writes that to it. NULL: it cannot. */
	void (*dma)(void *ctx, uint32_t index, bool write, uint64_t iova, uint32_t len);
	/* The whole machine is reset, and memory may be lost. False: it did not work. NULL: it cannot be. */
	bool (*system_reset)(void *ctx);
	/* Another device in place of this one, or the first: of these features, if that can be chosen. False: none. */
	bool (*renew)(void *ctx, uint64_t features);
	/* Between the device and who looks at its used entry: for devices that deviate on purpose. NULL: nothing is. */
	void (*tamper)(void *ctx, uint8_t *out, size_t out_len, uint8_t *in, size_t in_len, uint32_t pieces,
		       uint32_t *used);
	bool can_choose_features; /* renew does as it is told */
	const char *why;          /* the device is gone: how that was noticed */
	char version[64];         /* of the device, for the report */
};

enum conf_verdict {
	CONF_HOLDS,
	CONF_FAILS,
	CONF_FREE,     /* the rule allows something: the evidence says what this device does */
	CONF_ABSENT,   /* the rule is about something that this device does not offer */
	CONF_UNREACHED /* not to be seen from here */
};
extern const char *const conf_verdict_names[];

struct conf;

struct conf_case {
	const char *rule;
	const char *level; /* as in docs/requirements.csv */
	const char *topic;
	void (*run)(struct conf *c); /* NULL: cannot be reached, because of `why` */
	const char *why;
};

/* All of them, in the order of docs/requirements.csv as far as it is about devices. Ended by a NULL rule. */
extern const struct conf_case conf_iommu_cases[];
extern const struct conf_case conf_queue_cases[];
extern const struct conf_case conf_general_cases[];
extern const struct conf_case conf_stated_cases[];

struct conf_outcome {
	const struct conf_case *of;
	enum conf_verdict verdict;
	char evidence[768]; /* what went over the ring, or was read in a register */
	char reason[256];   /* of a verdict that needs one */
};

/* Runs what `only` is part of the id of (NULL: all) and returns how many; *out is malloc'ed. 0: no memory. */
size_t conf_run(struct conf_target *target, const char *only, struct conf_outcome **out);

void conf_print_table(FILE *file, const struct conf_target *target, const struct conf_outcome *outcomes, size_t count);
void conf_print_json(FILE *file, const char *name, const struct conf_target *target,
		     const struct conf_outcome *outcomes, size_t count);

#define CONF_RULES 16u

struct conf_comparison {
	uint64_t wanted;
	uint64_t requests;
	uint64_t answers[VIOMMU_T_COUNT][VIOMMU_S_COUNT + 1]; /* of ours, by type and status; the last one: length 0 */
	uint64_t partings;    /* after which both were reset, since their states may not be the same */
	uint64_t unexplained; /* differences */
	struct {
		const char *rule;
		uint64_t count;
	} rules[CONF_RULES]; /* by which the others are explained; ended by a NULL rule */
	char why[320];       /* if it did not come to the end */
};

/*
 * Asks a device and the library's own the same random requests, and prints the first differences that no rule explains.
 * False: one of them does not work, and result->why says which.
 */
bool conf_compare(struct conf_target *theirs, uint64_t requests, uint64_t seed, struct conf_comparison *result);

/* Ways in which a device can be wrong on purpose; ended by a NULL name. */
struct conf_deviation {
	const char *name;
	const char *rules; /* that have to fail because of it, with blanks between */
	uint32_t kind;     /* target_sim.c's, and so are a, b and c */
	uint64_t a;
	int b;
	int c;
};
extern const struct conf_deviation conf_deviations[];

/*
 * The library's device in this process over "local", "mmio" or "pci", deviating like this (NULL: not at all).
 * NULL: no such transport or deviation, or no memory. It stays until the program ends.
 */
struct conf_target *conf_target_sim(const char *transport, const char *deviation);

/* The same over calls, made to look like another one. */
struct conf_target *conf_target_like(const struct conf_target *other, const struct viommu_wire_config *config);

/*
 * The device of this QEMU for x86, started anew by each renew. NULL: there is no such program, or no room in /tmp. One
 * in a process; it is gone when the process ends.
 */
struct conf_target *conf_target_qemu(const char *program);

#endif /* VIOMMU_SIM_CONFORMANCE_H */
