/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_replay.c: traces run through driver, virtqueue and device, and proved by DMA. Honest ones agree in every
 * count; and whatever is made to lie behind the replayer's back is found.
 */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "suite.h"

#include "sim/env/env.h"
#include "sim/replay.h"
#include "sim/report.h"

static struct sim_replay_options options_init(void)
{
	struct sim_replay_options options = SIM_REPLAY_OPTIONS_INIT;

	options.ram_copied = suite_memory_is_copied();
	return options;
}

#define SIZE_OF(array) (sizeof(array) / sizeof((array)[0]))

/* What the replayer wrote to its log. */
static char log_text[16384];

static struct sim_replay_result run(const char *text, struct sim_replay_options options)
{
	struct sim_replay_result result;
	struct sim_trace trace;
	struct sim_error error = { "" };

	memset(log_text, 0, sizeof(log_text));
	options.log = fmemopen(log_text, sizeof(log_text), "w");
	assert_non_null(options.log);
	if (!sim_trace_parse(&trace, "t", text, strlen(text), &error))
		fail_msg("%s", error.text);
	if (!sim_replay_run(&trace, &options, &result, &error))
		fail_msg("%s", error.text);
	sim_trace_deinit(&trace);
	fclose(options.log);
	return result;
}

static struct sim_replay_result run_plain(const char *text)
{
	const struct sim_replay_options options = options_init();

	return run(text, options);
}

static uint64_t all_requests(const struct sim_replay_result *result)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < VIOMMU_T_COUNT; i++)
		n += result->requests[i];
	return n;
}

static void assert_agreed(const struct sim_replay_result *result)
{
	if (result->disagreements != 0)
		fail_msg("%s", log_text);
	assert_int_equal(result->faults_seen, result->faults_expected);
}

/* One rule at a time */

/* Each trace begins with endpoint 8 in domain 1, unless it says otherwise. */
#define BEGIN "P 8\nA 1 8 0\n"

