/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qtest.h: a QEMU of which no guest runs, through its qtest socket: registers are reached by commands in text, one line
 * each. Guest memory is a file that both processes map, so rings and data are plain memory. The virtual processor
 * executes a page of halt instructions; functions of the bus are found and given addresses by the library's own code
 * for firmware. Whatever QEMU does not answer in time is gone, and QEMU is killed: from then on every read gives ones,
 * as on a bus without a device.
 *
 * The machine is q35 with virtio-iommu-pci; "edu" devices have a DMA engine that takes 0.1 s for each transfer.
 */
#ifndef VIOMMU_SIM_QTEST_H
#define VIOMMU_SIM_QTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <viommu/transport/pci_driver.h>

#define SIM_QTEST_RAM 0x2000000u
#define SIM_QTEST_IOMMU 0x20u /* 00:04.0 */
#define SIM_QTEST_ARGUMENTS 16u

/* Members in place until deinit. Those below `private` are nobody else's. */
struct sim_qtest {
	const char *program;
	char version[128]; /* as it says */
	uint8_t *ram;      /* SIM_QTEST_RAM bytes, from physical address 0 on */
	const char *why;   /* it is gone; NULL: it is there, or was stopped */
	/* private */
	struct viommu_pci_window window;
	char folder[64];
	pid_t pid; /* 0: none */
	int fd;    /* of the socket; -1: none */
	int ram_fd;
	char line[256];
	size_t line_len;
};

/* False: there is no such program, or no memory. Only one at a time: what it leaves is removed at exit. */
bool sim_qtest_init(struct sim_qtest *q, const char *program);
void sim_qtest_deinit(struct sim_qtest *q);

/* Starts it anew, with the memory full of zeroes and these arguments besides its own; the last one is NULL. */
bool sim_qtest_start(struct sim_qtest *q, const char *const *arguments);
void sim_qtest_stop(struct sim_qtest *q);
bool sim_qtest_is_alive(const struct sim_qtest *q);

/* Lets it do what it has to: it works between two commands. False: it is gone. */
bool sim_qtest_run(struct sim_qtest *q);

/* A reset of the machine. */
void sim_qtest_system_reset(struct sim_qtest *q);

/* The bus, for the library; ctx: struct sim_qtest. */
extern const struct viommu_pci_accessors sim_qtest_accessors;

/* Gives the BARs of a function addresses, and lets it be reached and be master of the bus. */
enum viommu_result sim_qtest_place(struct sim_qtest *q, uint32_t function, struct viommu_pci_bar bars[VIOMMU_PCI_BARS]);

/* The IOMMU's registers as the library's driver wants them. */
struct sim_qtest_iommu {
	struct viommu_pci_driver driver; /* with viommu_pci_driver_ops */
	struct viommu_pci_driver_queue queues[2];
};
enum viommu_result sim_qtest_find_iommu(struct sim_qtest *q, struct sim_qtest_iommu *iommu);

/* An edu at this address: `len` bytes, 1 to 4095, from memory into its buffer, or back. False: it did not end. */
bool sim_qtest_edu_load(struct sim_qtest *q, uint64_t edu, uint64_t iova, uint32_t len);
bool sim_qtest_edu_save(struct sim_qtest *q, uint64_t edu, uint64_t iova, uint32_t len);

#endif /* VIOMMU_SIM_QTEST_H */
