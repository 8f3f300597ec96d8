/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring of proto/ring.h with its wake-up suppression, in both directions: the consumer sleeps for messages, the producer for room.
 *
 *   spin -a ring.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *     no lost wake-up (invalid end state), no overwrite, nothing lost, doubled or out of order (assertions)
 *   with -DNO_M2, -DNO_S2 or -DNO_S3 given to spin it must fail: without that step a wake-up is lost
 *
 * Memory: each side's stores go through a buffer of its own in the order they were made, and become visible to the other side at any later
 * moment; a full barrier, and a system call, which the signal is, waits until the buffer is empty. Loads see the shared value. For what the
 * barriers are there for, a store followed by a load of another location, that is as weak as Arm's release and acquire; these keep a
 * message and its index in order, so here a message is written at once with its index.
 */
// pan: -m1000000
// fails: -DNO_M2 -DNO_S2 -DNO_S3

#define SLOTS 2                 /* messages that the ring holds */
#define MESSAGES 5              /* sent in all: the ring wraps twice */

#define HEAD 0                  /* names of the shared words */
#define PRODUCER_SLEEPS 1
#define TAIL 2
#define CONSUMER_SLEEPS 3

byte word[4];                   /* indices count messages */
byte slot[SLOTS];               /* message numbers from 1; 0 = free */
bool for_consumer, for_producer;   /* notifications: one sticky bit each */

chan producer_buffer = [3] of { byte, byte };
chan consumer_buffer = [3] of { byte, byte };

#define STORE(buffer, name, value) buffer!name,value
#define FENCE(buffer) empty(buffer)

#ifdef NO_M2
#define FENCE_M2(buffer) skip
#else
#define FENCE_M2(buffer) FENCE(buffer)
#endif
#ifdef NO_S2
#define FENCE_S2(buffer) skip
#else
#define FENCE_S2(buffer) FENCE(buffer)
#endif

/* MustWakePeer and the signal. */
inline Wake(buffer, peer_sleeps, bell) {
  FENCE_M2(buffer);                                           /* M2 */
  peer = word[peer_sleeps];                                   /* M3 */
  if
  :: peer -> FENCE(buffer); bell = true
  :: else
  fi;
  owed = false
}

/* `other` = the peer's index; before the answer is "nothing to do", S1 to S3 are done. */
inline LookOrSleep(buffer, index, my_sleeps, nothing) {
  other = word[index];
  if
  :: nothing && !asleep ->
     STORE(buffer, my_sleeps, 1);                             /* S1 */
     FENCE_S2(buffer);                                        /* S2 */
     asleep = true;
#ifndef NO_S3
     other = word[index];                                     /* S3 */
#endif
  :: else
  fi;
  if
  :: !(nothing) && asleep -> STORE(buffer, my_sleeps, 0); asleep = false
  :: else
  fi
}

active proctype Memory() {
  byte name, value;
end:
  do
  :: atomic { producer_buffer?name,value -> word[name] = value }
  :: atomic { consumer_buffer?name,value -> word[name] = value }
  od
}

/* Either side calls Wake after one message or more, as it likes, but before it sleeps or ends. */

active proctype Producer() {
  byte head = 0, other, peer;
  bool asleep = false, owed = false;
  do
  :: head == MESSAGES -> break
  :: else ->
     LookOrSleep(producer_buffer, TAIL, PRODUCER_SLEEPS, head - other == SLOTS);
     assert(head - other <= SLOTS);
     if
     :: head - other == SLOTS ->
        if
        :: owed -> Wake(producer_buffer, CONSUMER_SLEEPS, for_consumer)
        :: else
        fi;
        atomic { for_producer -> for_producer = false }
     :: else ->
        atomic {
          assert(slot[head % SLOTS] == 0);                    /* nothing unread is overwritten */
          slot[head % SLOTS] = head + 1
        }
        head++;
        STORE(producer_buffer, HEAD, head);                   /* M1 */
        owed = true;
        if
        :: Wake(producer_buffer, CONSUMER_SLEEPS, for_consumer)
        :: skip
        fi
     fi
  od;
  if
  :: owed -> Wake(producer_buffer, CONSUMER_SLEEPS, for_consumer)
  :: else
  fi
}

active proctype Consumer() {
  byte tail = 0, other, peer;
  bool asleep = false, owed = false;
  do
  :: tail == MESSAGES -> break
  :: else ->
     LookOrSleep(consumer_buffer, HEAD, CONSUMER_SLEEPS, other == tail);
     assert(other - tail <= SLOTS);
     if
     :: other == tail ->
        if
        :: owed -> Wake(consumer_buffer, PRODUCER_SLEEPS, for_producer)
        :: else
        fi;
        atomic { for_consumer -> for_consumer = false }
     :: else ->
        atomic {
          assert(slot[tail % SLOTS] == tail + 1);             /* in order, none lost, none twice */
          slot[tail % SLOTS] = 0
        }
        tail++;
        STORE(consumer_buffer, TAIL, tail);                   /* M1 */
        owed = true;
        if
        :: Wake(consumer_buffer, PRODUCER_SLEEPS, for_producer)
        :: skip
        fi
     fi
  od;
  if
  :: owed -> Wake(consumer_buffer, PRODUCER_SLEEPS, for_producer)
  :: else
  fi
}
