/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port.h: the only file that knows the compiler and the processor.
 *
 * Everything the other side of a queue can write ("peer memory") is read and written through the accessors below, each
 * shared field once, into a local. That one rule is what makes three things possible:
 *
 *   - no double fetch: a value that was checked is the value that is used;
 *   - a test build in which the accessors are functions of the test (VIOMMU_PORT_EXTERN): they count reads, change
 *     bytes between two reads, or run the other side in the middle of an operation;
 *   - proofs in which they return anything at all, so that one proof covers every content and every concurrent change.
 *
 * Barriers are named by what they order, not by an instruction. The plain ones are SMP barriers: right for a peer that
 * is another processor sharing coherent memory (every hypervisor). Those called _strong order what a device sees that
 * is hardware: a queue with VIRTIO_F_ORDER_PLATFORM uses them. They are, for acquire, release and full:
 *
 *   x86 with SSE2       lfence, sfence, mfence
 *   Arm (A, R: v7 on)   dmb oshld (v8) or dmb osh, dmb osh, dmb osh: the outer shareable domain is where devices are
 *   Arm (M)             dmb sy for all three
 *   RISC-V              fence ir,iorw; fence iorw,ow; fence iorw,iorw
 *   others              the compiler's sequentially consistent fence: on POWER that is sync, on MIPS sync, on LoongArch
 *                       dbar 0, on s390x bcr, on x86 without SSE2 a locked instruction
 *
 * Lock order: the library takes no locks of its own; an embedder's lock hook is never held while another one is taken.
 */
#ifndef VIOMMU_PORT_H
#define VIOMMU_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(__GNUC__)
#error "port.h: teach this file your compiler; nothing else in the library uses extensions"
#endif

#define VIOMMU_NODISCARD __attribute__((warn_unused_result))

/*
 * For the few places where a hot path depends on it. NOINLINE: what is rare, or one of several ways, and would take
 * registers from the rest. INLINE: even where more than one function calls it. LIKELY: which way goes straight on.
 */
#define VIOMMU_NOINLINE __attribute__((noinline))
#define VIOMMU_INLINE inline __attribute__((always_inline))
#define VIOMMU_LIKELY(e) __builtin_expect(e, 1)

/* For functions whose unsigned numbers wrap on purpose. In all others clang's integer sanitizer reports it. */
#if defined(__clang__) && __clang_major__ >= 12
#define VIOMMU_WRAPS __attribute__((no_sanitize("unsigned-integer-overflow", "unsigned-shift-base")))
#else
#define VIOMMU_WRAPS
#endif

/* 1 where the compiler makes one instruction of a 16-bit and of a 32-bit access, and calls no helper. */
#if __GCC_ATOMIC_SHORT_LOCK_FREE == 2 && __GCC_ATOMIC_INT_LOCK_FREE == 2
#define VIOMMU_PORT_ATOMIC 1
#else
#define VIOMMU_PORT_ATOMIC 0
#endif

/*
 * 1 where a 64-bit number of the library's own may be read by one thread while another one writes it. 0 where that
 * takes a helper or a lock, as on most 32-bit processors, and on i386, which does not align such numbers in structs.
 */
#if __GCC_ATOMIC_LLONG_LOCK_FREE == 2 && !defined(__i386__)
#define VIOMMU_PORT_ATOMIC64 1
#else
#define VIOMMU_PORT_ATOMIC64 0
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What only a bug of the library itself can violate. Never reachable from peer bytes, from a caller's mistake or from
 * what a callback returns. Off unless the build defines VIOMMU_ASSERT_HOOK as the name of a function
 * void hook(const char *expression).
 */
#ifdef VIOMMU_ASSERT_HOOK
void VIOMMU_ASSERT_HOOK(const char *expression);
#define VIOMMU_ASSERT(e) ((e) ? (void)0 : VIOMMU_ASSERT_HOOK(#e))
#else
#define VIOMMU_ASSERT(e) ((void)0)
#endif

/* Little-endian on the wire, whatever the processor. */
static inline uint16_t viommu_port_le16(uint16_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap16(v);
#else
	return v;
#endif
}

static inline uint32_t viommu_port_le32(uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap32(v);
#else
	return v;
#endif
}

static inline uint64_t viommu_port_le64(uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(v);
#else
	return v;
#endif
}

/* Private memory of any alignment. With a length that it knows the compiler makes loads and stores of it. */
static inline void viommu_port_copy(void *dst, const void *src, size_t len)
{
	__builtin_memcpy(dst, src, len);
}

#ifdef VIOMMU_PORT_EXTERN

