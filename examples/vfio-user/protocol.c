/* SPDX-License-Identifier: BSD-3-Clause */
/* protocol.c: the commands of vfio-user, and from there to the library's PCI function. */
#include "protocol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What is asked, and the answer that is being made. */
struct exchange {
	struct function *f;
	const uint8_t *body;
	size_t len;
	int *fds;
	unsigned fd_count;
	uint8_t answer[MESSAGE_MAX - sizeof(struct message_header)];
	size_t answer_len;
};

/* Copies the fixed part of a message. False: it is not all there. */
static bool take(const struct exchange *x, void *out, size_t size)
{
	if (x->len < size)
		return false;
	memcpy(out, x->body, size);
	return true;
}

static int answer(struct exchange *x, const void *body, size_t size)
{
	memcpy(x->answer, body, size);
	x->answer_len = size;
	return 0;
}

static int version(struct exchange *x)
{
	struct message_version v;
	int n;

	if (!take(x, &v, sizeof v) || x->f->has_version || (x->len > sizeof v && x->body[x->len - 1] != 0))
		return EINVAL;
	if (v.major != 0)
		return ENOTSUP;
	/* What the client says of itself is about messages that we do not send. */
	v.minor = 0;
	memcpy(x->answer, &v, sizeof v);
	n = snprintf((char *)x->answer + sizeof v, sizeof x->answer - sizeof v,
		     "{\"capabilities\":{\"max_msg_fds\":%u,\"max_data_xfer_size\":%u,\"max_dma_maps\":%u}}",
		     MESSAGE_FDS_MAX, MESSAGE_DATA_MAX, MEMORY_REGIONS_MAX);
	x->answer_len = sizeof v + (size_t)n + 1;
	x->f->has_version = true;
	return 0;
}

static int dma_map(struct exchange *x)
{
	struct message_dma_map m;

	if (!take(x, &m, sizeof m) || m.argsz < sizeof m || (m.flags & ~MESSAGE_DMA_KNOWN) != 0 || x->fd_count > 1)
		return EINVAL;
	return memory_map(&x->f->memory, x->fd_count == 1 ? x->fds[0] : -1, m.offset, m.address, m.size,
			  m.flags & (MESSAGE_DMA_READ | MESSAGE_DMA_WRITE));
}

static int dma_unmap(struct exchange *x)
{
	struct message_dma_unmap u;
	int error = 0;

	if (!take(x, &u, sizeof u) || u.argsz < sizeof u || (u.flags & ~MESSAGE_UNMAP_ALL) != 0)
		return EINVAL;
	/* What is in flight ends. After this nothing looks into memory, while it is in flux. */
	if (!memory_is_in_flux(&x->f->memory))
		x->f->ops->memory_changed(x->f);
	if (u.flags == 0)
		error = memory_unmap(&x->f->memory, u.address, u.size);
	else if (u.address != 0 || u.size != 0)
		error = EINVAL;
	else
		memory_unmap_all(&x->f->memory);
	return error != 0 ? error : answer(x, &u, sizeof u);
}

static int device_info(struct exchange *x)
{
	struct message_device_info info;

	if (!take(x, &info, sizeof info) || info.argsz < sizeof info)
		return EINVAL;
	info = (struct message_device_info){ sizeof info, MESSAGE_DEVICE_RESETS | MESSAGE_DEVICE_PCI,
					     MESSAGE_REGION_COUNT, MESSAGE_IRQ_COUNT };
	return answer(x, &info, sizeof info);
}

static uint64_t region_size(uint32_t index)
{
	switch (index) {
	case VIOMMU_PCI_BAR_VIRTIO:
		return VIOMMU_PCI_BAR_VIRTIO_SIZE;
	case VIOMMU_PCI_BAR_MSIX:
		return VIOMMU_PCI_BAR_MSIX_SIZE;
	case MESSAGE_REGION_CONFIG:
		return VIOMMU_PCI_CONFIG_SIZE;
	default:
		return 0;
	}
}

static int region_info(struct exchange *x)
{
	struct message_region_info info;
	uint32_t index;

	if (!take(x, &info, sizeof info) || info.argsz < sizeof info || info.index >= MESSAGE_REGION_COUNT)
		return EINVAL;
	index = info.index;
	info = (struct message_region_info){ .argsz = sizeof info, .index = index, .size = region_size(index) };
	if (info.size != 0)
		info.flags = MESSAGE_REGION_READABLE | MESSAGE_REGION_WRITABLE;
	return answer(x, &info, sizeof info);
}

