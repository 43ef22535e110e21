/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtq.pml: who publishes, who looks, who sleeps. Both halves of the split virtqueue of libviommu/virtq, each on a
 * processor of its own, with memory that is late.
 *
 * The labels are the functions of the library: driver_add, driver_publish, driver_pop, driver_arm in driver.c,
 * device_pop, device_push, device_publish, device_arm in device.c. Each access to shared memory there is one step here.
 *
 * What -D chooses:
 *
 *   EVENT, FLAGS or QUIET  how notifications are suppressed: by event indices; not at all, which is what the library
 *                          does without EVENT_IDX; by a flag, as other halves do, and the library's publish obeys it
 *   TSO or WEAK            stores wait in a queue and reach memory in order, loads are in order (x86); or stores to
 *                          different places reach memory in any order, a load may return what was there at any time
 *                          since the last acquire or fence, and may be done as late as the next release or fence
 *   LOADS_IN_ORDER         WEAK without the early and late loads
 *   DONE_IN_ORDER          the device finishes requests in the order in which they came
 *   SIZE=n                 of the queue: 1 or 2. Indices wrap at twice that, as those of a queue of 32768 do
 *   WITHOUT=barrier        one of those below is missing, or NONE
 *
 * What must hold: the assertions, no_lost_wakeup, and no end but a declared one (nobody waits for ever with work to
 * do).
 */
#define MOD (2 * SIZE)
#define NEXT(i) (((i) + 1) % MOD)
#define DISTANCE(from, to) (((to) - (from) + MOD) % MOD)
#define BIT(i) (1 << (i))

#if SIZE != 1 && SIZE != 2
#error SIZE is 1 or 2
#endif

#define DRIVER 0
#define DEVICE 1

/* Places in shared memory. Each has one writer. The wish is the event index or the flag, for the other half to see. */
#define DESC(i) (i)
#define AVAIL(i) (SIZE + (i))
#define AVAIL_INDEX (2 * SIZE)
#define DRIVER_WISH (2 * SIZE + 1)
#define USED(i) (2 * SIZE + 2 + (i))
#define USED_INDEX (3 * SIZE + 2)
#define DEVICE_WISH (3 * SIZE + 3)
#define PLACES (3 * SIZE + 4)

byte mem[PLACES];

/* A notification on its way to a half; that half waits for one; it moved its index and did not decide yet. */
bool notified[2], asleep[2], deciding[2];

/* Free-running, and globals only for no_lost_wakeup. */
byte popped, seen;

/* What the run has to have come to, or it showed nothing. The report of unreached statements names it. */
#define REACH(condition) if :: condition -> assert(true) :: else fi

/* The barriers: WITHOUT is one of them, or NONE. */
#define NONE 0
#define DRIVER_RELEASE 1
#define DRIVER_PUBLISH_FENCE 2
#define DRIVER_ARM_FENCE 3
#define DRIVER_ACQUIRE 4
#define DRIVER_ARM_ACQUIRE 5
#define DEVICE_RELEASE 6
#define DEVICE_PUBLISH_FENCE 7
#define DEVICE_ARM_FENCE 8
#define DEVICE_ACQUIRE 9
#define DEVICE_ARM_ACQUIRE 10
#define IS_THERE(barrier) ((barrier) != WITHOUT)

/* The memory */

#if defined(TSO)

#define STORES (2 * SIZE + 2)

chan queue[2] = [STORES] of { byte, byte };

#define DRAINED(half) (len(queue[half]) == 0)

inline store(half, at, content)
{
	queue[half]!at,content
}

inline store_release(half, at, content, barrier)
{
	queue[half]!at,content
}

inline load_acquire(half, at, result, barrier)
{
	result = mem[at]
}

inline load(half, at, result)
{
	result = mem[at]
}

inline leave_late(at)
{
	skip
}

inline fence(half, barrier)
{
	!IS_THERE(barrier) || DRAINED(half)
}

inline wake(half)
{
	skip
}