static const struct {
	const char *what;
	const char *text;
	uint64_t ok;     /* requests that reach the device, all of which it grants */
	uint64_t checks; /* DMA */
	uint64_t faults;
	uint64_t live; /* most mappings at once */
} rules[] = {
	{ "read and write: both windows, both directions", BEGIN "M 1 1000 1fff 5000 3\n", 3, 4, 0, 1 },
	{ "larger than two granules: a third window", BEGIN "M 1 1000 3fff 5000 3\n", 3, 6, 0, 1 },
	{ "read only", BEGIN "M 1 1000 1fff 5000 1\n", 3, 4, 2, 1 },
	{ "write only", BEGIN "M 1 1000 1fff 5000 2\n", 3, 4, 2, 1 },
	{ "neither", BEGIN "M 1 1000 1fff 5000 0\n", 3, 4, 4, 1 },
	{ "MMIO", BEGIN "M 1 1000 1fff 5000 7\n", 3, 4, 0, 1 },
	{ "MMIO, read only", BEGIN "M 1 1000 1fff 5000 5\n", 3, 4, 2, 1 },
	{ "UNMAP: first and last byte fault", BEGIN "M 1 1000 1fff 5000 3\nU 1 1000 1fff\n", 4, 6, 2, 1 },
	{ "UNMAP of several, with a hole",
	  BEGIN "M 1 1000 1fff 5000 3\nM 1 2000 2fff 9000 3\nM 1 5000 5fff 1000 3\nU 1 0 9fff\n", 6, 18, 6, 3 },
	{ "UNMAP of one of two neighbours",
	  BEGIN "M 1 1000 1fff 5000 3\nM 1 2000 2fff 6000 3\nU 1 1000 1fff\nT 8 2000 3\n", 5, 10, 2, 2 },
	{ "UNMAP of nothing", BEGIN "U 1 1000 1fff\n", 3, 0, 0, 0 },
	{ "UNMAP, unaligned, of nothing", BEGIN "U 1 1001 1002\n", 3, 0, 0, 0 },
	{ "UNMAP of all that can be mapped",
	  BEGIN "M 1 0 fff 5000 3\nM 1 7ffffff000 7fffffffff 6000 3\nU 1 0 7fffffffff\n", 5, 12, 4, 2 },
	{ "UNMAP would split", BEGIN "M 1 1000 2fff 5000 3\nU 1 1000 1fff\nT 8 1000 1\nT 8 2fff 1\n", 3, 4, 0, 1 },
	{ "UNMAP would split the second", BEGIN "M 1 0 fff 5000 3\nM 1 1000 2fff 6000 3\nU 1 0 1fff\nT 8 0 1\n", 4, 8,
	  0, 2 },
	{ "UNMAP outside the input range", BEGIN "M 1 1000 1fff 5000 3\nU 1 0 ffffffffffffffff\nT 8 1000 3\n", 3, 4, 0,
	  1 },
	{ "UNMAP upside down", BEGIN "U 1 1fff 1000\n", 2, 0, 0, 0 },
	{ "UNMAP of an unknown domain", BEGIN "U 2 1000 1fff\n", 2, 0, 0, 0 },
	{ "MAP over a mapping", BEGIN "M 1 1000 1fff 5000 3\nM 1 0 1fff 9000 3\nT 8 1000 3\n", 3, 4, 0, 1 },
	{ "MAP, misaligned in each place",
	  BEGIN "M 1 1800 1fff 5000 3\nM 1 1000 17ff 5000 3\nM 1 1000 1fff 5800 3\nT 8 1800 1\n", 2, 0, 1, 0 },
	{ "MAP upside down", BEGIN "M 1 1000 fff 5000 3\n", 2, 0, 0, 0 },
	{ "MAP with an unknown flag", BEGIN "M 1 1000 1fff 5000 8\nT 8 1000 1\n", 2, 0, 1, 0 },
	{ "MAP outside the input range", BEGIN "M 1 7ffffff000 8000000fff 5000 3\nT 8 7ffffff000 1\n", 2, 0, 1, 0 },
	{ "MAP to physical addresses that wrap", BEGIN "M 1 1000 2fff fffffffffffff000 3\n", 2, 0, 0, 0 },
	{ "MAP to the last physical addresses", BEGIN "M 1 1000 1fff fffffffffffff000 3\nM 1 0 fff 0 3\n", 4, 8, 0, 2 },
	{ "MAP over the MSI window", BEGIN "M 1 fedff000 fee00fff 5000 3\nT 8 fedff000 1\n", 2, 0, 1, 0 },
	{ "MAP of an unknown domain", BEGIN "M 2 1000 1fff 5000 3\n", 2, 0, 0, 0 },
	{ "the whole space", BEGIN "M 1 0 7fffffff 100000 3\nU 1 0 7fffffffff\n", 4, 8, 2, 1 },
	{ "lookups: hit, miss, forbidden, half forbidden",
	  BEGIN "M 1 1000 1fff 5000 1\nT 8 1000 1\nT 8 1fff 1\nT 8 fff 1\nT 8 2000 1\nT 8 1000 2\nT 8 1000 3\n", 3, 4,
	  6, 1 },
	{ "lookups in the MSI window", BEGIN "T 8 fee00000 2\nT 8 feefffff 2\nT 8 fedfffff 2\nT 8 fef00000 2\n", 2, 0,
	  2, 0 },
	{ "lookups without a domain pass", "P 8\nT 8 1234 1\nT 8 ffffffffffffffff 2\nT 8 fee00000 3\n", 1, 0, 0, 0 },
	{ "endpoints take turns", BEGIN "P 9\nA 1 9 0\nM 1 0 fff 5000 3\nM 1 1000 1fff 5000 3\nU 1 0 1fff\n", 7, 12, 4,
	  2 },
	{ "a second endpoint sees what is mapped", BEGIN "P 9\nM 1 0 fff 5000 3\nA 1 9 0\nT 9 10 1\n", 5, 5, 0, 1 },
	{ "move by ATTACH: the old domain is gone, and starts empty",
	  BEGIN "M 1 0 fff 5000 3\nA 2 8 0\nT 8 0 1\nA 1 8 0\nT 8 0 1\nM 1 0 fff 6000 3\n", 6, 9, 3, 1 },
	{ "move by ATTACH: the old domain stays while somebody is in it",
	  BEGIN "P 9\nA 1 9 0\nM 1 0 fff 5000 3\nA 2 8 0\nT 9 0 1\nT 8 0 1\nA 1 8 0\nT 8 0 1\n", 7, 6, 2, 1 },
	{ "DETACH: what is not attached passes", BEGIN "M 1 0 fff 5000 3\nD 1 8\nT 8 0 1\nA 1 8 0\nT 8 0 1\n", 5, 5, 1,
	  1 },
	{ "DETACH from another domain", BEGIN "M 1 0 fff 5000 3\nD 2 8\nT 8 0 1\n", 3, 6, 0, 1 },
	{ "DETACH of what is not attached", "P 8\nD 1 8\n", 1, 0, 0, 0 },
	{ "ATTACH to the same domain keeps its mappings", BEGIN "M 1 0 fff 5000 3\nA 1 8 0\nT 8 0 1\n", 4, 6, 0, 1 },
	{ "a bypass domain", "P 8\nA 1 8 1\nT 8 1234 3\nT 8 fee00000 2\nM 1 0 fff 5000 3\nU 1 0 fff\nT 8 10 3\n", 2, 0,
	  0, 0 },
	{ "a bypass domain after a translating one", BEGIN "M 1 0 fff 5000 3\nA 2 8 1\nT 8 0 1\n", 4, 5, 0, 1 },
	{ "ATTACH with the other kind of flag", BEGIN "P 9\nA 1 9 1\nT 9 1234 1\nT 8 1234 1\n", 3, 0, 1, 0 },
	{ "ATTACH with an unknown flag", "P 8\nA 1 8 2\nT 8 1234 1\n", 1, 0, 0, 0 },
	{ "ATTACH without PROBE: the driver asks by itself", "A 1 8 0\nM 1 0 fff 5000 3\n", 3, 4, 0, 1 },
	{ "PROBE again, while attached", BEGIN "M 1 0 fff 5000 3\nP 8\nT 8 0 1\nU 1 0 fff\n", 5, 6, 2, 1 },
	{ "highest numbers", "P ffffffff\nA ffffffff ffffffff 0\nM ffffffff 0 fff 5000 3\nU ffffffff 0 fff\n", 4, 6, 2,
	  1 },
	{ "nothing at all", "# nothing\n", 0, 0, 0, 0 },
};

