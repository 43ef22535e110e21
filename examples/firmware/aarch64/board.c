/* SPDX-License-Identifier: BSD-3-Clause */
/* board.c: QEMU's virt: a PL011, and semihosting to leave with a status. */
#include "../board.h"

#define UART UINT64_C(0x09000000)
#define UART_FLAGS (UART + 0x18)
#define UART_FULL 0x20u

#define SYS_EXIT 0x18
#define APPLICATION_EXIT 0x20026

const char board_name[] = "aarch64";

void board_put(char c)
{
	while ((*(volatile uint32_t *)UART_FLAGS & UART_FULL) != 0)
		board_relax();
	*(volatile uint32_t *)UART = (uint8_t)c;
}

void board_relax(void)
{
	__asm__ volatile("yield" ::: "memory");
}

void board_sync_code(void)
{
	__asm__ volatile("dsb ish; ic iallu; dsb ish; isb" ::: "memory");
}

void board_exit(unsigned status)
{
	const uint64_t block[2] = { APPLICATION_EXIT, status };
	register uint64_t operation __asm__("x0") = SYS_EXIT;
	register const uint64_t *parameter __asm__("x1") = block;

	__asm__ volatile("hlt #0xf000" : "+r"(operation) : "r"(parameter) : "memory");
	for (;;)
		__asm__ volatile("wfi");
}
