/* SPDX-License-Identifier: BSD-3-Clause */
/* board.c: QEMU's virt: a 16550, and the device sifive_test to leave with a status. */
#include "../board.h"

#define UART UINT64_C(0x10000000)
#define UART_LINE_STATUS (UART + 5)
#define UART_ROOM 0x20

#define TEST UINT64_C(0x100000)
#define TEST_PASS 0x5555u
#define TEST_FAIL 0x3333u

const char board_name[] = "riscv64";

void board_put(char c)
{
	while ((*(volatile uint8_t *)UART_LINE_STATUS & UART_ROOM) == 0)
		board_relax();
	*(volatile uint8_t *)UART = (uint8_t)c;
}

/* Not the instruction `pause`, which not every assembler knows. */
void board_relax(void)
{
	__asm__ volatile("nop" ::: "memory");
}

void board_sync_code(void)
{
	__asm__ volatile("fence.i" ::: "memory");
}

void board_exit(unsigned status)
{
	*(volatile uint32_t *)TEST = status == 0 ? TEST_PASS : TEST_FAIL | status << 16;
	for (;;)
		__asm__ volatile("wfi");
}
