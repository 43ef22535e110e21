/* SPDX-License-Identifier: BSD-3-Clause */
#include "grace.h"

#include <string.h>

#define BIT(n) (UINT32_C(1) << (n))

uint32_t sim_grace_sections(const struct sim_grace *g, uint32_t index)
{
	uint32_t mask = 0;

	for (uint32_t s = 0; s < SIM_GRACE_SECTIONS && g->open >> s != 0; s++)
		if ((g->open & BIT(s)) != 0 && g->endpoints[s] == index)
			mask |= BIT(s);
	return mask;
}

/* These sections can use what the domain maps from now on. */
static void let_use(struct sim_model *m, uint32_t domain, uint32_t sections)
{
	for (uint32_t i = 0; i < m->mapping_count && sections != 0; i++)
		if (m->mappings[i].domain == domain)
			m->mappings[i].users |= sections;
}

void sim_grace_begin(struct sim_grace *g, struct sim_model *m, uint32_t section, uint32_t index)
{
	g->open |= BIT(section);
	g->endpoints[section] = index;
	if (m->endpoints[index].attached)
		let_use(m, m->endpoints[index].domain, BIT(section));
}

void sim_grace_end(struct sim_grace *g, struct sim_model *m, uint32_t section)
{
	g->open &= ~BIT(section);
	g->settle &= ~BIT(section);
	for (uint32_t i = 0; i < m->mapping_count; i++)
		m->mappings[i].users &= ~BIT(section);
}

static bool is_in(const struct sim_model *m, uint32_t index, uint32_t domain)
{
	return m->endpoints[index].attached && m->endpoints[index].domain == domain;
}

/* Sections of the endpoints in this domain. */
static uint32_t members(const struct sim_grace *g, const struct sim_model *m, uint32_t domain)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < m->endpoint_count; i++)
		if (is_in(m, i, domain))
			mask |= sim_grace_sections(g, i);
	return mask;
}

uint32_t sim_grace_movers(const struct sim_grace *g, const struct sim_model *m)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < m->endpoint_count; i++)
		if ((g->restless & BIT(i)) != 0)
			mask |= sim_grace_sections(g, i);
	return mask;
}

/* Can the endpoint reach anything? */
static bool reaches_anything(const struct sim_model *m, uint32_t index)
{
	const struct sim_model_endpoint *endpoint = &m->endpoints[index];

	if (!endpoint->attached)
		return m->bypass != 0 && !endpoint->removed;
	for (uint32_t i = 0; i < m->mapping_count; i++)
		if (m->mappings[i].domain == endpoint->domain)
			return true;
	return endpoint->bypass;
}

/* It lost what it could reach. */
static void unsettle(struct sim_grace *g, uint32_t index)
{
	if (sim_grace_sections(g, index) != 0)
		g->restless |= BIT(index);
}

/* A revocation was accepted: the device had to look at everybody. */
static void come_to_rest(struct sim_grace *g, const struct sim_model *m)
{
	for (uint32_t i = 0; i < m->endpoint_count; i++)
		if (sim_grace_sections(g, i) == 0)
			g->restless &= ~BIT(i);
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] + (uint32_t)p[1] * 0x100u + (uint32_t)p[2] * 0x10000u + (uint32_t)p[3] * 0x1000000u;
}

static uint64_t le64(const uint8_t *p)
{
	return le32(p) + le32(p + 4) * UINT64_C(0x100000000);
}

/* What an ATTACH or DETACH of this endpoint has to wait for, if it is carried out. */
static struct sim_grace_wait wait_for_move(const struct sim_grace *g, const struct sim_model *m, uint32_t index,
					   bool stays)
{
	const struct sim_model_endpoint *endpoint = &m->endpoints[index];
	struct sim_grace_wait wait = { 0, sim_grace_movers(g, m) };

	if (endpoint->attached)
		wait.may |= members(g, m, endpoint->domain);
	if (stays) { /* nothing happens, but the move here may not be over */
		if ((g->restless & BIT(index)) == 0)
			wait.may = 0;
		return wait;
	}
	if (reaches_anything(m, index))
		wait.must = sim_grace_sections(g, index);
	if (endpoint->attached || m->bypass != 0)
		wait.may |= sim_grace_sections(g, index);
	return wait;
}