static void test_replay__each_rule__agrees_in_every_count(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZE_OF(rules); i++) {
		struct sim_replay_result result = run_plain(rules[i].text);

		if (result.disagreements != 0 || result.statuses[VIOMMU_S_OK] != rules[i].ok ||
		    result.dma_checks != rules[i].checks || result.faults_expected != rules[i].faults ||
		    result.faults_seen != rules[i].faults || result.max_live_mappings != rules[i].live)
			fail_msg("%s: %d disagreements, %d OK, %d DMA, %d + %d faults, %d live\n%s", rules[i].what,
				 (int)result.disagreements, (int)result.statuses[VIOMMU_S_OK], (int)result.dma_checks,
				 (int)result.faults_expected, (int)result.faults_seen, (int)result.max_live_mappings,
				 log_text);
		for (unsigned s = 1; s < VIOMMU_S_COUNT; s++)
			assert_int_equal(result.statuses[s], 0);
		assert_string_equal(log_text, "");
	}
}

static void test_replay__all_rules_in_one_trace__lines_counted_by_type(void **state)
{
	static const char text[] =
		"P 8\nP 9\nA 1 8 0\nA 2 9 0\nD 2 9\nM 1 0 fff 0 3\nM 1 1000 1fff 0 3\nM 1 0 fff 0 3\n"
		"U 1 0 1fff\nU 1 1 0\nT 8 0 1\nT 9 0 1\nT 8 fee00000 2\nT 8 0 3\n";
	struct sim_replay_result result = run_plain(text);

	(void)state;
	assert_agreed(&result);
	assert_int_equal(result.requests[VIOMMU_T_PROBE], 2);
	assert_int_equal(result.requests[VIOMMU_T_ATTACH], 2);
	assert_int_equal(result.requests[VIOMMU_T_DETACH], 1);
	/* The driver refuses two of them by itself: they are lines, and no requests on the wire. */
	assert_int_equal(result.requests[VIOMMU_T_MAP], 3);
	assert_int_equal(result.requests[VIOMMU_T_UNMAP], 2);
	assert_int_equal(result.statuses[VIOMMU_S_OK], 8);
	assert_int_equal(result.translations, 4);
	assert_int_equal(result.kicks, 8);
	assert_int_equal(all_requests(&result), 10);
}

/* Options */

/* 24 MAPs and 24 UNMAPs, in runs. */
static const char *batch_text(void)
{
	static char text[4096];
	size_t len = (size_t)sprintf(text, BEGIN "P 9\nA 1 9 0\nP 10\nA 2 10 0\n");

	for (unsigned i = 0; i < 24; i++)
		len += (size_t)sprintf(text + len, "M 1 %x000 %xfff %x000 %x\n", i, i, 64 - i, i % 4);
	/* The same again is refused; another domain ends the run. */
	len += (size_t)sprintf(text + len, "M 1 3000 3fff 0 3\nM 2 3000 3fff 0 3\n");
	for (unsigned i = 0; i < 24; i++)
		len += (size_t)sprintf(text + len, "U 1 %x000 %xfff\n", i, i);
	sprintf(text + len, "U 1 0 7fffffffff\n");
	return text;
}

static void test_replay__batches__same_proofs_fewer_kicks(void **state)
{
	static const uint32_t batches[] = { 1, 2, 5, 8, 24, 64, 1000 };
	static const uint32_t sizes[] = { 2, 8, 64, 1024 };
	struct sim_replay_result one = run_plain(batch_text());

	(void)state;
	assert_agreed(&one);
	for (size_t b = 0; b < SIZE_OF(batches); b++) {
		for (size_t q = 0; q < SIZE_OF(sizes); q++) {
			struct sim_replay_options options = options_init();
			struct sim_replay_result result;

			options.batch = batches[b];
			options.queue_size = sizes[q];
			result = run(batch_text(), options);
			assert_agreed(&result);
			assert_memory_equal(result.requests, one.requests, sizeof(one.requests));
			assert_memory_equal(result.statuses, one.statuses, sizeof(one.statuses));
			assert_int_equal(result.dma_checks, one.dma_checks);
			assert_int_equal(result.faults_seen, one.faults_seen);
			assert_int_equal(result.max_live_mappings, one.max_live_mappings);
			if (batches[b] == 1)
				assert_int_equal(result.kicks, one.kicks);
			/* Where the queue is short, posting has to kick in between. */
			if (batches[b] >= 24 && sizes[q] >= 64)
				assert_int_equal(result.kicks, batches[b] == 24 ? 6 + 4 : 6 + 3);
		}
	}
}

