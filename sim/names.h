/* SPDX-License-Identifier: BSD-3-Clause */
/* names.h: what people read in place of numbers. */
#ifndef VIOMMU_SIM_NAMES_H
#define VIOMMU_SIM_NAMES_H

#include <viommu/wire.h>

/* "OK", "E_FAULT", ... "E_?" for a value that is none. */
const char *sim_result_name(enum viommu_result result);

/* "OK", "IOERR", ... "?" for a value that is none. */
const char *sim_status_name(unsigned status);

/* "attach", ... "?" for a value that is none. */
const char *sim_request_name(unsigned type);

#endif /* VIOMMU_SIM_NAMES_H */
