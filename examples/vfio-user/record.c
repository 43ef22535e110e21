/* SPDX-License-Identifier: BSD-3-Clause */
#include "record.h"

#include <sim/trace.h>

bool record_open(struct record *record, const char *path)
{
	*record = (struct record){ .file = path != NULL ? fopen(path, "w") : NULL };
	return path == NULL || record->file != NULL;
}

static void write_line(const struct record *record, const struct sim_trace_line *line)
{
	char text[128];

	sim_trace_format(line, text, sizeof text);
	fprintf(record->file, "%s\n", text);
}

static void forget(struct record *record, uint32_t endpoint)
{
	for (uint32_t i = 0; i < record->count; i++) {
		if (record->attached[i].endpoint == endpoint)
			record->attached[i--] = record->attached[--record->count];
	}
}

/* A trace has no line for a reset. What it does to domains is the same as that every endpoint leaves. */
static void reset(struct record *record)
{
	for (uint32_t i = 0; i < record->count; i++) {
		struct sim_trace_line line = { .type = 'D',
					       .domain = record->attached[i].domain,
					       .endpoint = record->attached[i].endpoint };

		write_line(record, &line);
	}
	record->count = 0;
}

void record_event(struct record *record, const struct viommu_trace_event *event)
{
	struct sim_trace_line line;

	if (record->file == NULL)
		return;
	if (event->id == VIOMMU_TRACE_RESET || event->id == VIOMMU_TRACE_SYSTEM_RESET)
		reset(record);
	if (!sim_trace_line_of(event, &line))
		return;
	write_line(record, &line);
	if (line.type == 'A' || line.type == 'D')
		forget(record, line.endpoint);
	if (line.type == 'A') {
		record->attached[record->count].endpoint = line.endpoint;
		record->attached[record->count++].domain = line.domain;
	}
}

bool record_close(struct record *record)
{
	bool failed;

	if (record->file == NULL)
		return true;
	failed = ferror(record->file) != 0;
	return (fclose(record->file) == 0) & !failed;
}