uint16_t viommu_port_load16(const void *p);
uint16_t viommu_port_load16_acquire(const void *p);
void viommu_port_store16(void *p, uint16_t value);
void viommu_port_store16_release(void *p, uint16_t value);
void viommu_port_store32(void *p, uint32_t value);
uint32_t viommu_port_load32(const void *p);
void viommu_port_copy_in(void *dst, const void *peer, size_t len);
void viommu_port_copy_out(void *peer, const void *src, size_t len);
void viommu_port_fence(void);
uint16_t viommu_port_load16_acquire_strong(const void *p);
void viommu_port_store16_release_strong(void *p, uint16_t value);
void viommu_port_fence_strong(void);
uint64_t viommu_port_get64(const uint64_t *p);
void viommu_port_set64(uint64_t *p, uint64_t value);
uint32_t viommu_port_get32(const uint32_t *p);
void viommu_port_set32(uint32_t *p, uint32_t value);
const void *viommu_port_get_pointer(const void *const *p);
void viommu_port_set_pointer(const void **p, const void *value);
void viommu_port_enter32(uint32_t *p, uint32_t n);
uint32_t viommu_port_leave32(uint32_t *p, uint32_t n);
uint32_t viommu_port_mark32(uint32_t *p, uint32_t bits);
void viommu_port_own_fence(void);

#else

/*
 * One access each. Where there are no atomic operations (Cortex-M0), a volatile access of an aligned halfword or word
 * is one instruction too; the fences around it order it.
 */
#if VIOMMU_PORT_ATOMIC
#define VIOMMU_PORT_LOAD(type, p, order) __atomic_load_n((const type *)(p), order)
#define VIOMMU_PORT_STORE(type, p, v, order) __atomic_store_n((type *)(p), v, order)
#else
#define VIOMMU_PORT_LOAD(type, p, order) (*(const volatile type *)(p))
#define VIOMMU_PORT_STORE(type, p, v, order) ((void)(*(volatile type *)(p) = (v)))
#endif

/* A naturally aligned little-endian field that the peer may change at any time. */
static inline uint16_t viommu_port_load16(const void *p)
{
	return viommu_port_le16(VIOMMU_PORT_LOAD(uint16_t, p, __ATOMIC_RELAXED));
}

/* The same, and nothing after it is read earlier: the peer's index first, then what it covers. */
static inline uint16_t viommu_port_load16_acquire(const void *p)
{
	uint16_t value = VIOMMU_PORT_LOAD(uint16_t, p, __ATOMIC_ACQUIRE);

#if !VIOMMU_PORT_ATOMIC
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
	return viommu_port_le16(value);
}

static inline uint32_t viommu_port_load32(const void *p)
{
	return viommu_port_le32(VIOMMU_PORT_LOAD(uint32_t, p, __ATOMIC_RELAXED));
}

static inline void viommu_port_store16(void *p, uint16_t value)
{
	VIOMMU_PORT_STORE(uint16_t, p, viommu_port_le16(value), __ATOMIC_RELAXED);
}

/* The same, and nothing before it is written later: what an index covers first, then the index. */
static inline void viommu_port_store16_release(void *p, uint16_t value)
{
#if !VIOMMU_PORT_ATOMIC
	__atomic_thread_fence(__ATOMIC_RELEASE);
#endif
	VIOMMU_PORT_STORE(uint16_t, p, viommu_port_le16(value), __ATOMIC_RELEASE);
}

static inline void viommu_port_store32(void *p, uint32_t value)
{
	VIOMMU_PORT_STORE(uint32_t, p, viommu_port_le32(value), __ATOMIC_RELAXED);
}

/*
 * Copies peer bytes of any alignment into private memory. The barrier keeps the compiler from reading the peer's bytes
 * again later in place of the copy.
 */
static inline void viommu_port_copy_in(void *dst, const void *peer, size_t len)
{
	__builtin_memcpy(dst, peer, len);
	__asm__ volatile("" : : "r"(dst) : "memory");
}

static inline void viommu_port_copy_out(void *peer, const void *src, size_t len)
{
	__builtin_memcpy(peer, src, len);
	__asm__ volatile("" : : "r"(peer) : "memory");
}

/*
 * Full barrier: our store is visible before our next load. The one that keeps a kick or an interrupt from being lost.
 */
