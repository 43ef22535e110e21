/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bytes.h: fields of a byte buffer, put together from single bytes, so that there is no alignment to care about and no
 * byte order of the machine to know. Little-endian, unless the name says be.
 */
#ifndef VIOMMU_BYTES_H
#define VIOMMU_BYTES_H

#include <stdint.h>

static inline uint16_t viommu_i_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t viommu_i_get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t viommu_i_get64(const uint8_t *p)
{
	return viommu_i_get32(p) | (uint64_t)viommu_i_get32(p + 4) << 32;
}

static inline void viommu_i_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void viommu_i_put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static inline void viommu_i_put64(uint8_t *p, uint64_t v)
{
	viommu_i_put32(p, (uint32_t)v);
	viommu_i_put32(p + 4, (uint32_t)(v >> 32));
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
