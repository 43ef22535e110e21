/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bytes.h: fields of a byte buffer, which may have any alignment. Little-endian, unless the name says be. By copies of
 * a known length: compilers make single loads and stores of them, and not always of shifted bytes.
 */
#ifndef VIOMMU_BYTES_H
#define VIOMMU_BYTES_H

#include <viommu/port.h>

static inline uint16_t viommu_i_get16(const uint8_t *p)
{
	uint16_t v;

	viommu_port_copy(&v, p, sizeof v);
	return viommu_port_le16(v);
}

static inline uint32_t viommu_i_get32(const uint8_t *p)
{
	uint32_t v;

	viommu_port_copy(&v, p, sizeof v);
	return viommu_port_le32(v);
}

static inline uint64_t viommu_i_get64(const uint8_t *p)
{
	uint64_t v;

	viommu_port_copy(&v, p, sizeof v);
	return viommu_port_le64(v);
}

static inline void viommu_i_put16(uint8_t *p, uint16_t v)
{
	v = viommu_port_le16(v);
	viommu_port_copy(p, &v, sizeof v);
}

static inline void viommu_i_put32(uint8_t *p, uint32_t v)
{
	v = viommu_port_le32(v);
	viommu_port_copy(p, &v, sizeof v);
}

static inline void viommu_i_put64(uint8_t *p, uint64_t v)
{
	v = viommu_port_le64(v);
	viommu_port_copy(p, &v, sizeof v);
}

static inline uint32_t viommu_i_get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static inline void viommu_i_put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

#endif /* VIOMMU_BYTES_H */