/* The driver's record still has what the first UNMAP takes away when the second one is posted: it would be split. */
static void test_replay__unmap_meets_unmap_in_flight__waits_for_it(void **state)
{
	struct sim_replay_options options = options_init();
	struct sim_replay_result result;

	(void)state;
	options.batch = 8;
	result = run(BEGIN "M 1 f000 12fff 31000 3\nU 1 f000 12fff\nU 1 b000 ffff\n", options);
	assert_agreed(&result);
	assert_int_equal(result.statuses[VIOMMU_S_OK], 5);
}

static void test_replay__any_seed__agrees_and_repeats(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct sim_replay_options options = options_init();
		struct sim_replay_result first, second;

		options.seed = seed * UINT64_C(0x123456789abcdef1);
		options.batch = 1 + (uint32_t)seed % 5;
		first = run(batch_text(), options);
		second = run(batch_text(), options);
		assert_agreed(&first);
		first.seconds = second.seconds = 0;
		assert_memory_equal(&first, &second, sizeof(first));
	}
}

/* A range of a few granules, now and then not aligned, upside down, or close to something special. */
static size_t random_range(struct sim_random *random, char *out)
{
	static const uint64_t places[] = { 0, 0, 0, 0xfedf8000, 0x7fffff8000 };
	uint64_t place = places[sim_random_below(random, SIZE_OF(places))];
	uint64_t first = place + sim_random_below(random, 24) * 0x1000;
	uint64_t last = first + sim_random_below(random, 5) * 0x1000 + 0xfff;

	if (sim_random_below(random, 16) == 0)
		first += sim_random_below(random, 0x1800);
	if (sim_random_below(random, 16) == 0)
		last -= sim_random_below(random, 0x1800);
	return (size_t)sprintf(out, "%llx %llx", (unsigned long long)first, (unsigned long long)last);
}

static size_t random_line(struct sim_random *random, char *out)
{
	unsigned domain = (unsigned)sim_random_below(random, 4), endpoint = (unsigned)sim_random_below(random, 3);
	unsigned flags = (unsigned)sim_random_below(random, 9); /* in a call both could come first */
	size_t len;

	switch (sim_random_below(random, 12)) {
	case 0:
		return (size_t)sprintf(out, "A %x %x %x\n", domain, endpoint, sim_random_below(random, 8) == 0);
	case 1:
		if (sim_random_below(random, 2) == 0)
			return (size_t)sprintf(out, "P %x\n", endpoint);
		return (size_t)sprintf(out, "D %x %x\n", domain, endpoint);
	case 2:
	case 3:
	case 4:
		len = (size_t)sprintf(out, "U %x ", domain);
		len += random_range(random, out + len);
		return len + (size_t)sprintf(out + len, "\n");
	case 5:
		return (size_t)sprintf(out, "T %x %llx %x\n", endpoint,
				       (unsigned long long)sim_random_below(random, 0x18000), 1 + flags % 3);
	default:
		len = (size_t)sprintf(out, "M %x ", domain);
		len += random_range(random, out + len);
		return len + (size_t)sprintf(out + len, " %llx000 %x\n",
					     (unsigned long long)sim_random_below(random, 64), flags);
	}
}

/* Requests that make sense and such that do not, in small spaces where they meet often. */
static void test_replay__random_requests__agree(void **state)
{
	enum {
		LINES = 400
	};
	char *text = sim_env_alloc(LINES * 64);
	uint64_t granted = 0, faults = 0;

	(void)state;
	assert_non_null(text);
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct sim_replay_options options = options_init();
		struct sim_random random = { seed };
		struct sim_replay_result result;
		size_t len = 0;

		for (unsigned i = 0; i < LINES; i++)
			len += random_line(&random, text + len);
		options.seed = seed;
		options.batch = 1 + (uint32_t)seed % 4 * 7;
		options.queue_size = 2u << seed % 6;
		result = run(text, options);
		assert_agreed(&result);
		granted += result.statuses[VIOMMU_S_OK];
		faults += result.faults_seen;
	}
	/* Not by refusing everything. */
	assert_in_range(granted, 100 * LINES / 8, 100 * LINES);
	assert_in_range(faults, 1000, 1000000);
	sim_env_free(text);
}