static int irq_info(struct exchange *x)
{
	struct message_irq_info info;
	uint32_t index;

	if (!take(x, &info, sizeof info) || info.argsz < sizeof info || info.index >= MESSAGE_IRQ_COUNT)
		return EINVAL;
	index = info.index;
	info = (struct message_irq_info){ sizeof info, MESSAGE_IRQ_EVENTFD, index, irq_count(&x->f->irqs, index) };
	if (index == MESSAGE_IRQ_PIN)
		info.flags |= MESSAGE_IRQ_MASKABLE | MESSAGE_IRQ_AUTOMASKED;
	return answer(x, &info, sizeof info);
}

static int set_irqs(struct exchange *x)
{
	struct message_irq_set set;

	if (!take(x, &set, sizeof set) || set.argsz < sizeof set || set.index >= MESSAGE_IRQ_COUNT)
		return EINVAL;
	return irq_set(&x->f->irqs, &set, x->body + sizeof set, x->len - sizeof set, x->fds, x->fd_count);
}

/* The widest access at this offset that is naturally aligned. */
static uint32_t width_at(uint64_t offset, uint32_t left, uint32_t most)
{
	while (most > left || offset % most != 0)
		most /= 2;
	return most;
}

static uint64_t load(struct function *f, uint32_t region, uint64_t offset, uint32_t width)
{
	if (region == MESSAGE_REGION_CONFIG)
		return viommu_pci_config_read(&f->pci, (uint32_t)offset, width);
	return viommu_pci_bar_read(&f->pci, region, offset, width);
}

static void store(struct function *f, uint32_t region, uint64_t offset, uint32_t width, uint64_t value)
{
	if (region == MESSAGE_REGION_CONFIG)
		viommu_pci_config_write(&f->pci, (uint32_t)offset, width, (uint32_t)value);
	else
		viommu_pci_bar_write(&f->pci, region, offset, width, value);
}

/* Clients read configuration space as a whole; the function takes it in registers. */
static int region_access(struct exchange *x, bool is_write)
{
	struct message_region_access a;
	uint32_t most, done = 0;
	const uint8_t *from = x->body + sizeof a;
	uint8_t *to = x->answer + sizeof a;

	if (!take(x, &a, sizeof a) || a.region >= MESSAGE_REGION_COUNT || a.count == 0 || a.count > MESSAGE_DATA_MAX ||
	    a.offset > region_size(a.region) || a.count > region_size(a.region) - a.offset ||
	    x->len != sizeof a + (is_write ? a.count : 0))
		return EINVAL;
	most = a.region == MESSAGE_REGION_CONFIG ? 4 : 8;
	while (done < a.count) {
		uint32_t width = width_at(a.offset + done, a.count - done, most);
		uint64_t value = 0;

		if (is_write) {
			for (uint32_t i = 0; i < width; i++)
				value |= (uint64_t)from[done + i] << (8 * i);
			store(x->f, a.region, a.offset + done, width, value);
		} else {
			value = load(x->f, a.region, a.offset + done, width);
			for (uint32_t i = 0; i < width; i++)
				to[done + i] = (uint8_t)(value >> (8 * i));
		}
		done += width;
	}
	memcpy(x->answer, &a, sizeof a);
	x->answer_len = sizeof a + (is_write ? 0 : a.count);
	return 0;
}

static int command(struct exchange *x, uint16_t what)
{
	if (!x->f->has_version && what != MESSAGE_VERSION)
		return EINVAL;
	switch (what) {
	case MESSAGE_VERSION:
		return version(x);
	case MESSAGE_DMA_MAP:
		return dma_map(x);
	case MESSAGE_DMA_UNMAP:
		return dma_unmap(x);
	case MESSAGE_DEVICE_GET_INFO:
		return device_info(x);
	case MESSAGE_REGION_GET_INFO:
		return region_info(x);
	case MESSAGE_IRQ_GET_INFO:
		return irq_info(x);
	case MESSAGE_IRQ_SET:
		return set_irqs(x);
	case MESSAGE_REGION_READ:
		return region_access(x, false);
	case MESSAGE_REGION_WRITE:
		return region_access(x, true);
	case MESSAGE_DEVICE_RESET:
		function_reset(x->f);
		return 0;
	default:
		return ENOTSUP;
	}
}

bool protocol_handle(struct function *f)
{
	struct exchange x = { .f = f, .fds = f->channel.fds, .fd_count = f->channel.fd_count };
	int error;

	if (f->channel.in.header.command != MESSAGE_DMA_MAP && f->channel.in.header.command != MESSAGE_DMA_UNMAP)
		memory_apply(&f->memory);
	x.body = channel_body(&f->channel, &x.len);
	error = command(&x, f->channel.in.header.command);
	if (error != 0)
		f->refused++;
	/* Who does not begin as the protocol says will not go on as it says. */
	return channel_reply(&f->channel, error, x.answer, x.answer_len) && f->has_version;
}
