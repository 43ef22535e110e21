/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irq.h: interrupts of a function, as eventfds of its client.
 *
 * The client keeps the MSI-X table of its guest to itself, and says by eventfds which vectors are wanted. So the table
 * of the library's PCI function is filled in from here: what a vector's message carries is the vector's number.
 */
#ifndef IRQ_H
#define IRQ_H

#include "message.h"

#include <viommu/transport/pci.h>

#define IRQ_VECTORS_MAX 8u

struct irqs {
	struct viommu_pci *pci;
	uint32_t vector_count;
	int vectors[IRQ_VECTORS_MAX]; /* -1: not wanted */
	int pin;
	bool pin_high;
	bool pin_masked;
};

void irq_init(struct irqs *irqs, struct viommu_pci *pci, uint32_t vector_count);

/* As many as there are of this kind. */
uint32_t irq_count(const struct irqs *irqs, uint32_t index);

/* The client sets some. `fds` that are kept are set to -1 there. Returns 0 or an errno, and then has done nothing. */
int irq_set(struct irqs *irqs, const struct message_irq_set *set, const uint8_t *data, size_t data_len, int *fds,
	    unsigned fd_count);

/* The function was reset, and its table with it: as the client has set it. */
void irq_refill(struct irqs *irqs);

/* The client has gone. */
void irq_drop(struct irqs *irqs);

/* The library's: a message, and the level of the pin. */
void irq_message(struct irqs *irqs, uint32_t vector);
void irq_line(struct irqs *irqs, bool high);

#endif /* IRQ_H */
