/* SPDX-License-Identifier: BSD-3-Clause */
/* edu.c: its registers are 64 bits wide, and have to be stored to as such. */
#include "edu.h"

#include "board.h"

#define SOURCE 0x80u
#define DESTINATION 0x88u
#define COUNT 0x90u
#define COMMAND 0x98u
#define RUN 1u
#define TO_MEMORY 2u
#define BUFFER 0x40000u

#define PATIENCE 50000000u

static volatile uint64_t *reg(const struct bus_function *edu, uint32_t offset)
{
	return (volatile uint64_t *)(uintptr_t)(edu->bars[0].address + offset);
}

static bool transfer(const struct bus_function *edu, uint64_t from, uint64_t to, uint32_t len, uint64_t direction)
{
	viommu_port_fence_strong(); /* memory first */
	*reg(edu, SOURCE) = from;
	*reg(edu, DESTINATION) = to;
	*reg(edu, COUNT) = len;
	*reg(edu, COMMAND) = RUN | direction;
	for (uint32_t i = 0; i < PATIENCE; i++) {
		if ((*reg(edu, COMMAND) & RUN) == 0) {
			viommu_port_fence_strong(); /* memory afterwards */
			return true;
		}
		board_relax();
	}
	return false;
}

bool edu_load(const struct bus_function *edu, uint64_t iova, uint32_t len)
{
	return transfer(edu, iova, BUFFER, len, 0);
}

bool edu_save(const struct bus_function *edu, uint64_t iova, uint32_t len)
{
	return transfer(edu, BUFFER, iova, len, TO_MEMORY);
}
