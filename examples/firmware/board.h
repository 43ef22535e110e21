/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * board.h: all that the firmware has to know about a processor and its machine: NAME/start.S, which makes a stack,
 * clears .bss and calls firmware_main, and NAME/board.c, which has the functions below. Where the PCI bus is, and what
 * is behind the IOMMU, is found out (platform.h).
 */
#ifndef FIRMWARE_BOARD_H
#define FIRMWARE_BOARD_H

#include <stdint.h>

extern const char board_name[];

/* The console. */
void board_put(char c);

/* For loops that wait. */
void board_relax(void);

/* What was stored as data may now be executed. */
void board_sync_code(void);

/* Switches the machine off. 0: all went well; up to 63. */
_Noreturn void board_exit(unsigned status);

/* The firmware. `boot`: what the machine told start.S. */
_Noreturn void firmware_main(const void *boot);

/* For start.S: the processor has taken an exception. */
_Noreturn void firmware_exception(uint64_t cause, uint64_t at);

#endif /* FIRMWARE_BOARD_H */
