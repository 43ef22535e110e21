/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage.h: what comes next after the firmware, and how it lies on the disk: a sector with a header, little-endian, and
 * from the next sector on the bytes that are to be at stage_begin. examples/firmware/image makes it.
 *
 *      0           8       12      16
 *      | STAGE_MAGIC | bytes | CRC32 | 0 ...
 *
 * CRC32 finds what was damaged. A firmware that is to find what was forged takes a signature instead, in the same place:
 * after the disk has lost the right to write there.
 */
#ifndef FIRMWARE_STAGE_H
#define FIRMWARE_STAGE_H

#include <stdint.h>

#define STAGE_MAGIC "STAGE 1"

extern uint8_t stage_begin[], stage_end[]; /* firmware.ld */

/* The first byte of it. `say`: how it prints a text. It comes back. */
typedef void stage_entry(void (*say)(const char *text));

#endif /* FIRMWARE_STAGE_H */
