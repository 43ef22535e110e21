/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <inttypes.h>
#include <string.h>

#include "names.h"

void sim_report_add(struct sim_replay_result *total, const struct sim_replay_result *more)
{
	for (unsigned i = 0; i < VIOMMU_T_COUNT; i++)
		total->requests[i] += more->requests[i];
	for (unsigned i = 0; i < VIOMMU_S_COUNT; i++)
		total->statuses[i] += more->statuses[i];
	total->translations += more->translations;
	total->dma_checks += more->dma_checks;
	total->faults_expected += more->faults_expected;
	total->faults_seen += more->faults_seen;
	total->disagreements += more->disagreements;
	if (total->max_live_mappings < more->max_live_mappings)
		total->max_live_mappings = more->max_live_mappings;
	total->kicks += more->kicks;
	total->snapshots += more->snapshots;
	if (total->max_snapshot < more->max_snapshot)
		total->max_snapshot = more->max_snapshot;
	total->recoveries += more->recoveries;
	total->seconds += more->seconds;
}

static struct sim_replay_result sum(const struct sim_report_row *rows, size_t count)
{
	struct sim_replay_result total = { 0 };

	for (size_t i = 0; i < count; i++)
		sim_report_add(&total, &rows[i].result);
	return total;
}

static uint64_t all_requests(const struct sim_replay_result *result)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < VIOMMU_T_COUNT; i++)
		n += result->requests[i];
	return n;
}

/* Table */

/* What is behind the last slash; the directory is seldom worth a column. */
static const char *base_name(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash != NULL && slash[1] != 0 ? slash + 1 : file;
}

#define NAME_WIDTH 26

/* Requests that the device answered: what the driver refuses by itself is never sent. */
static uint64_t all_answers(const struct sim_replay_result *r)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < VIOMMU_S_COUNT; i++)
		sum += r->statuses[i];
	return sum;
}

static void print_row(FILE *out, const char *name, const struct sim_replay_result *r)
{
	uint64_t requests = all_requests(r);

	fprintf(out, "%-*s", NAME_WIDTH, base_name(name));
	fprintf(out, " %8" PRIu64 " %7" PRIu64 " %7" PRIu64 " %8" PRIu64 " %8" PRIu64 " %6" PRIu64 " %8" PRIu64,
		requests, r->requests[VIOMMU_T_ATTACH], r->requests[VIOMMU_T_DETACH], r->requests[VIOMMU_T_MAP],
		r->requests[VIOMMU_T_UNMAP], r->requests[VIOMMU_T_PROBE], r->translations);
	fprintf(out, " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %6" PRIu64 " %8" PRIu64 " %8.2f %8.2f %9" PRIu64 " ",
		r->dma_checks, r->faults_expected, r->faults_seen, r->max_live_mappings, r->kicks,
		r->kicks > 0 ? (double)all_answers(r) / (double)r->kicks : 0.0, r->seconds, r->disagreements);
	for (unsigned i = 0; i < VIOMMU_S_COUNT; i++) {
		if (r->statuses[i] > 0)
			fprintf(out, " %s %" PRIu64, sim_status_name(i), r->statuses[i]);
	}
	fputc('\n', out);
}

void sim_report_table(FILE *out, const struct sim_report_row *rows, size_t count)
{
	fprintf(out, "%-*s %8s %7s %7s %8s %8s %6s %8s %9s %9s %9s %6s %8s %8s %8s %9s  %s\n", NAME_WIDTH, "file",
		"requests", "attach", "detach", "map", "unmap", "probe", "lookups", "DMA", "faults", "seen", "live",
		"kicks", "req/kick", "seconds", "disagreed", "status");
	for (size_t i = 0; i < count; i++)
		print_row(out, rows[i].file, &rows[i].result);
	if (count > 1) {
		struct sim_replay_result total = sum(rows, count);

		print_row(out, "total", &total);
	}
}

/* JSON */

/* Bytes that are no ASCII are taken for Latin-1, so that the output is valid whatever a file is called. */
static void json_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < ' ' || *c > '~')
			fprintf(out, "\\u%04x", *c);
		else
			fputc(*c, out);
	}
	fputc('"', out);
}

static void json_members(FILE *out, const struct sim_replay_result *r, const char *indent)
{
	fprintf(out, "%s\"requests\": {", indent);
	for (unsigned i = 1; i < VIOMMU_T_COUNT; i++)
		fprintf(out, "%s\"%s\": %" PRIu64, i > 1 ? ", " : "", sim_request_name(i), r->requests[i]);
	fprintf(out, "},\n%s\"status\": {", indent);
	for (unsigned i = 0; i < VIOMMU_S_COUNT; i++)
		fprintf(out, "%s\"%s\": %" PRIu64, i > 0 ? ", " : "", sim_status_name(i), r->statuses[i]);
	fprintf(out, "},\n");
	fprintf(out, "%s\"translations\": %" PRIu64 ",\n", indent, r->translations);
	fprintf(out, "%s\"dma_checks\": %" PRIu64 ",\n", indent, r->dma_checks);
	fprintf(out, "%s\"faults_expected\": %" PRIu64 ",\n", indent, r->faults_expected);
	fprintf(out, "%s\"faults_seen\": %" PRIu64 ",\n", indent, r->faults_seen);
	fprintf(out, "%s\"disagreements\": %" PRIu64 ",\n", indent, r->disagreements);
	fprintf(out, "%s\"max_live_mappings\": %" PRIu64 ",\n", indent, r->max_live_mappings);
	fprintf(out, "%s\"kicks\": %" PRIu64 ",\n", indent, r->kicks);
	fprintf(out, "%s\"snapshots\": %" PRIu64 ",\n", indent, r->snapshots);
	fprintf(out, "%s\"max_snapshot\": %" PRIu64 ",\n", indent, r->max_snapshot);
	fprintf(out, "%s\"recoveries\": %" PRIu64 ",\n", indent, r->recoveries);
	fprintf(out, "%s\"seconds\": %.3f", indent, r->seconds);
}

void sim_report_json(FILE *out, const struct sim_report_row *rows, size_t count)
{
	struct sim_replay_result total = sum(rows, count);

	fprintf(out, "{\n");
	json_members(out, &total, "  ");
	fprintf(out, ",\n  \"files\": [");
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%s\n    {\n      \"file\": ", i > 0 ? "," : "");
		json_string(out, rows[i].file);
		fprintf(out, ",\n");
		json_members(out, &rows[i].result, "      ");
		fprintf(out, "\n    }");
	}
	fprintf(out, "\n  ]\n}\n");
}
