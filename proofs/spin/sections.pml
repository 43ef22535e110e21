/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sections.pml: access sections of one context, and the owner that takes away what they use. libviommu/device/grace.c
 * has the argument, this all orders of the steps.
 *
 * What is translated is a number, the generation: a revocation replaces it by the next one, and when its grace period
 * is over, all before it are reused. The data thread begins sections, somebody else ends them, in any order; a section
 * uses the generation it has loaded until it ends.
 *
 * Memory is weak where the code relies on barriers: a store of the owner arrives late, unless it waits in a fence; what
 * a section loads it may load before it is counted, unless there is a fence; what it does it may do after it is counted
 * out, unless that is a release. Steps on the counts are read-modify-writes: there is one order of them. So that
 * nothing is shown by chance they order nothing else, though on many processors they do.
 *
 * What -D chooses:
 *
 *   WITHOUT=barrier  one of those below is missing, or NONE
 *   SECTIONS=n       that begin at all
 *   REVOCATIONS=n
 *
 * What must hold: nobody uses what is reused (the assertions), and no end but a declared one: the owner sleeps until it
 * is woken, and all revocations come to their end.
 */
#define NONE 0
#define OWNER_FENCE 1   /* grace_begin */
#define ENTER_FENCE 2   /* enter32 */
#define LEAVE_RELEASE 3 /* leave32 */
#define ONE_STEP 4      /* the bit is in the count */
#define EMPTY_FIRST 5   /* the counts swap only when the draining one is empty */
#define IS_THERE(barrier) ((barrier) != WITHOUT)

#define AT_ONCE 2 /* sections that are open at a time */
#define SECTION 2
#define AWAITED 1

/* Memory, and a store on its way to it. */
byte generation, next_generation;
bit current, next_current;
bool generation_waits, current_waits;
byte open[2];
bool awaited[2]; /* only without ONE_STEP: a place of its own */

bool woken;
byte reused; /* all generations below */

/* Sections: counted or still in use, and what they use. */
bool busy[AT_ONCE];   /* between begin and end */
bool in_use[AT_ONCE];
byte used[AT_ONCE];
bit phase[AT_ONCE];

/* What the run has to have come to, or it showed nothing. The report of unreached statements names it. */
#define REACH(condition) if :: condition -> assert(true) :: else fi

/* Stores of the owner arrive. */
active proctype memory()
{
end:
	do
	:: atomic { generation_waits -> generation = next_generation; generation_waits = false }
	:: atomic { current_waits -> current = next_current; current_waits = false }
	od
}

/* viommu_access_begin. */
active proctype thread()
{
	byte i, n;
	byte g;
	bit c;

	for (n : 1 .. SECTIONS) {
		i = 0;
		if
		:: !busy[0]
		:: !busy[1] -> i = 1
		fi;
		c = current;
		if
		:: atomic { open[c] = open[c] + SECTION; REACH(open[c] > SECTION) };
			g = generation
#if WITHOUT == ENTER_FENCE
		:: g = generation; open[c] = open[c] + SECTION
#endif
		fi;
		atomic {
			/* Late: its count is not the one that it would be in now. */
			REACH(c != current);
			assert(g >= reused);
			used[i] = g;
			phase[i] = c;
			in_use[i] = true;
			busy[i] = true;
			g = 0;
			c = 0;
			i = 0
		}
	}
}

/* viommu_access_end, from any thread. */
inline leave(i)
{
	atomic {
		open[phase[i]] = open[phase[i]] - SECTION;
#if WITHOUT == ONE_STEP
		last = open[phase[i]] == 0
	};
	if
	:: last && awaited[phase[i]] -> woken = true
	:: else
	fi;
	last = false
#else
		if
		:: open[phase[i]] == AWAITED -> woken = true
		:: else
		fi
	}
#endif
}

proctype ender(byte i)
{
#if WITHOUT == ONE_STEP
	bool last;
#endif
end:
	do
	:: in_use[i] ->
		if
		:: in_use[i] = false; leave(i)
#if WITHOUT == LEAVE_RELEASE
		:: leave(i); in_use[i] = false
#endif
		fi;
		atomic { phase[i] = 0; used[i] = 0; busy[i] = false }
	od
}

byte epoch, flipped, drained;
bit mine; /* `current`, as the owner knows it */

/* has_drained in grace.c. */
inline look(open_at, none)
{
	if
	:: open[open_at] == 0 -> none = true
	:: atomic { open[open_at] >= AWAITED ->
#if WITHOUT == ONE_STEP
		none = false };
		awaited[open_at] = true
#else
		none = open[open_at] < SECTION;
		open[open_at] = open[open_at] | AWAITED };
		if
		:: none -> open[open_at] = open[open_at] - AWAITED
		:: else
		fi
#endif
	fi
}

/* drain in grace.c, for a request of epoch `wanted`. What is clean is reused at once. */
inline drain()
{
	do
	:: drained < wanted ->
		look(1 - mine, none);
		if
		:: !none && IS_THERE(EMPTY_FIRST) -> break
		:: else
		fi;
		atomic {
			drained = flipped;
			reused = drained;
			assert(!in_use[0] || used[0] >= reused);
			assert(!in_use[1] || used[1] >= reused);
			none = false
		};
		if
		:: drained >= wanted -> break
		:: else
		fi;
		flipped = epoch;
		mine = 1 - mine;
		atomic { !current_waits -> next_current = mine; current_waits = true }
	:: else -> break
	od;
	none = false
}

active proctype owner()
{
	byte wanted;
	bool none;

	run ender(0);
	run ender(1);
	do
	:: epoch < REVOCATIONS ->
		/* A request takes something away. */
		atomic { !generation_waits -> next_generation = epoch + 1; generation_waits = true };
		!IS_THERE(OWNER_FENCE) || (!generation_waits && !current_waits);
		epoch++;
		wanted = epoch;
		drain()
	:: drained < epoch && woken ->
		/* All that wait, one after the other. */
		woken = false;
		for (wanted : drained + 1 .. epoch) {
			drain()
		}
	:: drained == REVOCATIONS -> break
	od;
	REACH(reused == REVOCATIONS && generation == REVOCATIONS)
}
