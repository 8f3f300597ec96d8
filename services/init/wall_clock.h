// SPDX-License-Identifier: Apache-2.0
//
// Where the time of day comes from at boot: a PL031, else the bundle's file `date`, else 1970.
#pragma once

#include <cstdint>

#include "services/init/bundle_files.h"
#include "services/init/machine.h"
#include "services/init/resources.h"

namespace pyrene::init {

// Seconds since 1970, now.
int64_t WallClockAtBoot(const Machine& machine, Resources& resources, const BundleFiles& files);

}  // namespace pyrene::init