/* The stores of a half reach memory in order. */
proctype processor(byte half)
{
	byte at, value;

end:
	do
	:: atomic { queue[half]?at,value -> mem[at] = value; at = 0; value = 0 }
	od
}

inline start_memory()
{
	run processor(DRIVER);
	run processor(DEVICE)
}

#elif defined(WEAK)

/* Masks of places; each place has one writer and one reader, so neither needs a half. */
int waiting;        /* stored, not in memory yet: the value is in stored[] */
byte stored[PLACES];
int before[2];      /* what an index that was stored with release has to wait for */
int early;          /* the reader's next load was done already: the value is in loaded[] */
byte loaded[PLACES];
int late;           /* loads that were not needed for what came after them, and may not be done yet */
byte each;

#define FIRST(half) ((half) == DRIVER -> 0 : USED(0))
#define AFTER(half) ((half) == DRIVER -> USED(0) : PLACES)
#define MINE(half) ((half) == DRIVER -> BIT(USED(0)) - 1 : BIT(PLACES) - BIT(USED(0)))
#define THEIRS(half) MINE(1 - (half))
#define INDEX(half) ((half) == DRIVER -> AVAIL_INDEX : USED_INDEX)
#define DRAINED(half) ((waiting & MINE(half)) == 0)

/* Two stores to one place never wait at once: the second waits for the first. With all fences that does not happen. */
inline store(half, at, content)
{
	(waiting & BIT(at)) == 0;
	waiting = waiting | BIT(at);
	stored[at] = content
}

inline store_release(half, at, content, barrier)
{
	(waiting & BIT(at)) == 0;
	before[half] = (IS_THERE(barrier) -> waiting & MINE(half) : 0);
	late = (IS_THERE(barrier) -> late & ~THEIRS(half) : late);
	waiting = waiting | BIT(at);
	stored[at] = content
}

inline drop_early(half)
{
	early = early & ~THEIRS(half);
	for (each : FIRST(1 - (half)) .. AFTER(1 - (half)) - 1) {
		loaded[each] = 0
	}
	each = 0
}

/* A load that was done early counts once or again: two loads of one place stay in order. */
inline load(half, at, result)
{
#if defined(LOADS_IN_ORDER)
	result = mem[at]
#else
	if
	:: (early & BIT(at)) != 0 ->
		result = loaded[at];
		if
		:: early = early & ~BIT(at); loaded[at] = 0
		:: skip
		fi
	:: (early & BIT(at)) == 0 -> result = mem[at]
	fi
#endif
}

inline load_acquire(half, at, result, barrier)
{
	load(half, at, result);
#if WITHOUT != NONE
	if
	:: IS_THERE(barrier) -> drop_early(half)
	:: !IS_THERE(barrier)
	fi
#else
	drop_early(half)
#endif
}

/* Nobody needs the value of this load for its next steps. */
inline leave_late(at)
{
#if defined(LOADS_IN_ORDER)
	skip
#else
	late = late | BIT(at)
#endif
}

inline fence(half, barrier)
{
#if WITHOUT != NONE
	if
	:: IS_THERE(barrier) -> drain(half)
	:: !IS_THERE(barrier)
	fi
#else
	drain(half)
#endif
}

inline drain(half)
{
	DRAINED(half);
	late = late & ~THEIRS(half);
	drop_early(half)
}

/* A notification is seen before what is loaded after it. */
inline wake(half)
{
	drop_early(half)
}

/* When a place changes, its reader may have loaded it just before, for later. */
inline commit(half, at)
{
	assert((late & BIT(at)) == 0);
	if
	:: mem[at] != stored[at] ->
#if defined(LOADS_IN_ORDER)
		skip
#else
		if
		:: early = early | BIT(at); loaded[at] = mem[at]
		:: skip
		fi
#endif
	:: else
	fi;
	mem[at] = stored[at];
	stored[at] = 0;
	waiting = waiting & ~BIT(at);
	before[half] = before[half] & ~BIT(at)
}

/* A store reaches its place in its own time. */
proctype place(byte half; byte at)
{
end:
	do
	:: atomic { (waiting & BIT(at)) != 0 && (at != INDEX(half) || before[half] == 0) -> commit(half, at) }
	od
}

