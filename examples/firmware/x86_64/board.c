/* SPDX-License-Identifier: BSD-3-Clause */
/* board.c: QEMU's q35: a serial port, and the device isa-debug-exit at 0xf4. */
#include "../board.h"

#define SERIAL 0x3f8
#define SERIAL_LINE_STATUS (SERIAL + 5)
#define SERIAL_ROOM 0x20
#define DEBUG_EXIT 0xf4

const char board_name[] = "x86_64";

static void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

void board_put(char c)
{
	while ((in8(SERIAL_LINE_STATUS) & SERIAL_ROOM) == 0)
		board_relax();
	out8(SERIAL, (uint8_t)c);
}

void board_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

/* Instructions are fetched as they are in memory, from the next jump on. */
void board_sync_code(void)
{
	__asm__ volatile("" ::: "memory");
}

/* The status of QEMU is twice that and one more. Its own errors are 1: these are 33 and above. */
void board_exit(unsigned status)
{
	out8(DEBUG_EXIT, (uint8_t)(0x10 + status));
	for (;;)
		__asm__ volatile("cli; hlt");
}
