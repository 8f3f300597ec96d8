// SPDX-License-Identifier: Apache-2.0
//
// Getting what a CPU keeps in its registers for a thread or vCPU into memory.
#pragma once

namespace pyrene {

struct Cpu;
class Thread;

// Its SP_EL0, TPIDR_EL0 and FP registers are in its object when this returns, unless it has been
// woken and runs again. Structure lock.
void EvictThread(Thread& thread);
// What other CPUs want of this one. Also called by whoever waits for another CPU, which may be
// waiting for him.
void ServeEviction(Cpu& cpu);

}  // namespace pyrene