inline start_memory()
{
	for (each : 0 .. PLACES - 1) {
		run place((each < USED(0) -> DRIVER : DEVICE), each)
	}
	each = 0
}

#endif

/* Notifications */

/* Did the entry at `event` go in while the index moved from `old` to `new`? viommu_i_event_passed in layout.h. */
#define EVENT_PASSED(event, old, new) (DISTANCE(NEXT(event), new) < DISTANCE(old, new))

#if defined(EVENT)
#define WANTED(wish, old, new) EVENT_PASSED(wish, old, new)
#else
#define WANTED(wish, old, new) ((wish) == 0)
#endif

/*
 * The end of publish. The notification is an access that comes after all stores before it: of a register, or a system
 * call.
 */
inline look_and_notify(half, barrier, wish)
{
	atomic {
		fence(half, barrier);
		load(half, wish, value);
		if
		:: WANTED(value, old, published)
#if !defined(FLAGS)
		:: else -> deciding[half] = false
#endif
		fi;
		value = 0;
		old = 0
	}
	if
	:: atomic { deciding[half] && DRAINED(half) -> notified[1 - half] = true; deciding[half] = false }
#if !defined(FLAGS)
	:: !deciding[half]
#endif
	fi
}

/* The beginning of arm: says that it wants to be told. */
inline say_wish(half, wish, index)
{
#if defined(EVENT)
	store(half, wish, index)
#elif defined(QUIET)
	store(half, wish, 0)
#else
	skip
#endif
}

/* The end of arm: looks once more, and sleeps if nothing came, or until there are other things to do. */
inline look_and_sleep(half, barrier, wish, index, taken, acquire, other_work)
{
	atomic {
#if !defined(FLAGS)
		fence(half, barrier);
#endif
		load_acquire(half, index, value, acquire);
		asleep[half] = value == taken;
		REACH(value != taken); /* something came in the meantime */
		value = 0
	}
	atomic {
		if
		:: notified[half] -> notified[half] = false; wake(half)
		:: !asleep[half] || other_work
		fi;
		asleep[half] = false;
#if defined(QUIET)
		/* Awake: may say that it does not want to be told. */
		if
		:: store(half, wish, 1)
		:: skip
		fi
#endif
	}
}

/*
 * Steps of a half that nobody can see before a later one are one step with that: a store may wait until then anyway,
 * and so may a fence until the load after it. Nothing that can be chosen begins with an if that has an else: to Spin
 * that would be the else of the whole choice.
 */

/* The driver */

/* By head: 1 + the available index it was posted at, 0: free. */
byte posted[SIZE];

/* viommu_virtq_driver_add of a chain of one descriptor. What is in the descriptor says which request it is. */
inline driver_add()
{
	DISTANCE(seen, added) < SIZE;
#if SIZE > 1
	value = (posted[0] != 0 -> 1 : 0); /* all that are free are alike */
#endif
	posted[value] = 1 + added;
	store(DRIVER, DESC(value), added);
	store(DRIVER, AVAIL(added % SIZE), value);
	value = 0;
	added = NEXT(added);
	REACH(DISTANCE(seen, added) == SIZE) /* the ring is full */
}

/* viommu_virtq_driver_publish */
inline driver_publish()
{
	REACH(added < published); /* the index wraps */
	REACH(SIZE == 1 || DISTANCE(published, added) > 1); /* a batch */
	old = published;
	published = added;
	deciding[DRIVER] = true;
	store_release(DRIVER, AVAIL_INDEX, published, DRIVER_RELEASE)
}

