/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace.h: the text format of recorded requests. One per line, numbers in hex without 0x:
 *
 *     P <endpoint>                                          PROBE
 *     A <domain> <endpoint> <flags>                         ATTACH
 *     D <domain> <endpoint>                                 DETACH
 *     M <domain> <virt_start> <virt_end> <phys> <flags>     MAP
 *     U <domain> <virt_start> <virt_end>                    UNMAP
 *     T <endpoint> <iova> <flags>                           no request: an address lookup, 1 read, 2 write, 3 both
 *
 * Fields are separated by blanks. Empty lines and lines that begin with # are skipped. The file may be compressed by
 * gzip, in one member or several.
 *
 * The parser judges form only. Whether a request makes sense is for the device to say: an inverted range is no error
 * here.
 */
#ifndef VIOMMU_SIM_TRACE_H
#define VIOMMU_SIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_trace_line {
	uint64_t first; /* M, U: virt_start. T: iova */
	uint64_t last;  /* M, U: virt_end */
	uint64_t phys;  /* M */
	uint32_t domain;
	uint32_t endpoint;
	uint32_t flags;
	uint32_t number; /* in the file, from 1 */
	char type;       /* the letter */
};

struct sim_trace {
	char *name; /* as in error messages */
	struct sim_trace_line *lines;
	size_t count;
};

/* What is wrong, for people: "boot.txt:17: expected <virt_end> as hex, found 'xyz'". */
struct sim_error {
	char text[512];
};

/* Both parse everything or nothing. False: *error says why and *trace is empty. */
bool sim_trace_load(struct sim_trace *trace, const char *path, struct sim_error *error);
bool sim_trace_parse(struct sim_trace *trace, const char *name, const char *text, size_t len, struct sim_error *error);

/* Gives the memory back. An empty trace is all right too. */
void sim_trace_deinit(struct sim_trace *trace);

/* Writes a line as text, without a line end, cut to cap bytes with the final 0. */
void sim_trace_format(const struct sim_trace_line *line, char *out, size_t cap);

/* A request that the device has executed, as a line. False: it is no such event, or the device refused. */
struct viommu_trace_event;
bool sim_trace_line_of(const struct viommu_trace_event *event, struct sim_trace_line *line);

/* All endpoints that any line names, sorted, each once; the caller frees them. NULL: no memory. */
uint32_t *sim_trace_endpoints(const struct sim_trace *trace, uint32_t *count);

/*
 * Where `room` bytes of physical memory are that no MAP leads to, at a multiple of SIM_TRACE_ALIGN: above all of
 * them, or in a gap if one leads to the very top. False: no memory.
 */
#define SIM_TRACE_ALIGN (UINT64_C(1) << 21)
bool sim_trace_free_physical(const struct sim_trace *trace, uint64_t room, uint64_t *base);

#endif /* VIOMMU_SIM_TRACE_H */
