/* SPDX-License-Identifier: BSD-3-Clause */
/* irq.c: interrupts to a client. */
#define _GNU_SOURCE
#include "irq.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Whatever descriptor the client gave us: it does not hold us up. */
static void signal_eventfd(int fd)
{
	static const uint64_t one = 1;

	if (fd < 0)
		return;
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	(void)!write(fd, &one, sizeof one);
}

void irq_message(struct irqs *irqs, uint32_t vector)
{
	if (vector < irqs->vector_count)
		signal_eventfd(irqs->vectors[vector]);
}

/* A level: it masks itself when it was told, and the client asks for it again when the guest has seen it. */
static void raise_pin(struct irqs *irqs)
{
	if (!irqs->pin_high || irqs->pin_masked || irqs->pin < 0)
		return;
	irqs->pin_masked = true;
	signal_eventfd(irqs->pin);
}

void irq_line(struct irqs *irqs, bool high)
{
	irqs->pin_high = high;
	raise_pin(irqs);
}

/* An entry of the MSI-X table. Memory space is on for a moment, as it may be off while a client sets its vectors. */
static void fill_vector(struct irqs *irqs, uint32_t vector)
{
	uint32_t command = viommu_pci_config_read(irqs->pci, 4, 2);
	uint32_t at = vector * 16;

	viommu_pci_config_write(irqs->pci, 4, 2, command | 2);
	viommu_pci_bar_write(irqs->pci, VIOMMU_PCI_BAR_MSIX, at, 4, 0);
	viommu_pci_bar_write(irqs->pci, VIOMMU_PCI_BAR_MSIX, at + 4, 4, 0);
	viommu_pci_bar_write(irqs->pci, VIOMMU_PCI_BAR_MSIX, at + 8, 4, vector);
	viommu_pci_bar_write(irqs->pci, VIOMMU_PCI_BAR_MSIX, at + 12, 4, irqs->vectors[vector] < 0);
	viommu_pci_config_write(irqs->pci, 4, 2, command);
}

static void set_fd(int *slot, int fd)
{
	if (*slot >= 0)
		close(*slot);
	*slot = fd;
}

void irq_init(struct irqs *irqs, struct viommu_pci *pci, uint32_t vector_count)
{
	*irqs = (struct irqs){ .pci = pci, .vector_count = vector_count, .pin = -1 };
	for (uint32_t i = 0; i < IRQ_VECTORS_MAX; i++)
		irqs->vectors[i] = -1;
}

uint32_t irq_count(const struct irqs *irqs, uint32_t index)
{
	switch (index) {
	case MESSAGE_IRQ_PIN:
		return 1;
	case MESSAGE_IRQ_MSIX:
		return irqs->vector_count;
	default:
		return 0;
	}
}

static void set_one(struct irqs *irqs, uint32_t index, uint32_t number, int fd)
{
	if (index == MESSAGE_IRQ_PIN) {
		set_fd(&irqs->pin, fd);
		irqs->pin_masked = false;
		raise_pin(irqs);
	} else {
		set_fd(&irqs->vectors[number], fd);
		fill_vector(irqs, number);
	}
}

static void fire(const struct irqs *irqs, uint32_t index, uint32_t number)
{
	signal_eventfd(index == MESSAGE_IRQ_PIN ? irqs->pin : irqs->vectors[number]);
}

static void mask(struct irqs *irqs, bool masked)
{
	irqs->pin_masked = masked;
	raise_pin(irqs);
}

int irq_set(struct irqs *irqs, const struct message_irq_set *set, const uint8_t *data, size_t data_len, int *fds,
	    unsigned fd_count)
{
	uint32_t kind = set->flags & (MESSAGE_IRQ_DATA_NONE | MESSAGE_IRQ_DATA_BOOL | MESSAGE_IRQ_DATA_EVENTFD);
	uint32_t action = set->flags & (MESSAGE_IRQ_MASK | MESSAGE_IRQ_UNMASK | MESSAGE_IRQ_TRIGGER);
	uint32_t there = irq_count(irqs, set->index);

	if ((kind | action) != set->flags || kind == 0 || (kind & (kind - 1)) != 0 || action == 0 ||
	    (action & (action - 1)) != 0 || set->start > there || set->count > there - set->start)
		return EINVAL;
	if (kind == MESSAGE_IRQ_DATA_BOOL && data_len < set->count)
		return EINVAL;
	if (kind == MESSAGE_IRQ_DATA_EVENTFD && fd_count != 0 && fd_count != set->count)
		return EINVAL;
	if (action != MESSAGE_IRQ_TRIGGER && (set->index != MESSAGE_IRQ_PIN || kind == MESSAGE_IRQ_DATA_EVENTFD))
		return ENOTSUP;

	/* No data and no numbers: all off. */
	if (kind == MESSAGE_IRQ_DATA_NONE && action == MESSAGE_IRQ_TRIGGER && set->count == 0) {
		for (uint32_t i = 0; i < there; i++)
			set_one(irqs, set->index, i, -1);
		return 0;
	}
	for (uint32_t i = 0; i < set->count; i++) {
		if (kind == MESSAGE_IRQ_DATA_EVENTFD) {
			set_one(irqs, set->index, set->start + i, fd_count != 0 ? fds[i] : -1);
			if (fd_count != 0)
				fds[i] = -1;
		} else if (kind == MESSAGE_IRQ_DATA_BOOL && data[i] == 0) {
			continue;
		} else if (action == MESSAGE_IRQ_TRIGGER) {
			fire(irqs, set->index, set->start + i);
		} else {
			mask(irqs, action == MESSAGE_IRQ_MASK);
		}
	}
	return 0;
}

void irq_refill(struct irqs *irqs)
{
	for (uint32_t i = 0; i < irqs->vector_count; i++)
		fill_vector(irqs, i);
}

void irq_drop(struct irqs *irqs)
{
	set_fd(&irqs->pin, -1);
	irqs->pin_masked = false;
	for (uint32_t i = 0; i < irqs->vector_count; i++)
		set_fd(&irqs->vectors[i], -1);
}
