/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "session.h"

const char *const conf_verdict_names[] = {
	[CONF_HOLDS] = "holds",   [CONF_FAILS] = "FAILS",         [CONF_FREE] = "free",
	[CONF_ABSENT] = "absent", [CONF_UNREACHED] = "unreached",
};

static const struct conf_case *const all[] = { conf_iommu_cases, conf_queue_cases, conf_general_cases,
					       conf_stated_cases };

static void run_case(struct conf_target *target, const struct conf_case *what, struct conf_outcome *outcome)
{
	struct conf c = { .target = target, .outcome = outcome };

	outcome->of = what;
	outcome->verdict = CONF_HOLDS;
	if (what->run == NULL) {
		conf_unreached(&c, what->why);
		return;
	}
	if (!conf_check(&c, target->renew(target->ctx, UINT64_MAX), "there is no device"))
		return;
	c.checks = 0;
	what->run(&c);
	/* Bring-up makes checks as well; but a case that only does that has not failed because of its rule. */
	if (outcome->verdict == CONF_HOLDS && c.checks == 0)
		(void)conf_check(&c, false, "nothing was checked");
}

size_t conf_run(struct conf_target *target, const char *only, struct conf_outcome **out)
{
	size_t count = 0, n = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		for (size_t k = 0; all[i][k].rule != NULL; k++)
			count++;
	}
	*out = calloc(count, sizeof(**out));
	if (*out == NULL)
		return 0;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		for (size_t k = 0; all[i][k].rule != NULL; k++) {
			if (only == NULL || strstr(all[i][k].rule, only) != NULL)
				run_case(target, &all[i][k], &(*out)[n++]);
		}
	}
	return n;
}

void conf_print_table(FILE *file, const struct conf_target *target, const struct conf_outcome *outcomes, size_t count)
{
	size_t tally[sizeof(conf_verdict_names) / sizeof(conf_verdict_names[0])] = { 0 };

	fprintf(file, "device: %s\n\n%-21s %-10s %-9s %s\n", target->version, "rule", "level", "verdict",
		"what, why, evidence");
	for (size_t i = 0; i < count; i++) {
		const struct conf_outcome *o = &outcomes[i];

		tally[o->verdict]++;
		fprintf(file, "%-21s %-10s %-9s %s%s%s\n", o->of->rule, o->of->level, conf_verdict_names[o->verdict],
			o->of->topic, o->reason[0] != 0 ? ": " : "", o->reason);
		if (o->evidence[0] != 0)
			fprintf(file, "%43s%s\n", "", o->evidence);
	}
	fprintf(file, "\n%zu rules:", count);
	for (size_t i = 0; i < sizeof(tally) / sizeof(tally[0]); i++)
		fprintf(file, " %s %zu%s", conf_verdict_names[i], tally[i],
			i + 1 < sizeof(tally) / sizeof(tally[0]) ? "," : "\n");
}

void conf_print_json(FILE *file, const char *name, const struct conf_target *target,
		     const struct conf_outcome *outcomes, size_t count)
{
	fprintf(file, "{ \"target\": \"%s\", \"device\": \"%s\", \"rules\": [\n", name, target->version);
	for (size_t i = 0; i < count; i++) {
		const struct conf_outcome *o = &outcomes[i];

		/* None of the texts has a quotation mark or a backslash in it. */
		fprintf(file,
			"  { \"rule\": \"%s\", \"level\": \"%s\", \"topic\": \"%s\", \"verdict\": \"%s\", "
			"\"reason\": \"%s\", \"evidence\": \"%s\" }%s\n",
			o->of->rule, o->of->level, o->of->topic, conf_verdict_names[o->verdict], o->reason, o->evidence,
			i + 1 < count ? "," : "");
	}
	fputs("] }\n", file);
}