static inline void viommu_port_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* The same for a peer that is hardware; the table is at the top of this file. */
#if defined(__x86_64__) || (defined(__i386__) && defined(__SSE2__))
#define VIOMMU_PORT_STRONG_ACQUIRE() __asm__ volatile("lfence" ::: "memory")
#define VIOMMU_PORT_STRONG_RELEASE() __asm__ volatile("sfence" ::: "memory")
#define VIOMMU_PORT_STRONG_FULL() __asm__ volatile("mfence" ::: "memory")
#elif defined(__aarch64__)
#define VIOMMU_PORT_STRONG_ACQUIRE() __asm__ volatile("dmb oshld" ::: "memory")
/* Not oshst: what was read has been read too before the peer may change it. */
#define VIOMMU_PORT_STRONG_RELEASE() __asm__ volatile("dmb osh" ::: "memory")
#define VIOMMU_PORT_STRONG_FULL() __asm__ volatile("dmb osh" ::: "memory")
#elif defined(__arm__) && defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#define VIOMMU_PORT_STRONG_FULL() __asm__ volatile("dmb sy" ::: "memory")
#elif defined(__arm__) && __ARM_ARCH >= 7
#define VIOMMU_PORT_STRONG_FULL() __asm__ volatile("dmb osh" ::: "memory")
#elif defined(__riscv)
#define VIOMMU_PORT_STRONG_ACQUIRE() __asm__ volatile("fence ir, iorw" ::: "memory")
#define VIOMMU_PORT_STRONG_RELEASE() __asm__ volatile("fence iorw, ow" ::: "memory")
#define VIOMMU_PORT_STRONG_FULL() __asm__ volatile("fence iorw, iorw" ::: "memory")
#else
#define VIOMMU_PORT_STRONG_FULL() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif
#ifndef VIOMMU_PORT_STRONG_ACQUIRE
#define VIOMMU_PORT_STRONG_ACQUIRE() VIOMMU_PORT_STRONG_FULL()
#define VIOMMU_PORT_STRONG_RELEASE() VIOMMU_PORT_STRONG_FULL()
#endif

static inline uint16_t viommu_port_load16_acquire_strong(const void *p)
{
	/* The order tells the compiler, and tools that look for races; the barrier tells the machine. */
	uint16_t value = VIOMMU_PORT_LOAD(uint16_t, p, __ATOMIC_ACQUIRE);

	VIOMMU_PORT_STRONG_ACQUIRE();
	return viommu_port_le16(value);
}

static inline void viommu_port_store16_release_strong(void *p, uint16_t value)
{
	VIOMMU_PORT_STRONG_RELEASE();
	VIOMMU_PORT_STORE(uint16_t, p, viommu_port_le16(value), __ATOMIC_RELEASE);
}

static inline void viommu_port_fence_strong(void)
{
	VIOMMU_PORT_STRONG_FULL();
}

/*
 * Not peer memory: a number of the library's own, in the order of the processor's bytes, that one thread sets while
 * others get it. Who gets a value (acquire) sees everything that was written before it was set (release). Where
 * VIOMMU_PORT_ATOMIC64 is 0 these are plain accesses, and all of them belong to one thread.
 */