static void test_replay__shipped_recordings__agree(void **state)
{
	static const char *const files[] = { "boot",        "vblk-strict", "vblk-lazy",           "nvme-strict",
					     "nvme-lazy",   "vfio-dpdk",   "lookup-mixed-strict", "server-remove",
					     "server-vfio", "server-disks" };

	(void)state;
	for (size_t i = 0; i < sim_env_rounds(SIZE_OF(files), 1); i++) {
		struct sim_replay_options options = options_init();
		struct sim_replay_result result;
		struct sim_trace trace;
		struct sim_error error;
		char path[64];

		snprintf(path, sizeof(path), "sim/traces/%s.txt.gz", files[i]);
		if (!sim_trace_load(&trace, path, &error))
			fail_msg("%s", error.text);
		options.log = stderr;
		options.batch = i == 0 ? 1 : 16;
		assert_true(sim_replay_run(&trace, &options, &result, &error));
		assert_int_equal(result.disagreements, 0);
		assert_int_equal(result.faults_seen, result.faults_expected);
		assert_int_equal(result.statuses[VIOMMU_S_OK], all_requests(&result));
		assert_int_equal(all_requests(&result) + result.translations, trace.count);
		sim_trace_deinit(&trace);
	}
}

/* Lies */

/* Asks the device directly, behind the driver's back. Returns the status. */
static uint8_t ask_device(struct sim_machine *machine, const struct viommu_wire_request *wire)
{
	uint8_t readable[VIOMMU_WIRE_REQUEST_MAX], writable[VIOMMU_WIRE_TAIL_SIZE];
	struct viommu_segment in = { .base = readable,
				     .len = viommu_wire_request_encode(wire, readable, sizeof(readable)) };
	struct viommu_segment out = { .base = writable, .len = sizeof(writable) };
	struct viommu_request request = { .readable = &in, .writable = &out, .readable_count = 1, .writable_count = 1 };

	sim_env_operation();
	assert_int_equal(viommu_device_submit(&machine->device, &request), VIOMMU_OK);
	assert_int_equal(request.state, VIOMMU_REQUEST_DONE);
	return request.status;
}

static void device_map(struct sim_machine *machine, uint64_t first, uint64_t last, uint64_t phys, uint32_t flags)
{
	struct viommu_wire_request wire = { .type = VIOMMU_T_MAP };

	wire.u.map.domain = 1;
	wire.u.map.virt_start = first;
	wire.u.map.virt_end = last;
	wire.u.map.phys_start = phys;
	wire.u.map.flags = flags;
	assert_int_equal(ask_device(machine, &wire), VIOMMU_S_OK);
}

static void device_unmap(struct sim_machine *machine, uint64_t first, uint64_t last)
{
	struct viommu_wire_request wire = { .type = VIOMMU_T_UNMAP };

	wire.u.unmap.domain = 1;
	wire.u.unmap.virt_start = first;
	wire.u.unmap.virt_end = last;
	assert_int_equal(ask_device(machine, &wire), VIOMMU_S_OK);
}

static void device_attach(struct sim_machine *machine, uint32_t domain, uint32_t endpoint)
{
	struct viommu_wire_request wire = { .type = VIOMMU_T_ATTACH };

	wire.u.attach.domain = domain;
	wire.u.attach.endpoint = endpoint;
	assert_int_equal(ask_device(machine, &wire), VIOMMU_S_OK);
}

/* A lie: what is done behind the replayer's back after line `at`, and what it has to say about which line. */
struct lie {
	const char *what;
	const char *text;
	uint32_t at;
	void (*tell)(struct sim_machine *machine, struct sim_oracle *oracle);
	const char *report;
};

static void lose_mapping(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)oracle;
	device_unmap(machine, 0, 0xfff);
}

static void keep_mapping(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)oracle;
	device_map(machine, 0, 0xfff, 0x5000, 3);
}

static void keep_second_half(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)oracle;
	device_map(machine, 0x1000, 0x1fff, 0x6000, 3);
}

static void lead_elsewhere(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)oracle;
	device_unmap(machine, 0, 0xfff);
	device_map(machine, 0, 0xfff, 0x7000, 3);
}

/* Right but for the last granule. */
static void end_elsewhere(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)oracle;
	device_unmap(machine, 0, 0x1fff);
	device_map(machine, 0, 0xfff, 0x5000, 3);
	device_map(machine, 0x1000, 0x1fff, 0x9000, 3);
}

static void allow_more(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)oracle;
	device_unmap(machine, 0, 0xfff);
	device_map(machine, 0, 0xfff, 0x5000, 3);
}

static void allow_less(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)oracle;
	device_unmap(machine, 0, 0xfff);
	device_map(machine, 0, 0xfff, 0x5000, 2);
}

static void map_ahead(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)oracle;
	device_map(machine, 0x2000, 0x2fff, 0x7000, 3);
}

