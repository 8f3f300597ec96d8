/* SPDX-License-Identifier: Apache-2.0
 *
 * vcpu_run, kick, WFI and injection, as kernel and VMM do them together: no wake-up of a guest is lost, and no thread is woken out of
 * another wait than its vCPU's sleep.
 *
 *   spin -a run_kick_wfi.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m1000000
 *   with one of these given to spin it must fail:
 *     -DKICK_NOT_STICKY  -DKICK_FIRST  -DSLEEP_UNLOCKED  -DNO_LIST_REGISTER_CHECK  -DNO_TIMER_CHECK
 *     -DNO_KICK_BARRIER  -DNO_RUN_BARRIER  -DWAKE_AFTER_UNLOCK
 *
 * The guest waits by WFI until it has handled an interrupt from each of two other threads (an IPI, an event), one that its own VMM
 * thread raises (a VMM timer found due at an exit) and one of its virtual timer. Or it computes and never waits: then only an interrupt of its
 * CPU gets it out. If it sleeps, or computes, for ever with an interrupt pending, the model stops in an invalid end state.
 *
 * Memory: `kicked` as written by a kicker and `runner` as written by the vCPU's CPU go through store buffers, which a full barrier and the
 * release of the lock empty; everything else is under a lock or belongs to one CPU.
 */
// pan: -m1000000
// fails: -DKICK_NOT_STICKY -DKICK_FIRST -DSLEEP_UNLOCKED -DNO_LIST_REGISTER_CHECK -DNO_TIMER_CHECK -DNO_KICK_BARRIER -DNO_RUN_BARRIER -DWAKE_AFTER_UNLOCK

#define KICKERS 2
#define ALL (KICKERS + 1)       /* interrupts but for the virtual timer's */

mtype = { ready, asleep, elsewhere };

/* The Vcpu in the kernel. */
bool locked, kicked, sleeping, runner;
bool poke;                      /* an SGI is pending at the vCPU's CPU */
bool timer_fired;               /* taken, not yet injected */
mtype thread = ready;           /* the thread that runs the vCPU: asleep = in vcpu_run(block) */

/* The vCPU's CPU. Interrupts are masked in the kernel. */
bool in_kernel;

/* The VMM's distributor, and the list registers. */
byte pending, in_list_registers;
bool timer_in_list_register;
byte handled;
bool timer_handled;

chan kick_buffer[KICKERS] = [1] of { bool };
chan run_buffer = [2] of { bool };

#define LOCK atomic { !locked -> locked = true }

#ifdef NO_KICK_BARRIER
#define KICK_BARRIER(me) skip
#else
#define KICK_BARRIER(me) empty(kick_buffer[me])
#endif
#ifdef NO_RUN_BARRIER
#define RUN_BARRIER skip
#else
#define RUN_BARRIER empty(run_buffer)
#endif
#ifdef NO_LIST_REGISTER_CHECK
#define LIST_REGISTER_PENDING false
#else
#define LIST_REGISTER_PENDING (in_list_registers > 0 || timer_in_list_register)
#endif
#ifdef NO_TIMER_CHECK
#define TIMER_FIRED false
#else
#define TIMER_FIRED timer_fired
#endif
#define ALL_HANDLED (handled == ALL && timer_handled)

active proctype Memory() {
  bool value;
end:
  do
  :: atomic { kick_buffer[0]?value -> kicked = value }
  :: atomic { kick_buffer[1]?value -> kicked = value }
  :: atomic { run_buffer?value -> runner = value }
  od
}

inline Wake() {
  atomic {
    assert(thread != elsewhere);
    thread = ready
  }
}

/* kernel: vcpu_kick on another CPU */
inline Kick(me) {
  LOCK;
#ifdef KICK_NOT_STICKY
  if
  :: runner -> kick_buffer[me]!true
  :: else
  fi;
#else
  kick_buffer[me]!true;
#endif
  KICK_BARRIER(me);
  running = runner;
  sleeper = sleeping;
#ifndef WAKE_AFTER_UNLOCK
  if
  :: sleeper -> sleeping = false; Wake()
  :: else
  fi;
#endif
  atomic { empty(kick_buffer[me]) -> locked = false };
#ifdef WAKE_AFTER_UNLOCK
  if
  :: sleeper && thread != ready -> Wake()
  :: else
  fi;
#endif
  if
  :: running && !sleeper -> poke = true
  :: else
  fi
}

/* VMM: any other thread that raises an interrupt for this vCPU */
active [KICKERS] proctype Raiser() {
  bool running, sleeper;
#ifdef KICK_FIRST
  Kick(_pid - 1);
  pending++
#else
  pending++;                    /* under the distributor's lock */
  Kick(_pid - 1)
#endif
}

/* The virtual timer's interrupt, once, at any moment when the vCPU's CPU takes interrupts. */
active proctype Timer() {
  atomic {
    !in_kernel && !locked ->
    timer_fired = true;
    if
    :: sleeping -> sleeping = false; Wake()
    :: else
    fi
  }
}

active proctype Vcpu() {
  bool block = false, own = false, computes;
  if
  :: computes = false
  :: computes = true
  fi;
  do
  :: ALL_HANDLED -> break
  :: else ->
     /* VMM. It may have to wait for something else (a lock), and may find an interrupt to raise by itself. */
     if
     :: atomic { thread = elsewhere }; thread = ready
     :: skip
     fi;
     if
     :: !own -> own = true; pending++
     :: own
     :: !own && !block && !computes
     fi;
     atomic { in_list_registers = in_list_registers + pending; pending = 0 };
     poke = false;              /* taken at EL0: nothing to do */

     /* kernel: vcpu_run */
     in_kernel = true;
     run_buffer!true;
     RUN_BARRIER;
     if
     :: block ->
#ifdef SLEEP_UNLOCKED
        if
        :: kicked || LIST_REGISTER_PENDING || TIMER_FIRED
        :: else -> sleeping = true; thread = asleep; in_kernel = false; thread == ready; in_kernel = true
        fi
#else
        LOCK;
        if
        :: kicked || LIST_REGISTER_PENDING || TIMER_FIRED ->
           atomic { empty(run_buffer) -> locked = false }
        :: else ->
           sleeping = true;
           thread = asleep;
           atomic { empty(run_buffer) -> locked = false };
           in_kernel = false;   /* other threads run, or the CPU idles */
           atomic { thread == ready -> in_kernel = true }
        fi
#endif
     :: else
     fi;
     block = false;
enter:
     if
     :: kicked || sleeping ->
        LOCK;
        sleeping = false;
        if
        :: kicked -> kicked = false; atomic { empty(run_buffer) -> locked = false }; goto exit
        :: else -> atomic { empty(run_buffer) -> locked = false }
        fi
     :: else
     fi;
     if
     :: timer_fired -> timer_fired = false; timer_in_list_register = true
     :: else
     fi;
     in_kernel = false;

     /* The guest: an interrupt for EL2 leads to the kernel and back to `enter`. */
     do
     :: atomic { poke -> poke = false; in_kernel = true }; goto enter
     :: atomic { timer_fired -> in_kernel = true }; goto enter
     :: atomic { in_list_registers > 0 -> in_list_registers--; handled++ }
     :: atomic { timer_in_list_register -> timer_in_list_register = false; timer_handled = true }
     :: atomic { !computes && in_list_registers == 0 && !timer_in_list_register && !ALL_HANDLED -> in_kernel = true };
        block = true; break     /* WFI */
     :: atomic { ALL_HANDLED -> in_kernel = true }; break
     od;
exit:
     run_buffer!false;
     in_kernel = false
  od
}
