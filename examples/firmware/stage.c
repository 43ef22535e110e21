/* SPDX-License-Identifier: BSD-3-Clause */
/* stage.c: a program of its own, to be loaded from a disk. */
#include "stage.h"

stage_entry stage_main;

__attribute__((section(".text.start"))) void stage_main(void (*say)(const char *text))
{
	say("stage: loaded from a disk behind the IOMMU\n");
}
