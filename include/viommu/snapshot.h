/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapshot.h: the device's state as bytes, to be put into another device later: on disk, on another machine, under
 * another embedder. docs/snapshot.md has the format, and says how a VMM saves and restores its machine.
 *
 *      device --save--> bytes: little-endian, with version, length and checksum --restore--> device made for it
 *
 * What is in it is what the driver has brought about, and what it could notice if it were missing. What the embedder has
 * configured is not, but for what the driver was shown of it, which has to be the same. A snapshot is input of a peer:
 * whatever its bytes say, a restore puts the object into a state that its _check accepts, or refuses with no effect.
 *
 * A save is refused while something is half done; a restore wants an object that no driver has used since init or its
 * last reset. Nothing here calls back into the embedder, but for work_pending and, in a restore, back ends. Thread
 * class: owner. Access sections may be open. `buf` and `bytes` may have any alignment, and do not change during the
 * call.
 */
#ifndef VIOMMU_SNAPSHOT_H
#define VIOMMU_SNAPSHOT_H

#include <viommu/pump.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the format that is written; those read are this one and the one before, which version 1 does not have. */
#define VIOMMU_SNAPSHOT_VERSION 1u

/*
 * Seam A: what was negotiated, config.bypass, which endpoint is in which domain, and the mappings. Not state: access
 * contexts, their caches, counters, limits, guest memory, and fault reports that nobody has fetched: fetch them with
 * viommu_device_next_fault and deliver them before, or they are lost, as the specification allows.
 */

/* Bytes that viommu_device_save writes now. Steps: endpoints, domains, and viommu_map_next for each mapping. */
uint64_t viommu_device_save_size(const struct viommu_device *dev);

/*
 * Writes *written bytes. The same state gives the same bytes, on every machine.
 * VIOMMU_E_BUSY: requests are pending, or not yet fetched from next_done; or a reset, a restore or bypass 1 -> 0 has not
 * settled. VIOMMU_E_FULL: `len` is less than viommu_device_save_size says. Nothing is written then.
 * Steps: twice those of viommu_device_save_size, and the bytes.
 */
VIOMMU_NODISCARD enum viommu_result viommu_device_save(const struct viommu_device *dev, void *buf, size_t len,
						       size_t *written);

/*
 * Brings the device into the state that was saved. Endpoints that the snapshot does not know are in no domain. If
 * config.bypass was 1, endpoints lose what they could reach, and sections may use it until viommu_device_is_settled.
 * On an error nothing has changed:
 * VIOMMU_E_STATE: something is negotiated, or there is a domain. VIOMMU_E_BUSY: as for save; or sections
 * of an endpoint that was removed (viommu_device_endpoint_is_gone) may still see domains that died.
 * VIOMMU_E_PEER: damaged, cut off, no snapshot of such an object, or in contradiction with itself or the specification.
 * VIOMMU_E_ABI: of another version of the format.
 * VIOMMU_E_UNSUPP: the driver was shown something else: offered features, page sizes, ranges, probe_size, or the
 * reserved regions of an endpoint; or an endpoint that is in a domain has a granule or an input range (device.h) for
 * which something there is mapped that it cannot have. VIOMMU_E_NOENT: an endpoint is not there. VIOMMU_E_FULL: more domains than
 * max_domains. VIOMMU_E_NOMEM: too few map nodes: as many as the maps had are enough.
 * Steps: the bytes; of the device its endpoints, their regions and caches, and with each endpoint a search in domains;
 * one insert (map.h) for each mapping, and for each region of a member a search in its map. With back ends (backend.h)
 * also their hooks, for each endpoint and each mapping of its domain. All of them are asked before anything changes, and
 * anything that one of them refuses with is returned, with no effect. One that breaks after that is blocked, the
 * embedder is told, and the rest is restored.
 */
VIOMMU_NODISCARD enum viommu_result viommu_device_restore(struct viommu_device *dev, const void *bytes, size_t len);

/*
 * The whole device above its rings: all of the above, status and features as the registers have them, where the queues
 * are and how far they have come, and the report that waits for an event buffer. Guest memory has to come along: rings
 * and buffers are in there. So is whether the driver wants to be notified; what it was told of last is with the queue,
 * so that a notification that is due after a restore is sent. The transport is not in it: its registers, and what it has
 * to tell the driver: transport/snapshot.h, or whoever made it.
 *
 * Sizes, results and steps as above, and:
 *
 * save: VIOMMU_E_BUSY: also while a reset of the registers goes on.
 * restore: VIOMMU_E_STATE: also if status is not 0. VIOMMU_E_UNSUPP: also the features of rings that are offered, and
 * queue_size_max. VIOMMU_E_NOENT: also if there is no memory where a ring was, or not at that alignment.
 * Call viommu_pump_process after a restore: kicks from before are not told again. No interrupt is raised in here, and
 * guest memory is not written.
 */
uint64_t viommu_pump_save_size(const struct viommu_pump *pump);
VIOMMU_NODISCARD enum viommu_result viommu_pump_save(const struct viommu_pump *pump, void *buf, size_t len,
						     size_t *written);
VIOMMU_NODISCARD enum viommu_result viommu_pump_restore(struct viommu_pump *pump, const void *bytes, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_SNAPSHOT_H */