static struct sim_grace_wait wait_for_unmap(const struct sim_grace *g, const struct sim_model *m, const uint8_t *r)
{
	uint32_t domain = le32(r + 4);
	struct sim_grace_wait wait = { 0, sim_grace_movers(g, m) | members(g, m, domain) };

	for (uint32_t i = 0; i < m->mapping_count; i++)
		if (m->mappings[i].domain == domain && m->mappings[i].first >= le64(r + 8) &&
		    m->mappings[i].last <= le64(r + 16))
			wait.must |= m->mappings[i].users;
	return wait;
}

static uint32_t index_of(const struct sim_model *m, uint32_t id)
{
	uint32_t i = 0;

	while (i < m->endpoint_count && (m->endpoints[i].id != id || m->endpoints[i].removed))
		i++;
	return i;
}

struct sim_grace_wait sim_grace_request(struct sim_grace *g, struct sim_model *m, const uint8_t *r, size_t readable_len,
					size_t writable_len, struct sim_model_reply *reply)
{
	uint8_t type = readable_len < 4 ? 0 : r[0];
	uint32_t index = (type == 1 || type == 2) && readable_len >= 20 ? index_of(m, le32(r + 8)) : m->endpoint_count;
	struct sim_grace_wait wait = { 0, 0 };
	bool stays = false;

	if (index < m->endpoint_count) {
		stays = type == 1 && is_in(m, index, le32(r + 4));
		wait = wait_for_move(g, m, index, stays);
	} else if (type == 4 && readable_len >= 28) {
		wait = wait_for_unmap(g, m, r);
	}
	sim_model_request(m, r, readable_len, writable_len, reply);
	if (!reply->answered || reply->status != 0)
		return (struct sim_grace_wait){ 0, 0 };
	if (type == 2 || type == 4)
		come_to_rest(g, m);
	if (type == 3) /* it is the last one in the list */
		m->mappings[m->mapping_count - 1].users = members(g, m, le32(r + 4));
	if (index < m->endpoint_count && !stays)
		unsettle(g, index);
	if (type == 1 && !stays)
		let_use(m, le32(r + 4), sim_grace_sections(g, index));
	return wait;
}

void sim_grace_config_write(struct sim_grace *g, struct sim_model *m, uint32_t offset, uint8_t value)
{
	uint8_t before = m->bypass;

	sim_model_config_write(m, offset, value);
	for (uint32_t i = 0; i < m->endpoint_count && before != 0 && m->bypass == 0; i++)
		if (!m->endpoints[i].attached && !m->endpoints[i].removed) {
			g->settle |= sim_grace_sections(g, i);
			unsettle(g, i);
		}
}

uint32_t sim_grace_remove_endpoint(struct sim_grace *g, struct sim_model *m, uint32_t index)
{
	const struct sim_model_endpoint *endpoint = &m->endpoints[index];
	uint32_t must = sim_grace_sections(g, index);
	bool is_last = endpoint->attached;

	for (uint32_t i = 0; i < m->endpoint_count && is_last; i++)
		is_last = i == index || !is_in(m, i, endpoint->domain);
	for (uint32_t i = 0; i < m->mapping_count && is_last; i++)
		if (m->mappings[i].domain == endpoint->domain)
			must |= m->mappings[i].users;
	sim_model_remove_endpoint(m, index);
	unsettle(g, index);
	come_to_rest(g, m);
	return must;
}

void sim_grace_add_endpoint(struct sim_grace *g, struct sim_model *m, uint32_t index,
			    const struct sim_model_endpoint *endpoint)
{
	sim_model_add_endpoint(m, index, endpoint);
	g->restless &= ~BIT(index);
}

void sim_grace_reset(struct sim_grace *g, struct sim_model *m, bool of_the_system)
{
	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		bool keeps_bypass = !m->endpoints[i].attached && !(of_the_system && m->initial_bypass == 0);

		if (reaches_anything(m, i) && !keeps_bypass)
			g->settle |= sim_grace_sections(g, i);
		unsettle(g, i);
	}
	if (of_the_system)
		sim_model_system_reset(m);
	else
		sim_model_reset(m);
}
