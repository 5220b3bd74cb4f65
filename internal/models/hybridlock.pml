/*
 * The lock of package hsem, hybrid.go: N processes that take it once each, and the last one ROUNDS times, with KILLS deaths at any moment and, with
 * DESTROY, a Destroy at any moment. A process that is stopped is one that has no turn for a while, which is any process.
 *
 * The state is one word: a compare-and-swap of it is one step, and so is the kernel's look at the word before it lets
 * somebody sleep. Everything else may be interleaved.
 *
 * With STEPS a sleeper wakes by itself when nothing else can happen in the whole system, and looks whether the owner is dead.
 * Without (and then without KILLS) it never does, so that a lost wake-up is a deadlock.
 *
 * The macros M_... are mistakes. Each must be found.
 */
#ifndef N
#define N 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef LIMITED
#define LIMITED 1 /* so many of them have a limit to their waits, and may give up at any moment */
#endif

/* the word */
byte owner;
bool waiters, destroyed;
byte epoch;

bool dead[N + 1];   /* the kernel has let go of the process's lock on its slot */
bool asleep[N + 1]; /* in the futex's queue */
byte kills = KILLS;

/* what is true, whoever knows it */
byte holder;        /* who took it last and has not given it up, alive or dead */
bool told[N + 1];   /* somebody was told of this death */
byte idle;          /* sleeps in a row that ended for nothing */

#ifdef M_NO_FLAG
#define FLAG sw
#else
#define FLAG true
#endif
#define SAME (owner == so && waiters == sw && destroyed == sd && epoch == se)
#define LOOK atomic { so = owner; sw = waiters; sd = destroyed; se = epoch }

/* wake one */
inline wake() {
	atomic {
		if
		:: asleep[1] -> asleep[1] = false
		:: asleep[2] -> asleep[2] = false
#if N > 2
		:: asleep[3] -> asleep[3] = false
#endif
		:: else
		fi
	}
}

inline wakeAll() {
	d_step {
		asleep[1] = false;
		asleep[2] = false;
#if N > 2
		asleep[3] = false
#endif
	}
}

/* take the lock from the state that was looked at */
inline take() {
	d_step {
		ok = false;
		if
#ifdef M_BLIND_TAKE
		:: so != 0 || SAME ->
#else
		:: SAME ->
#endif
			ok = true;
			/* the owner before is none or dead, and a dead one is named to one process */
			assert(!destroyed);
			assert(so == holder);
			assert(so == 0 || dead[so]);
			assert(so == 0 || !told[so]);
			told[so] = (so != 0);
			holder = id;
			owner = id;
			epoch++;
#ifndef M_FORGET
			waiters = waiters || slept;
#endif
			idle = 0
		:: else
		fi
	}
}

proctype Process(byte id) provided (!dead[id]) {
	byte so, se, rounds = (id == N -> ROUNDS : 1);
	bool sw, sd, ok, slept, due;
	do
	:: rounds == 0 -> break
	:: else ->
		rounds--;
		slept = false;
		due = true;
again:
		LOOK;
		if
		:: sd -> goto over
		:: !sd && so == 0 ->
			take();
			if
			:: ok -> goto locked
			:: else -> goto again
			fi
		:: else
		fi;
		if
		:: due ->
			due = false;
#ifndef M_NO_CHECK
			if
			:: dead[so] ->
				take();
				if
				:: ok -> goto locked
				:: else -> goto again
				fi
#ifdef M_DOUBT
			:: !dead[so] -> take(); if :: ok -> goto locked :: else -> goto again fi
#endif
			:: else
			fi
#endif
		:: else
		fi;
		if
		:: skip
		:: id <= LIMITED -> goto leave /* its timeout, or its context's end */
		fi;
#ifndef M_NO_FLAG
		if
		:: !sw ->
			d_step {
				ok = SAME;
				if
				:: ok -> waiters = true
				:: else
				fi
			}
			if
			:: ok
			:: else -> goto again
			fi
		:: else
		fi;
#endif
		/* FUTEX_WAIT, which compares the low half */
		atomic {
			if
#ifdef M_SLEEP_BLIND
			:: asleep[id] = true
#else
			:: owner == so && waiters == FLAG && destroyed == sd -> asleep[id] = true
			:: else
#endif
			fi
		}
		slept = true;
		if
		:: !asleep[id]
		:: atomic { asleep[id] && id <= LIMITED -> asleep[id] = false; goto leave }
#ifdef STEPS
		:: atomic { timeout && asleep[id] -> asleep[id] = false; due = true; idle++; assert(idle <= 1) }
#endif
		fi;
		goto again;
leave:
#ifndef M_NO_PASS
		if
		:: slept ->
pass:
			LOOK;
			if
			:: sd
			:: !sd && so == 0 -> wake()
			:: !sd && so != 0 && sw
			:: else ->
				d_step {
					ok = SAME;
					if
					:: ok -> waiters = true
					:: else
					fi
				}
				if
				:: ok
				:: else -> goto pass
				fi
			fi
		:: else
		fi;
#endif
		idle = 0;
		goto next;
locked:
		assert(holder == id); /* and nobody else's: the two are one variable */
		skip; /* a process may be killed here */
		assert(holder == id && owner == id);
unlocking:
		LOOK;
#ifdef M_WAKE_FIRST
		if
		:: sw -> wake()
		:: else
		fi;
#endif
		d_step {
			ok = SAME;
			if
			:: ok -> owner = 0; waiters = false; holder = 0
			:: else
			fi
		}
		if
		:: !ok -> goto unlocking
		:: else
		fi;
#ifndef M_WAKE_FIRST
		if
		:: sw -> wake()
		:: else
		fi;
#endif
next:
		skip
	od;
over:
	idle = 0
}

#if KILLS > 0
active proctype Killer() {
	byte x;
	do
	:: kills > 0 ->
		if
		:: x = 1
		:: x = 2
#if N > 2
		:: x = 3
#endif
		fi;
		/* one step: the process stops, leaves the futex's queue, and the kernel lets go of its lock */
		d_step { dead[x] = true; asleep[x] = false; kills--; idle = 0 }
	:: break
	od
}
#endif

#ifdef DESTROY
active proctype Destroyer() {
	byte so, se;
	bool sw, sd, ok;
	do
	:: LOOK;
		d_step {
			ok = SAME;
			if
			:: ok -> destroyed = true; waiters = false
			:: else
			fi
		}
		if
		:: ok -> break
		:: else
		fi
	od;
#ifdef M_DESTROY_ONE
	wake()
#else
	wakeAll()
#endif
}
#endif

init {
	byte i = 1;
	atomic {
		do
		:: i <= N -> run Process(i); i++
		:: else -> break
		od
	}
}
