/* SPDX-License-Identifier: BSD-3-Clause */
#include "pages.h"

#include <stdlib.h>

bool bench_pages_init(struct bench_pages *p, uint32_t n)
{
	p->n = n;
	p->random.state = BENCH_SEED;
	p->live = malloc((size_t)n * 2 * sizeof(*p->live));
	if (p->live == NULL)
		return false;
	p->spare = p->live + n;
	for (uint32_t i = 0; i < 2 * n; i++)
		p->live[i] = i;
	for (uint32_t i = 2 * n - 1; i > 0; i--) {
		const uint32_t j = bench_below(&p->random, i + 1);
		const uint32_t page = p->live[i];

		p->live[i] = p->live[j];
		p->live[j] = page;
	}
	return true;
}

void bench_pages_deinit(struct bench_pages *p)
{
	free(p->live);
}
