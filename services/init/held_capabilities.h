// SPDX-License-Identifier: Apache-2.0
//
// What a domain really holds, read from the kernel index by index. On the target only.
#pragma once

#include <vector>

#include "services/init/capability_names.h"
#include "services/init/service.h"

namespace pyrene::init {

// Of a service's present life; empty without one.
std::vector<Held> HeldBy(Service& service);
// Of init itself.
std::vector<Held> HeldByInit();

}  // namespace pyrene::init
