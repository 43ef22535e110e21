/* SPDX-License-Identifier: BSD-3-Clause */
#include "driver_pages.h"

uint32_t victim;
struct verdict victims_verdict;

void set_up(struct one *t, const struct driver_options *o)
{
	t->f = driver_up(o);
	domain_up(t->f, &t->d, &t->e, 8);
	t->f->script.count = 0;
	memset(t->f->kicks, 0, sizeof t->f->kicks);
	t->f->waits = 0;
}

struct viommu_driver_domain *domain_any(struct driver_fixture *f, struct viommu_driver_domain *d)
{
	assert_int_equal(viommu_driver_domain_init(d, &f->drv, VIOMMU_DOMAIN_ANY, false), VIOMMU_OK);
	return d;
}

enum viommu_result map_page(struct viommu_driver_domain *d, uint64_t page)
{
	return viommu_driver_map(d, page * PAGE, page * PAGE + PAGE - 1, (page + 16) * PAGE, RW);
}

enum viommu_result unmap_pages(struct viommu_driver_domain *d, uint64_t first, uint64_t last)
{
	return viommu_driver_unmap(d, first * PAGE, last * PAGE + PAGE - 1);
}

bool is_mapped(struct viommu_driver_domain *d, uint64_t page)
{
	uint64_t phys;

	return viommu_driver_iova_to_phys(d, page * PAGE, &phys) == VIOMMU_OK;
}

struct verdict spoil_one(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)r;
	return number == victim ? victims_verdict : VERDICT_HONEST;
}

struct verdict spoil_attach(struct driver_fixture *f, const struct viommu_wire_request *r, uint32_t number)
{
	(void)f;
	(void)number;
	return r->type == VIOMMU_T_ATTACH || r->type == VIOMMU_T_DETACH ? victims_verdict : VERDICT_HONEST;
}

void release_first(struct driver_fixture *f)
{
	for (uint32_t i = 0; i < f->script.held_count; i++) {
		if (!f->script.held[i].answered) {
			script_release(f, i);
			return;
		}
	}
	f->script.held_count = 0;
}