#if VIOMMU_PORT_ATOMIC64
static inline uint64_t viommu_port_get64(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void viommu_port_set64(uint64_t *p, uint64_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}
#else
static inline uint64_t viommu_port_get64(const uint64_t *p)
{
	return *p;
}

static inline void viommu_port_set64(uint64_t *p, uint64_t value)
{
	*p = value;
}
#endif

/*
 * The same for 32-bit numbers and for pointers, under the same switch, and what a count needs that several threads
 * change:
 *
 *   enter32    adds n; nothing behind the call is done before others can see that (a full fence)
 *   leave32    subtracts n and returns the rest; whoever sees that sees what was done before the call (release)
 *   mark32     sets bits and returns what was there before (both acquire and release)
 *   own_fence  the other half of enter32: what was set before is visible before anything behind is read
 *
 * Each is one step, and everything written with them is part of one order: a get32 that returns a number below n sees
 * whatever was done before each leave32 that brought it there.
 */
#if VIOMMU_PORT_ATOMIC64
#define VIOMMU_PORT_GET(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define VIOMMU_PORT_SET(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#else
#define VIOMMU_PORT_GET(p) (*(p))
#define VIOMMU_PORT_SET(p, v) ((void)(*(p) = (v)))
#endif

static inline uint32_t viommu_port_get32(const uint32_t *p)
{
	return VIOMMU_PORT_GET(p);
}

static inline void viommu_port_set32(uint32_t *p, uint32_t value)
{
	VIOMMU_PORT_SET(p, value);
}

static inline const void *viommu_port_get_pointer(const void *const *p)
{
	return VIOMMU_PORT_GET(p);
}

static inline void viommu_port_set_pointer(const void **p, const void *value)
{
	VIOMMU_PORT_SET(p, value);
}

#if VIOMMU_PORT_ATOMIC64
static inline void viommu_port_own_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void viommu_port_enter32(uint32_t *p, uint32_t n)
{
	(void)__atomic_fetch_add(p, n, __ATOMIC_SEQ_CST);
#if !defined(__x86_64__) /* there the addition itself is a fence */
	viommu_port_own_fence();
#endif
}

static inline uint32_t viommu_port_leave32(uint32_t *p, uint32_t n)
{
	return __atomic_sub_fetch(p, n, __ATOMIC_RELEASE);
}

static inline uint32_t viommu_port_mark32(uint32_t *p, uint32_t bits)
{
	return __atomic_fetch_or(p, bits, __ATOMIC_ACQ_REL);
}
#else
static inline void viommu_port_own_fence(void)
{
}

static inline void viommu_port_enter32(uint32_t *p, uint32_t n)
{
	*p += n;
}

static inline uint32_t viommu_port_leave32(uint32_t *p, uint32_t n)
{
	return *p -= n;
}

static inline uint32_t viommu_port_mark32(uint32_t *p, uint32_t bits)
{
	uint32_t before = *p;

	*p |= bits;
	return before;
}
#endif

#endif /* VIOMMU_PORT_EXTERN */

/*
 * 16 peer bytes of any alignment, each read once, as two little-endian numbers. As good as viommu_port_copy_in, but
 * where two registers hold them they do not go through memory, where the next step would have to wait for them.
 */
static inline void viommu_port_load_pair(const void *peer, uint64_t *low, uint64_t *high)
{
	uint64_t pair[2];

#if UINTPTR_MAX > 0xffffffffu && !defined(VIOMMU_PORT_EXTERN)
	__builtin_memcpy(pair, peer, sizeof pair);
	__asm__ volatile("" : "+r"(pair[0]), "+r"(pair[1]));
#else
	viommu_port_copy_in(pair, peer, sizeof pair);
#endif
	*low = viommu_port_le64(pair[0]);
	*high = viommu_port_le64(pair[1]);
}

/* And back: each byte is written once, from registers where they hold it. */
static inline void viommu_port_store_pair(void *peer, uint64_t low, uint64_t high)
{
	const uint64_t pair[2] = { viommu_port_le64(low), viommu_port_le64(high) };

	viommu_port_copy_out(peer, pair, sizeof pair);
}

/*
 * Spectre v1: index if index < size, else 0, without a branch that could be mispredicted. Call it after the bounds
 * check on any index that a peer chose. Both at most 2^31.
 */
static inline VIOMMU_WRAPS uint32_t viommu_port_mask_index(uint32_t index, uint32_t size)
{
	uint32_t below = (index - size) & ~index; /* top bit: index < size */

	__asm__ volatile("" : "+r"(below));
	return index & (0u - (below >> 31));
}

/*
 * 64-bit shifts by 0 to 63, made of 32-bit halves where a register is 32 bits wide: the core must not pull in the
 * compiler's helper functions (__aeabi_llsl and its kin). The empty asm keeps it from seeing through.
 */
static inline VIOMMU_WRAPS uint64_t viommu_port_shl64(uint64_t v, unsigned n)
{
#if UINTPTR_MAX > 0xffffffffu
	return v << n;
#else
	uint32_t lo = (uint32_t)v, hi = (uint32_t)(v >> 32);

	if (n >= 32) {
		hi = lo << (n - 32);
		lo = 0;
	} else if (n > 0) {
		hi = (hi << n) | (lo >> (32 - n));
		lo <<= n;
	}
	__asm__("" : "+r"(hi), "+r"(lo));
	return (uint64_t)hi << 32 | lo;
#endif
}

static inline uint64_t viommu_port_shr64(uint64_t v, unsigned n)
{
#if UINTPTR_MAX > 0xffffffffu
	return v >> n;
#else
	uint32_t lo = (uint32_t)v, hi = (uint32_t)(v >> 32);

	if (n >= 32) {
		lo = hi >> (n - 32);
		hi = 0;
	} else if (n > 0) {
		lo = (lo >> n) | (hi << (32 - n));
		hi >>= n;
	}
	__asm__("" : "+r"(hi), "+r"(lo));
	return (uint64_t)hi << 32 | lo;
#endif
}

/* Index of the lowest set bit; v is not 0. */
static inline unsigned viommu_port_ctz64(uint64_t v)
{
	uint32_t lo = (uint32_t)v;
	uint32_t half = lo != 0 ? lo : (uint32_t)(v >> 32);
	unsigned n = lo != 0 ? 0u : 32u;

	/* A table-free binary search: __builtin_ctz calls a helper on processors without the instruction. */
	if ((half & 0xffffu) == 0) {
		n += 16;
		half >>= 16;
	}
	if ((half & 0xffu) == 0) {
		n += 8;
		half >>= 8;
	}
	if ((half & 0xfu) == 0) {
		n += 4;
		half >>= 4;
	}
	if ((half & 0x3u) == 0) {
		n += 2;
		half >>= 2;
	}
	return n + ((half & 1u) == 0 ? 1u : 0u);
}

#ifdef __cplusplus
}
#endif

#endif /* VIOMMU_PORT_H */
