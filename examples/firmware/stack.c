/* SPDX-License-Identifier: BSD-3-Clause */
/* stack.c: how deep the stack has been. */
#include "memory.h"

#define PAINT 0xa5

extern uint8_t stack_bottom[], stack_top[]; /* firmware.ld */

/* Up to a little below its own frame. */
void stack_paint(void)
{
	size_t room = (uintptr_t)__builtin_frame_address(0) - (uintptr_t)stack_bottom;

	memset(stack_bottom, PAINT, room - 256);
}

uint32_t stack_used(void)
{
	const uint8_t *p = stack_bottom;

	while (p < stack_top && *p == PAINT)
		p++;
	return (uint32_t)(stack_top - p);
}
