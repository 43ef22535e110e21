/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * function.h: a PCI function behind a socket: its thread, its client, and the client's memory. What kind of device it
 * is comes in by struct function_ops.
 *
 * The thread is the owner of everything here, and of the device behind it: messages of the client, work on the queues
 * and the coming and going of clients follow each other in one loop. One client at a time; the next one waits.
 */
#ifndef FUNCTION_H
#define FUNCTION_H

#include "channel.h"
#include "irq.h"
#include "memory.h"

#include <pthread.h>
#include <viommu/transport/pci.h>

#define FUNCTION_QUEUES_MAX 2u

struct function;

/* All on the function's thread. */
struct function_ops {
	/* A bounded piece of work; true: there is more to do right away. Not called while bus mastering is off. */
	bool (*work)(struct function *function);
	/* The memory table is another one. Returns when nothing uses the old one any more. */
	void (*memory_changed)(struct function *function);
	/* The machine is reset, or its client has gone; the PCI function follows. */
	void (*reset)(struct function *function);
	/* Something was finished, and the thread was woken for it. Also while bus mastering is off. May be NULL. */
	void (*collect)(struct function *function);
};

struct function {
	const char *name;
	const struct function_ops *ops;
	struct viommu_pci pci;
	struct viommu_register_queue queues[FUNCTION_QUEUES_MAX];
	struct viommu_pci_vector vectors[1 + FUNCTION_QUEUES_MAX];
	struct irqs irqs;
	struct guest_memory memory;
	struct channel channel;
	bool has_version; /* the client has introduced itself */
	bool has_work;
	bool is_stopping; /* set by another thread, before it wakes this one */
	pthread_mutex_t call_lock;
	pthread_cond_t call_over;
	void (*call)(void *ctx); /* what another thread waits for, or NULL; with the lock held */
	void *call_ctx;
	int listener;
	int wake;           /* eventfd */
	uint32_t clients;   /* that there have been */
	uint32_t refused;   /* messages that were answered with an error, or ended the connection */
	int64_t flux_until; /* while memory is in flux: how long, in milliseconds of the clock */
	pthread_t thread;
};

/* Listens; errno if false. The PCI function is initialised after this, with function_pci_ops. */
bool function_listen(struct function *function, const char *name, const char *path, const struct function_ops *ops);

/*
 * Fills in what each function has in common; the rest is for the device class. VIOMMU_OK, or as viommu_pci_init. Again
 * on the function's thread: a PCI function in place of the one that was there, with the same interrupts.
 */
enum viommu_result function_init_pci(struct function *function, struct viommu_pci_config *config,
				     struct viommu_registers *registers, uint32_t queue_count);

bool function_start(struct function *function);

/* Any thread: there is something to look at. */
void function_wake(struct function *function);

/* From another thread: has this done on the function's, while memory is not in flux, and returns afterwards. */
void function_call(struct function *function, void (*call)(void *ctx), void *ctx);

/* From another thread: ends the thread. Its client is dropped as if it had gone. */
void function_stop(struct function *function);

/* The client asks for it: as a reset of the machine. */
void function_reset(struct function *function);

#endif /* FUNCTION_H */
