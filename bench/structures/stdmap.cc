/* SPDX-License-Identifier: BSD-3-Clause */
/* stdmap.cc: std::map from the first address of a mapping to the rest of it: what one writes in C++. */
#include "structure.h"

#include <iterator>
#include <map>

namespace
{
struct target {
	uint64_t last;
	uint64_t phys;
	uint32_t flags;
};

using interval_map = std::map<uint64_t, target>;
} // namespace

void *bench_stdmap_open(uint32_t)
{
	return new interval_map;
}

void bench_stdmap_close(void *s)
{
	delete static_cast<interval_map *>(s);
}

bool bench_stdmap_map(void *s, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags)
{
	interval_map &map = *static_cast<interval_map *>(s);
	const auto next = map.upper_bound(first);

	if (next != map.end() && next->first <= last)
		return false;
	if (next != map.begin() && std::prev(next)->second.last >= first)
		return false;
	map.emplace_hint(next, first, target{ last, phys, flags });
	return true;
}

bool bench_stdmap_unmap(void *s, uint64_t first, uint64_t last)
{
	interval_map &map = *static_cast<interval_map *>(s);
	const auto from = map.lower_bound(first);

	if (from != map.begin() && std::prev(from)->second.last >= first)
		return false;
	if (from == map.end() || from->first > last)
		return true;
	/* Exactly one mapping needs no second search. */
	if (from->second.last == last) {
		map.erase(from);
		return true;
	}
	const auto end = map.upper_bound(last);
	if (std::prev(end)->second.last > last)
		return false;
	map.erase(from, end);
	return true;
}

bool bench_stdmap_lookup(void *s, uint64_t iova, uint64_t *phys, uint32_t *flags)
{
	const interval_map &map = *static_cast<interval_map *>(s);
	const auto next = map.upper_bound(iova);

	if (next == map.begin())
		return false;
	const auto found = std::prev(next);
	if (found->second.last < iova)
		return false;
	*phys = found->second.phys + (iova - found->first);
	*flags = found->second.flags;
	return true;
}
