/* SPDX-License-Identifier: BSD-3-Clause */
/* assert_hook.c: what becomes of a VIOMMU_ASSERT that does not hold, in builds with VIOMMU_ASSERTIONS. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

void viommu_assertion_failed(const char *expression);

void viommu_assertion_failed(const char *expression)
{
	fprintf(stderr, "libviommu: does not hold: %s\n", expression);
	signal(SIGABRT, SIG_DFL); /* whatever a test makes of its own assertions */
	abort();
}
