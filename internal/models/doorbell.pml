/*
 * How the two ends of a ring of package shm sleep and wake each other: ring.go, doorbell_linux.go and write_linux.go. Two writers that
 * share a lock send FRAMES frames in all to one reader, through a ring with room for ROOM of them.
 *
 * Each access to memory is one step, as it is with the sequentially consistent atomics of Go. A CPU that lets a look
 * overtake the store before it, which Go's don't, does what M_LOOK_FIRST and M_RING_FIRST do: those are mistakes, and so
 * are the others named M_... Each must be found, as a deadlock.
 */
#ifndef FRAMES
#define FRAMES 3
#endif
#ifndef ROOM
#define ROOM 1
#endif

byte tail, head;  /* frames ever published, and ever taken */
bool asleep;      /* the reader says that it sleeps */
byte want;        /* the head that a writer waits for, 0 for nobody */
bool bell;        /* the eventfd has a count */
bool space;       /* the socket has an 's' for the writers */
bool locked;      /* the writers' lock */
bool ringing;     /* a writer rings, and does so for others that come meanwhile */
bool wanted;      /* somebody is to be rung for; guarded, as ringing is, by a lock of the doorbell's */
byte sent;        /* frames that a writer has begun */

proctype Reader() {
	bool rings;
	byte at;
	do
	:: head == FRAMES -> break
	:: head != FRAMES && tail != head -> /* take a frame */
#ifdef M_ROOM_FIRST
		at = want;
		head++;
#else
		head++;
#ifndef M_NO_ROOM
		at = want;
#endif
#endif
		rings = false;
		if
		:: at != 0 && head >= at -> atomic { rings = (want != 0); want = 0 }
		:: else
		fi;
		if
		:: rings -> space = true
		:: else
		fi;
		at = 0
	:: head != FRAMES && tail == head -> /* nothing there: sleep */
		asleep = true;
		if
#ifndef M_LOOK_FIRST
		:: tail != head
		:: tail == head ->
#else
		:: true ->
#endif
			atomic { bell -> bell = false }
		fi;
		asleep = false
	od
}

proctype Writer() {
	bool mine, rings;
	do
	:: atomic { !locked -> locked = true };
		if
		:: sent == FRAMES -> locked = false; break
		:: else
		fi;
		sent++;
		do
		:: tail - head < ROOM -> break
		:: else ->
			want = tail + 1 - ROOM;
#ifndef M_NO_LOOK
			if
			:: tail - head < ROOM -> want = 0; break
			:: else
			fi;
#endif
			atomic { space -> space = false }
		od;
#ifdef M_RING_FIRST
		mine = asleep;
		tail++;
		locked = false;
#else
		tail++;
		locked = false;
		mine = asleep;
#endif
		rings = false;
		if
		:: mine -> atomic { rings = asleep; asleep = false }
		:: else
		fi;
#ifdef M_NO_RING
		rings = false;
#endif
		if
		:: rings -> atomic { wanted = true; rings = !ringing; ringing = true }
		:: else
		fi;
		do
		:: rings ->
			atomic {
				if
				:: wanted -> wanted = false
				:: else -> ringing = false; break
				fi
			};
			bell = true;
#ifdef M_RING_ONCE
			atomic { wanted = false; ringing = false; break }
#endif
		:: else -> break
		od
	od
}

init {
	atomic { run Reader(); run Writer(); run Writer() }
}
