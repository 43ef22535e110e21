/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transport.h: what lies between driver and device of the sim: one of several transports, chosen by name.
 *
 *      driver --- register_ops ---> [ local | mmio | pci ] ---> registers of the pump
 *                                   [                    ] <--- interrupt_ops
 *
 * Nothing happens by itself: kicks and interrupts are recorded. To wire a transport up:
 *
 *     sim_transport_init(&t, kind);        then the pump is made, with t.interrupt_ops and t.interrupt_ctx
 *     sim_transport_connect(&t, viommu_pump_registers(&pump));
 *     sim_transport_find_device(&t);       then the driver is started, with t.register_ops and t.register_ctx
 *
 * A transport is a file with a struct sim_transport_kind, a row in transport.c, and what it keeps in the union below.
 */
#ifndef VIOMMU_SIM_TRANSPORT_H
#define VIOMMU_SIM_TRANSPORT_H

#include <viommu/viommu.h>

struct sim_transport;

struct sim_transport_kind {
	const char *name;
	bool one_line;                                          /* used buffer notifications of all queues look alike */
	void (*init)(struct sim_transport *t);                  /* sets interrupt_ops and interrupt_ctx */
	enum viommu_result (*connect)(struct sim_transport *t); /* the device's side, when there are new registers */
	enum viommu_result (*find_device)(struct sim_transport *t); /* the driver's: register_ops and register_ctx */
	void (*take_interrupts)(struct sim_transport *t);           /* NULL: they are recorded when they happen */
	bool (*may_run)(const struct sim_transport *t);             /* may the device touch memory? NULL: always */
	bool (*check)(const struct sim_transport *t);               /* the library's checks; NULL: there are none */
	/* The device's side as bytes, and of one that was connected anew what these say. NULL: it has nothing. */
	enum viommu_result (*save)(const struct sim_transport *t, void *buf, size_t len, size_t *written);
	enum viommu_result (*restore)(struct sim_transport *t, const void *bytes, size_t len);
};

/* virtio-mmio: register file and accessors. */
struct sim_mmio {
	struct viommu_mmio device;
	struct viommu_register_queue queues[VIOMMU_QUEUE_COUNT];
	struct viommu_mmio_driver driver;
	bool line;
};

/* virtio-pci: a function, and what drives it. A vector for each queue, and one for the configuration. */
#define SIM_PCI_VECTORS 3u
struct sim_pci {
	struct viommu_pci device;
	struct viommu_register_queue queues[VIOMMU_QUEUE_COUNT];
	struct viommu_pci_vector vectors[SIM_PCI_VECTORS];
	struct viommu_pci_driver driver;
	struct viommu_pci_driver_queue driver_queues[VIOMMU_QUEUE_COUNT];
};

/* Members marked "out" may be read and cleared at any time. */
struct sim_transport {
	const struct sim_transport_kind *kind;
	const struct viommu_interrupt_ops *interrupt_ops; /* out: for the pump, after init */
	void *interrupt_ctx;
	const struct viommu_register_ops *register_ops; /* out: for the driver, after find_device */
	void *register_ctx;
	bool touched;                       /* out: the driver kicked or stored to a register: the device has to look */
	uint32_t kicks[VIOMMU_QUEUE_COUNT]; /* out: notifications by the driver */
	uint32_t used[VIOMMU_QUEUE_COUNT];  /* out: used buffer notifications by the device */
	uint32_t config;                    /* out: configuration change notifications by the device */
	/* private */
	struct viommu_registers *registers;
	union {
		struct sim_mmio mmio;
		struct sim_pci pci;
	};
};

extern const struct sim_transport_kind sim_transport_local; /* calls of the registers, nothing in between */
extern const struct sim_transport_kind sim_transport_mmio;
extern const struct sim_transport_kind sim_transport_pci;

/* All of them, ended by NULL; and the one of this name, or NULL. */
extern const struct sim_transport_kind *const sim_transports[];
const struct sim_transport_kind *sim_transport_by_name(const char *name);

/* The one that the environment variable VIOMMU_TRANSPORT names: so the tests run over each. Local if it is not set. */
const struct sim_transport_kind *sim_transport_default(void);

/* kind NULL: the default. Everything is 0 but the pump's part. Stays where it is. */
void sim_transport_init(struct sim_transport *t, const struct sim_transport_kind *kind);

/* Errors come from the library; there is none with a pump that was made as above. */
VIOMMU_NODISCARD enum viommu_result sim_transport_connect(struct sim_transport *t, struct viommu_registers *registers);

/* As in transport/snapshot.h; no bytes where the transport has nothing of its own. Of a restore: connect it before. */
#define SIM_TRANSPORT_SNAPSHOT 1024u /* bytes are enough */
VIOMMU_NODISCARD enum viommu_result sim_transport_save(const struct sim_transport *t, void *buf, size_t len,
						       size_t *written);
VIOMMU_NODISCARD enum viommu_result sim_transport_restore(struct sim_transport *t, const void *bytes, size_t len);

/* What the driver finds: errors of the transport's own look at it. */
VIOMMU_NODISCARD enum viommu_result sim_transport_find_device(struct sim_transport *t);

/* The driver's interrupt routine, if an interrupt is waiting: then `used` and `config` are up to date. */
void sim_transport_take_interrupts(struct sim_transport *t);

/* May the device work now? */
bool sim_transport_may_run(const struct sim_transport *t);

/* What is always true of the transport's objects of the library. */
bool sim_transport_check(const struct sim_transport *t);

/* For transports: a notification of the driver or of the device. One of a queue that does not exist is not recorded. */
void sim_transport_kicked(struct sim_transport *t, uint32_t queue);
void sim_transport_used(struct sim_transport *t, uint32_t queue);
void sim_transport_config(struct sim_transport *t);

#endif /* VIOMMU_SIM_TRANSPORT_H */
