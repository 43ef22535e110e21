/* SPDX-License-Identifier: BSD-3-Clause */
/* memory.h: what <string.h> is elsewhere, as far as it is needed here, and how much of the stack was used. */
#ifndef FIRMWARE_MEMORY_H
#define FIRMWARE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

void *memcpy(void *dst, const void *src, size_t len);
void *memmove(void *dst, const void *src, size_t len);
void *memset(void *dst, int value, size_t len);
int memcmp(const void *a, const void *b, size_t len);

/* Paints what is free of the stack; later, how many bytes are not as they were painted. */
void stack_paint(void);
uint32_t stack_used(void);

#endif /* FIRMWARE_MEMORY_H */
