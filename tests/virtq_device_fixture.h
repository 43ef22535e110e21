/* SPDX-License-Identifier: BSD-3-Clause */
/* virtq_device_fixture.h: the device's half of a queue on the guest and the ring of virtq_ring.h. */
#ifndef VIOMMU_TESTS_VIRTQ_DEVICE_FIXTURE_H
#define VIOMMU_TESTS_VIRTQ_DEVICE_FIXTURE_H

#include "virtq_ring.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define IND VIOMMU_F_INDIRECT_DESC
#define EVT VIOMMU_F_EVENT_IDX
#define CAPACITY 40000u

extern struct guest guest;
extern struct ring ring;
extern struct viommu_virtq_device q;
extern struct viommu_segment segments[CAPACITY];
extern struct viommu_chain chain; /* of pop() */

int setup(void **state);
int teardown(void **state);
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

enum viommu_result pop(void);

/* One readable byte under this head goes through and is answered. */
void check_good_chain(unsigned head);

#endif /* VIOMMU_TESTS_VIRTQ_DEVICE_FIXTURE_H */