proctype driver()
{
	byte added, published, old, value;

awake:
	do
	:: atomic {
		DISTANCE(seen, added) < SIZE ->
		do
		:: driver_add()
		:: published != added -> break
		od;
		driver_publish()
	   }
		look_and_notify(DRIVER, DRIVER_PUBLISH_FENCE, DEVICE_WISH)
	:: atomic {
		/* viommu_virtq_driver_pop, to be continued at take */
		load_acquire(DRIVER, USED_INDEX, value, DRIVER_ACQUIRE);
		assert(DISTANCE(seen, value) <= DISTANCE(seen, published));
		if
		:: value != seen -> goto take
		:: else
		fi;
		value = 0;
		if
		:: goto awake
		:: seen != published ->
			/* viommu_virtq_driver_arm, to be continued at sleep */
			say_wish(DRIVER, DRIVER_WISH, seen);
			goto sleep
		fi
	   }
	od;

take:
	atomic {
		/* A used entry is the head, and the request that the device found there. */
		load(DRIVER, USED(seen % SIZE), value);
		leave_late(USED(seen % SIZE));
		assert(posted[value / MOD] == 1 + value % MOD);
		posted[value / MOD] = 0;
		value = 0;
		seen = NEXT(seen);
		goto awake
	}

sleep:
	look_and_sleep(DRIVER, DRIVER_ARM_FENCE, DRIVER_WISH, USED_INDEX, seen, DRIVER_ARM_ACQUIRE, false);
	goto awake
}

/* The device */

/* viommu_virtq_device_push of a head, in any order. */
inline device_push(h)
{
#if SIZE == 1 || defined(DONE_IN_ORDER)
	held[h] == 1 + pushed;
#else
	held[h] != 0;
	REACH(held[h] != 1 + pushed); /* another order than they came in */
#endif
	store(DEVICE, USED(pushed % SIZE), h * MOD + held[h] - 1);
	held[h] = 0;
	pushed = NEXT(pushed)
}

/* viommu_virtq_device_publish */
inline device_publish()
{
	REACH(pushed < published); /* the index wraps */
	REACH(SIZE == 1 || DISTANCE(published, pushed) > 1); /* a batch */
	old = published;
	published = pushed;
	deciding[DEVICE] = true;
	store_release(DEVICE, USED_INDEX, published, DEVICE_RELEASE)
}

proctype device()
{
	byte pushed, published, old, value, head;
	byte held[SIZE]; /* by head: 1 + the available index it came with, 0: not held */

awake:
	do
	:: atomic {
		popped != pushed ->
		do
		:: device_push(0)
#if SIZE > 1
		:: device_push(1)
#endif
		:: published != pushed -> break
		od;
		device_publish()
	   }
		look_and_notify(DEVICE, DEVICE_PUBLISH_FENCE, DRIVER_WISH)
	:: atomic {
		/* viommu_virtq_device_pop, to be continued at take */
		load_acquire(DEVICE, AVAIL_INDEX, value, DEVICE_ACQUIRE);
		assert(DISTANCE(popped, value) <= SIZE - DISTANCE(published, popped));
		if
		:: value != popped -> goto take
		:: else
		fi;
		value = 0;
		if
		:: goto awake
		:: true ->
			/* viommu_virtq_device_arm, to be continued at sleep */
			say_wish(DEVICE, DEVICE_WISH, popped);
			goto sleep
		fi
	   }
	od;

take:
	atomic {
		load(DEVICE, AVAIL(popped % SIZE), head);
		load(DEVICE, DESC(head), value);
		leave_late(DESC(head));
		assert(value == popped && held[head] == 0);
		held[head] = 1 + popped;
		value = 0;
		head = 0;
		popped = NEXT(popped);
		goto awake
	}

sleep: /* perhaps with work of its own */
	look_and_sleep(DEVICE, DEVICE_ARM_FENCE, DEVICE_WISH, AVAIL_INDEX, popped, DEVICE_ARM_ACQUIRE,
		       published != popped);
	goto awake
}

/* Asleep, something is there in memory, and nobody is about to say so. */
#define LOST(half, index, taken) \
	(asleep[half] && !notified[half] && !deciding[1 - (half)] && mem[index] != taken)

active proctype no_lost_wakeup()
{
end:
	do
	:: atomic { LOST(DRIVER, USED_INDEX, seen) || LOST(DEVICE, AVAIL_INDEX, popped) -> assert(false) }
	od
}

init
{
	atomic {
		start_memory();
		run driver();
		run device()
	}
}
