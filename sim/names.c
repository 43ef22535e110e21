/* SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

const char *sim_result_name(enum viommu_result result)
{
	switch (result) {
	case VIOMMU_OK:
		return "OK";
	case VIOMMU_E_ARG:
		return "E_ARG";
	case VIOMMU_E_STATE:
		return "E_STATE";
	case VIOMMU_E_ABI:
		return "E_ABI";
	case VIOMMU_E_NOENT:
		return "E_NOENT";
	case VIOMMU_E_EXISTS:
		return "E_EXISTS";
	case VIOMMU_E_RANGE:
		return "E_RANGE";
	case VIOMMU_E_UNSUPP:
		return "E_UNSUPP";
	case VIOMMU_E_NOMEM:
		return "E_NOMEM";
	case VIOMMU_E_FULL:
		return "E_FULL";
	case VIOMMU_E_EMPTY:
		return "E_EMPTY";
	case VIOMMU_E_BUSY:
		return "E_BUSY";
	case VIOMMU_E_TIMEOUT:
		return "E_TIMEOUT";
	case VIOMMU_E_PEER:
		return "E_PEER";
	case VIOMMU_E_BROKEN:
		return "E_BROKEN";
	case VIOMMU_E_REJECTED:
		return "E_REJECTED";
	case VIOMMU_E_FAULT:
		return "E_FAULT";
	case VIOMMU_E_PORT:
		return "E_PORT";
	}
	return "E_?";
}

const char *sim_status_name(unsigned status)
{
	static const char *const names[VIOMMU_S_COUNT] = {
		"OK", "IOERR", "UNSUPP", "DEVERR", "INVAL", "RANGE", "NOENT", "FAULT", "NOMEM",
	};

	return status < VIOMMU_S_COUNT ? names[status] : "?";
}

const char *sim_request_name(unsigned type)
{
	static const char *const names[VIOMMU_T_COUNT] = { "?", "attach", "detach", "map", "unmap", "probe" };

	return type < VIOMMU_T_COUNT ? names[type] : "?";
}
