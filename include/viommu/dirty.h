/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dirty.h: which pages of guest memory endpoints have written to, for a machine that moves while it runs.
 *
 * A log is a bitmap of pages, in the embedder's memory. It hangs on endpoints, none at first, and gets a bit set for
 * each page that a translation for WRITE leads to (viommu_access_translate, _write and _copy; also one that the context
 * remembers). A bit says that a section of the endpoint may write, and not that it has done so: what is written, is
 * written when the section has ended. So a log is not read while it is in use. To look at what was written, give the
 * endpoint another log:
 *
 *     viommu_device_set_dirty_log(dev, disk, &logs[turn ^= 1]);    from now on writes go into this one
 *     ... until viommu_device_memory_is_settled(dev) ...           all that are in the other one have been done
 *     for each page of the other one: copy it, and clear its bit
 *
 * No write is lost: a section that uses the old log began before the new one was set, and is waited for. When the
 * machine stands still, no section is open, and the log in use is all there is.
 *
 * What is not in a log: accesses that go by a back end (backend.h), which has to keep one itself; what the device
 * writes for the driver, which is used rings, tails and event buffers: copy these pages last, or watch the memory seam;
 * and messages to an MSI doorbell, which is no memory.
 */
#ifndef VIOMMU_DIRTY_H
#define VIOMMU_DIRTY_H

#include <viommu/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The embedder's, in place as long as it is used. Initialised by assignment of the first four members, the rest 0. */
struct viommu_dirty_log {
	viommu_gpa first;   /* of page 0, a multiple of the page */
	uint64_t pages;     /* not 0 */
	uint32_t *bits;     /* page n: bit n % 32 of bits[n / 32], in the processor's order. Set while in use, never cleared */
	uint32_t page_bits; /* 2 to this power is a page: 8 to 32 */
	uint32_t outside;   /* out: 1 if a page was written that is not in the log. Never cleared */
};

/*
 * From now on the endpoint's writes go into this log; NULL: into none. The old one may be written to until
 * viommu_device_memory_is_settled says that nobody does, and is complete then; that takes the sections that are open
 * now, of all endpoints, and sets a term for changes of memory as viommu_device_memory_changed does. One log may serve
 * several endpoints. The log of an endpoint that is removed is used until viommu_device_endpoint_is_gone.
 *
 * VIOMMU_E_ARG: no bits, no pages, page_bits out of range, `first` misaligned, or pages beyond 2^64. VIOMMU_E_STATE: the
 * endpoint was removed. Nothing has changed then.
 * Thread class: owner. Steps: as viommu_device_memory_changed. A translation for WRITE costs as many steps more as it
 * covers words of the log.
 */
VIOMMU_NODISCARD enum viommu_result viommu_device_set_dirty_log(struct viommu_device *dev,
								struct viommu_endpoint *endpoint,
								struct viommu_dirty_log *log);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_DIRTY_H */
