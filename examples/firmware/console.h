/* SPDX-License-Identifier: BSD-3-Clause */
/* console.h: a line of text for whoever looks at the serial port, and the end. */
#ifndef FIRMWARE_CONSOLE_H
#define FIRMWARE_CONSOLE_H

#include <viommu/types.h>

void put(const char *text);
void put_dec(uint32_t value);
void put_hex(uint64_t value);       /* 0x... */
void put_function(uint32_t number); /* of PCI: BB:DD.F */

/* "firmware: FAILED: what: why", and off with a status that is not 0. OK: there is nothing to say about the reason. */
_Noreturn void fail(const char *what, enum viommu_result why);

/* The same, if the result is not OK. */
void need(enum viommu_result result, const char *what);

#endif /* FIRMWARE_CONSOLE_H */
