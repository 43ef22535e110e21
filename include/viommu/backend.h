/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend.h: who else has to know what an endpoint can reach: a VFIO container, a vhost IOTLB, a shadow page table.
 *
 * An endpoint whose DMA does not go through access.h has a back end, which is told of each change before it counts:
 *
 *     request --> judged --> prepare (each endpoint of the domain) --> commit (each) --> the device --> answer
 *                                  | one of them refuses                  | one of them breaks
 *                                  v                                      v
 *                            abort, the last one first; status      its endpoint is blocked; DEVERR
 *
 * docs/backends.md says what the three are for, and how to write one. The sim has two (sim/backend.h).
 *
 * The states of an endpoint, as far as its back end goes:
 *
 *     none --set_backend--> works --break_backend, or it refuses what cannot be refused--> broken --set_backend--> ...
 *
 * Thread class of everything here: owner. So are the hooks: they are called on the owner's thread, within the call that
 * the change comes from, which is viommu_device_submit, viommu_device_config_write, a reset, a restore, set_backend,
 * or when an endpoint is added or removed.
 */
#ifndef VIOMMU_BACKEND_H
#define VIOMMU_BACKEND_H

#include <viommu/device.h>

#ifdef __cplusplus
extern "C" {
#endif

enum viommu_backend_type {
	/*
	 * The endpoint goes from wherever it was into a domain; what it could reach from there is gone. With `bypass` it
	 * reaches all memory untranslated now. Without, nothing but what the MAPs say that follow, one for each mapping
	 * of the domain: all of them are prepared behind the ATTACH, before it is committed, and committed behind it,
	 * in the order of their addresses. An abort of the ATTACH is one of these MAPs too: they get none.
	 */
	VIOMMU_BACKEND_ATTACH,
	/* It is in no domain: with `bypass` it reaches all memory untranslated, without it nothing. */
	VIOMMU_BACKEND_DETACH,
	/* `mapping` is there now. It does not overlap what is there. */
	VIOMMU_BACKEND_MAP,
	/*
	 * All mappings from mapping.first to mapping.last are gone, which are at least one. Each lies inside as a
	 * whole; between and beside them may be nothing. The range is the driver's, up to the whole address space.
	 */
	VIOMMU_BACKEND_UNMAP
};

/* Valid during the call. */
struct viommu_backend_change {
	uint32_t size; /* sizeof(struct viommu_backend_change) */
	uint8_t type;  /* enum viommu_backend_type */
	bool bypass;   /* ATTACH, DETACH */
	/*
	 * It comes whether the back end agrees or not: a reset, a store to config.bypass, an endpoint that is removed,
	 * a MAP of this domain in which another back end broke. To refuse it is to break.
	 */
	bool must;
	uint32_t domain;               /* ATTACH: the id. Otherwise 0 */
	struct viommu_mapping mapping; /* MAP; UNMAP: first and last */
	struct viommu_device *dev;
	struct viommu_endpoint *endpoint;
};

/*
 * Each commit and each abort follows a prepare of the same change that was answered with VIOMMU_OK; each such prepare is
 * followed by one of the two before the call returns that it came from, unless the back end breaks in between.
 *
 * The hooks may call what only reads (viommu_device_next_mapping, viommu_device_check but in a restore, other
 * functions that take a const device), viommu_access_begin, _translate and _end with a context of the owner's, and
 * viommu_device_break_backend. Nothing else of this device. What they see in `prepare` is the device before the change,
 * and in `commit` too, but for MAP, where the mapping is there already.
 *
 * They may block as long as the driver, who waits, can do without the device. What takes longer to take away than
 * that, an access section waits for: see viommu_device_set_backend.
 */
struct viommu_backend_ops {
	uint32_t size; /* sizeof(struct viommu_backend_ops) */
	/*
	 * Can it be done? Reserve what it takes, so that commit cannot fail. Anything but VIOMMU_OK refuses it: then
	 * nothing has changed anywhere, and the driver gets NOMEM for VIOMMU_E_NOMEM and VIOMMU_E_FULL, RANGE for
	 * VIOMMU_E_RANGE, INVAL for VIOMMU_E_EXISTS, UNSUPP for VIOMMU_E_UNSUPP, and DEVERR for everything else. The
	 * embedder's own calls return it as it is. NULL: agrees to all.
	 */
	enum viommu_result (*prepare)(void *ctx, const struct viommu_backend_change *change);
	/*
	 * Do it. When this returns from a change that takes something away, nothing behind the endpoint uses that any
	 * more; or an access section that began before it returned is open until then. Not NULL.
	 */
	void (*commit)(void *ctx, const struct viommu_backend_change *change);
	/* Give back what was reserved: somebody else refused. The last one to agree is the first to be asked. May be NULL. */
	void (*abort)(void *ctx, const struct viommu_backend_change *change);
};

/*
 * Gives an endpoint that has none, or whose own has broken, a back end, and tells it where the endpoint is: ATTACH with
 * a MAP for each mapping there is, or DETACH. An endpoint that was blocked then has again what its domain has. ops is
 * kept by pointer; NULL: it has none from now on, and is blocked no more. viommu_endpoint_config does the same.
 *
 * A back end that needs time to take something away opens an access section in commit, with a context of the endpoint
 * (access.h) that belongs to the owner, and ends it on any thread when nothing uses it any more. The request, the reset
 * or the removal is not done before that, as with every section that began earlier. Only what takes away waits: a MAP is
 * answered when commit returns.
 *
 * VIOMMU_E_ABI: ops->size. VIOMMU_E_ARG: no commit. VIOMMU_E_STATE: it has one that works, or was removed.
 * VIOMMU_E_PORT: it broke; the endpoint is blocked. Anything that prepare answered: nothing has changed.
 * Steps: the hooks, and viommu_map_next, twice for each mapping of the domain.
 */
VIOMMU_NODISCARD enum viommu_result viommu_device_set_backend(struct viommu_device *dev,
							      struct viommu_endpoint *endpoint,
							      const struct viommu_backend_ops *ops, void *ctx);

/*
 * The back end does not do what it should, and cannot be told: it has gone, or commit failed. From now on its endpoint
 * is blocked: no access section that begins finds anything, and no hook of it is called. It stays in its domain; ATTACH
 * of it gets DEVERR. Before this returns the embedder is told (viommu_device_ops.backend_broken). Only set_backend, or
 * the removal of the endpoint, ends this: neither the driver's DETACH nor a reset does.
 *
 * From within a hook, also that of another endpoint: the request gets DEVERR, and has had no effect but that what an
 * UNMAP or a DETACH takes away is gone. From outside: complete when viommu_device_is_settled says so. Without a back
 * end that works nothing happens. Steps: the contexts of the endpoint, all slots of their caches.
 */
void viommu_device_break_backend(struct viommu_device *dev, struct viommu_endpoint *endpoint);

/* Is the endpoint blocked, since its back end broke? */
bool viommu_device_endpoint_is_broken(const struct viommu_device *dev, const struct viommu_endpoint *endpoint);

/*
 * The whole mapping of the endpoint's domain that contains `from`, or else the first one behind it. False: none, or it
 * is in no domain. Steps: viommu_map_next.
 */
bool viommu_device_next_mapping(const struct viommu_device *dev, const struct viommu_endpoint *endpoint,
				viommu_iova from, struct viommu_mapping *out);

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_BACKEND_H */