static void map_too_much(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)oracle;
	device_map(machine, 0x2000, 0x5fff, 0x7000, 3);
}

static void move_endpoint(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)oracle;
	device_attach(machine, 7, 8);
}

static void cause_fault(struct sim_machine *machine, struct sim_oracle *oracle)
{
	struct viommu_translation to;

	(void)oracle;
	assert_int_equal(sim_engine_translate(sim_machine_engine(machine, 8), 0x66000, 1, VIOMMU_ACCESS_READ, &to),
			 VIOMMU_E_FAULT);
}

/* Where the UNMAP of a mapping to be read is proved next, but a write. */
static void cause_write_fault(struct sim_machine *machine, struct sim_oracle *oracle)
{
	uint8_t byte = 0;

	(void)oracle;
	assert_int_equal(sim_engine_write(sim_machine_engine(machine, 8), 0, &byte, 1), VIOMMU_E_FAULT);
}

static void stall(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)oracle;
	machine->stalled = true;
}

static void oracle_forgets(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)machine;
	assert_int_equal(sim_oracle_unmap(oracle, 1, 0, 0xfff), VIOMMU_S_OK);
}

static void oracle_dreams(struct sim_machine *machine, struct sim_oracle *oracle)
{
	const struct sim_oracle_mapping mapping = { 0x2000, 0x2fff, 0x7000, 3 };

	(void)machine;
	assert_int_equal(sim_oracle_map(oracle, 1, &mapping), VIOMMU_S_OK);
}

static void oracle_errs(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)machine;
	oracle->domains[0].mappings[0].phys += 0x1000;
}

/* At an address that is mapped to itself, only the mark tells a doorbell from memory. */
static void oracle_sees_doorbell(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)machine;
	oracle->config.msi = (struct viommu_range){ 0, 0xfff };
}

static void oracle_detaches(struct sim_machine *machine, struct sim_oracle *oracle)
{
	(void)machine;
	assert_int_equal(sim_oracle_detach(oracle, 1, 8), VIOMMU_S_OK);
}

#define MAPPED BEGIN "M 1 0 fff 5000 3\n" /* lines 1 to 3 */

static const struct lie lies[] = {
	{ "the device loses a mapping", MAPPED, 3, lose_mapping,
	  "t:3: M 1 0 fff 5000 3: the read of endpoint 8 at 0 says E_FAULT" },
	{ "it keeps one", MAPPED "U 1 0 fff\n", 4, keep_mapping, "t:4: U 1 0 fff: the " },
	{ "it keeps the second of two", MAPPED "M 1 1000 1fff 6000 3\nU 1 0 1fff\n", 5, keep_second_half,
	  " at 1000 says OK; it must fault" },
	{ "it keeps one, and no report comes", MAPPED "U 1 0 fff\n", 4, keep_mapping,
	  "t:4: U 1 0 fff: no fault report for the " },
	{ "a mapping leads elsewhere: reads", MAPPED, 3, lead_elsewhere,
	  "the read of endpoint 8 at 0 does not see what is at 5000" },
	{ "a mapping leads elsewhere: writes", MAPPED, 3, lead_elsewhere,
	  "the write of endpoint 8 at fe0 did not arrive at 5fe0" },
	{ "a mapping ends elsewhere", BEGIN "M 1 0 1fff 5000 3\n", 3, end_elsewhere,
	  "the read of endpoint 8 at 1fe0 does not see" },
	{ "read only is not", BEGIN "M 1 0 fff 5000 1\n", 3, allow_more,
	  "the write of endpoint 8 at 0 says OK; it must fault" },
	{ "write only is not", BEGIN "M 1 0 fff 5000 2\n", 3, allow_more,
	  "the read of endpoint 8 at fff says OK; it must fault" },
	{ "reading does not work", MAPPED, 3, allow_less,
	  "the read of endpoint 8 at 0 says E_FAULT; it must reach 5000" },
	{ "a lookup leads elsewhere", MAPPED "T 8 10 1\n", 4, lead_elsewhere, "leads to 7010; it must lead to 5010" },
	{ "a lookup finds nothing", MAPPED "T 8 10 1\n", 4, lose_mapping,
	  "t:4: T 8 10 1: the read of endpoint 8 at 10 says E_FAULT" },
	{ "a lookup finds what is not there", MAPPED "T 8 2010 2\n", 4, map_ahead,
	  "t:4: T 8 2010 2: the write of endpoint 8 at 2010 says OK" },
	{ "the device refuses a good MAP", MAPPED "M 1 2000 2fff 6000 3\n", 3, map_ahead,
	  "t:4: M 1 2000 2fff 6000 3: the device says INVAL, the oracle OK" },
	{ "the device refuses a good UNMAP", MAPPED "U 1 2000 2fff\n", 3, map_too_much,
	  "t:4: U 1 2000 2fff: the device says RANGE, the oracle OK" },
	{ "the device moves an endpoint", MAPPED, 3, move_endpoint, "the read of endpoint 8 at 0 says E_FAULT" },
	{ "a report that nobody expects", MAPPED, 3, cause_fault,
	  "t:3: M 1 0 fff 5000 3: a fault report that nobody expects: endpoint 8, address 66000" },
	{ "a report of something else", MAPPED "U 1 0 fff\n", 4, cause_fault,
	  "the fault report says endpoint 8, address 66000" },
	{ "a report of another kind of access", BEGIN "M 1 0 fff 5000 1\nU 1 0 fff\n", 4, cause_write_fault,
	  "the fault report says endpoint 8, address 0, reason 2, flags 102; it should say 8, 0, 2, 101" },
	{ "a report that does not come", MAPPED "U 1 0 fff\n", 4, stall, "t:4: U 1 0 fff: no fault report for the " },
	{ "a device that stops", MAPPED "M 1 1000 1fff 0 3\n", 3, stall,
	  "t:4: M 1 1000 1fff 0 3: the driver says E_TIMEOUT, the oracle OK" },
	{ "the oracle thinks it is free", MAPPED "M 1 0 fff 5000 3\n", 3, oracle_forgets,
	  "t:4: M 1 0 fff 5000 3: the driver says E_EXISTS, the oracle OK" },
	{ "the oracle thinks it is taken", MAPPED "M 1 2000 2fff 6000 3\n", 3, oracle_dreams,
	  "t:4: M 1 2000 2fff 6000 3: the driver says OK, the oracle INVAL" },
	{ "the oracle errs about the address", MAPPED "T 8 10 1\n", 3, oracle_errs,
	  "leads to 5010; it must lead to 6010" },
	{ "the oracle takes memory for the doorbell", BEGIN "M 1 0 fff 0 3\nT 8 10 1\n", 4, oracle_sees_doorbell,
	  "leads to 10; it must lead to MSI 10" },
	{ "the oracle thinks it is detached", MAPPED "D 1 8\n", 3, oracle_detaches,
	  "t:4: D 1 8: the driver says OK, the oracle INVAL" },
};

