// SPDX-License-Identifier: Apache-2.0
//
// The first domain: init, loaded from the bundle, with capabilities for everything the kernel does
// not keep.
#pragma once

#include "kernel/abi/bundle.h"
#include "kernel/boot/machine.h"
#include "kernel/boot/ram.h"
#include "kernel/object/thread.h"

namespace pyrene {

// The thread is ready to be started. Does not return if something is missing (BootFailure).
Thread& CreateInit(const Machine& machine, BootRam& ram, const BundleFile& init,
                   uint64_t boot_ticks, uint32_t cpus_running);

}  // namespace pyrene
