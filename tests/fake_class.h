/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_class.h: a device class that is a few variables, for the tests of registers and of transports. */
#ifndef VIOMMU_TESTS_FAKE_CLASS_H
#define VIOMMU_TESTS_FAKE_CLASS_H

#include <viommu/transport/registers.h>

#define FAKE_CONFIG_MAX 24u

/* Set up by the test, and changed at any time. */
struct fake_class {
	uint64_t features;    /* offered */
	uint32_t queue_count; /* that it can be asked about */
	bool settled;         /* a reset, of one queue too, is complete at once */
	/* The configuration. Reads 0 behind its end, unless it is up to the transport that nobody looks there. */
	bool is_bounded;
	uint32_t config_size;
	uint8_t config[FAKE_CONFIG_MAX];
	uint32_t config_writes;
	uint32_t config_offset, config_len; /* of the last store */
	unsigned resets, queue_resets;
};

/* ctx: the struct fake_class */
extern const struct viommu_register_class fake_class;

#endif /* VIOMMU_TESTS_FAKE_CLASS_H */