static const struct lie *current_lie;

static void disturb(void *ctx, struct sim_machine *machine, struct sim_oracle *oracle,
		    const struct sim_trace_line *line)
{
	(void)ctx;
	if (line->number == current_lie->at)
		current_lie->tell(machine, oracle);
}

static void test_replay__each_lie__found_at_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZE_OF(lies); i++) {
		struct sim_replay_options options = options_init();
		struct sim_replay_result result = run_plain(lies[i].text);

		assert_agreed(&result); /* without the lie */
		options.disturb = disturb;
		current_lie = &lies[i];
		result = run(lies[i].text, options);
		if (result.disagreements == 0 || strstr(log_text, lies[i].report) == NULL)
			fail_msg("%s: %d disagreements, expected '%s', found:\n%s", lies[i].what,
				 (int)result.disagreements, lies[i].report, log_text);
	}
}

/* The driver hears of it at the sync for the whole batch; it is still this line's. */
static void test_replay__device_refuses_one_of_a_batch__named(void **state)
{
	static const struct lie lie = { .at = 3, .tell = map_ahead };
	struct sim_replay_options options = options_init();
	struct sim_replay_result result;

	(void)state;
	current_lie = &lie;
	options.disturb = disturb;
	options.batch = 8;
	result = run(BEGIN "U 1 0 fff\nM 1 0 fff 0 3\nM 1 1000 1fff 0 3\nM 1 2000 2fff 0 3\nM 1 3000 3fff 0 3\n",
		     options);
	assert_int_equal(result.disagreements, 1);
	assert_string_equal(log_text, "t:6: M 1 2000 2fff 0 3: the device says INVAL, the oracle OK\n");
	assert_int_equal(result.statuses[VIOMMU_S_INVAL], 1);
}

/* What each UNMAP of a batch removed is remembered until all of them are proved. */
static void test_replay__device_keeps_one_of_a_batch__named(void **state)
{
	static const struct lie lie = { .at = 5, .tell = keep_mapping };
	struct sim_replay_options options = options_init();
	struct sim_replay_result result;

	(void)state;
	current_lie = &lie;
	options.disturb = disturb;
	options.batch = 8;
	result = run(MAPPED "M 1 1000 1fff 6000 3\nU 1 0 fff\nU 1 1000 1fff\n", options);
	assert_int_equal(result.disagreements, 4); /* both ends work, and no report comes */
	assert_non_null(strstr(log_text, " of endpoint 8 at fff says OK; it must fault\n"));
	assert_null(strstr(log_text, "t:6:"));
}

