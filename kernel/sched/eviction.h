// SPDX-License-Identifier: Apache-2.0
//
// Getting what a CPU keeps in its registers for a thread or vCPU into memory.
#pragma once

namespace pyrene {

struct Cpu;
class Thread;

// The thread does not run. Its SP_EL0, TPIDR_EL0 and FP registers are in its object when this
// returns. Structure lock.
void EvictThread(Thread& thread);
// What other CPUs want of this one. Also called by whoever waits for another CPU, which may be
// waiting for him.
void ServeEviction(Cpu& cpu);

}  // namespace pyrene
