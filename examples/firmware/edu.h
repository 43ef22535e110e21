/* SPDX-License-Identifier: BSD-3-Clause */
/* edu.h: QEMU's device for exercises: among other things it copies between memory and a buffer of its own. */
#ifndef FIRMWARE_EDU_H
#define FIRMWARE_EDU_H

#include "bus.h"

#define EDU_ID 0x11e81234u

/* Of its buffer; the device has one byte more, which QEMU 7.2 does not survive. */
#define EDU_MAX 4095u

/* From memory, and to memory, at an address of the device's. False: the device does not come to an end. */
bool edu_load(const struct bus_function *edu, uint64_t iova, uint32_t len);
bool edu_save(const struct bus_function *edu, uint64_t iova, uint32_t len);

#endif /* FIRMWARE_EDU_H */