static void test_replay__more_lies_than_are_told__all_counted(void **state)
{
	static const struct lie lie = { .at = 3, .tell = oracle_errs };
	struct sim_replay_options options = options_init();
	struct sim_replay_result result;
	char text[1024] = MAPPED;
	size_t lines = 0;

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		strcat(text, "T 8 10 1\n");
	current_lie = &lie;
	options.disturb = disturb;
	result = run(text, options);
	assert_int_equal(result.disagreements, 30);
	for (const char *c = log_text; *c != 0; c++)
		lines += *c == '\n' ? 1 : 0;
	assert_int_equal(lines, SIM_REPLAY_REPORTS + 1);
	assert_non_null(strstr(log_text, "t: further disagreements are only counted\n"));
}

/* Reports */

static const struct sim_report_row report_rows[2] = {
	{ "a \"b\"\\\n\xe9.txt",
	  { .requests = { 0, 1, 2, 3, 4, 5 },
	    .statuses = { 14, 0, 0, 0, 1 },
	    .translations = 6,
	    .dma_checks = 7,
	    .faults_expected = 8,
	    .faults_seen = 9,
	    .disagreements = 1,
	    .max_live_mappings = 11,
	    .kicks = 12,
	    .snapshots = 14,
	    .max_snapshot = 17,
	    .recoveries = 19,
	    .seconds = 0.5 } },
	{ "dir/c.txt",
	  { .requests = { 0, 10, 20, 30, 40, 50 },
	    .statuses = { 150 },
	    .max_live_mappings = 5,
	    .kicks = 3,
	    .snapshots = 18,
	    .max_snapshot = 18,
	    .recoveries = 20 } },
};

static void test_report__json__totals_and_files(void **state)
{
	static const char expected[] =
		"{\n"
		"  \"requests\": {\"attach\": 11, \"detach\": 22, \"map\": 33, \"unmap\": 44, \"probe\": 55},\n"
		"  \"status\": {\"OK\": 164, \"IOERR\": 0, \"UNSUPP\": 0, \"DEVERR\": 0, \"INVAL\": 1, \"RANGE\": 0, "
		"\"NOENT\": 0, \"FAULT\": 0, \"NOMEM\": 0},\n"
		"  \"translations\": 6,\n"
		"  \"dma_checks\": 7,\n"
		"  \"faults_expected\": 8,\n"
		"  \"faults_seen\": 9,\n"
		"  \"disagreements\": 1,\n"
		"  \"max_live_mappings\": 11,\n"
		"  \"kicks\": 15,\n"
		"  \"snapshots\": 32,\n"
		"  \"max_snapshot\": 18,\n"
		"  \"recoveries\": 39,\n"
		"  \"seconds\": 0.500,\n"
		"  \"files\": [\n"
		"    {\n"
		"      \"file\": \"a \\\"b\\\"\\\\\\u000a\\u00e9.txt\",\n"
		"      \"requests\": {\"attach\": 1,";
	char text[8192] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(f);
	sim_report_json(f, report_rows, 2);
	fclose(f);
	assert_int_equal(strncmp(text, expected, strlen(expected)), 0);
	assert_non_null(strstr(text, "    },\n    {\n      \"file\": \"dir/c.txt\",\n"));
	assert_non_null(strstr(text, "      \"seconds\": 0.000\n    }\n  ]\n}\n"));
}

static void test_report__table__total_only_of_several(void **state)
{
	char text[8192] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(f);
	sim_report_table(f, report_rows + 1, 1);
	fclose(f);
	assert_non_null(strstr(text, "\nc.txt "));
	assert_non_null(strstr(text, "  OK 150\n"));
	assert_null(strstr(text, "total"));

	memset(text, 0, sizeof(text));
	f = fmemopen(text, sizeof(text), "w");
	assert_non_null(f);
	sim_report_table(f, report_rows, 2);
	fclose(f);
	assert_non_null(strstr(text, "\ntotal "));
	assert_non_null(strstr(text, "  OK 164 INVAL 1\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replay__each_rule__agrees_in_every_count),
		cmocka_unit_test(test_replay__all_rules_in_one_trace__lines_counted_by_type),
		cmocka_unit_test(test_replay__batches__same_proofs_fewer_kicks),
		cmocka_unit_test(test_replay__unmap_meets_unmap_in_flight__waits_for_it),
		cmocka_unit_test(test_replay__any_seed__agrees_and_repeats),
		cmocka_unit_test(test_replay__random_requests__agree),
		cmocka_unit_test(test_replay__shipped_recordings__agree),
		cmocka_unit_test(test_replay__each_lie__found_at_its_line),
		cmocka_unit_test(test_replay__device_refuses_one_of_a_batch__named),
		cmocka_unit_test(test_replay__device_keeps_one_of_a_batch__named),
		cmocka_unit_test(test_replay__more_lies_than_are_told__all_counted),
		cmocka_unit_test(test_report__json__totals_and_files),
		cmocka_unit_test(test_report__table__total_only_of_several),
	};

	return suite_run(tests);
}
