// SPDX-License-Identifier: Apache-2.0
//
// A named place where a test may end a service's life, between two stores that others can see. In
// the system's services it is nothing; a test's variant of a service is compiled with
// PYRENE_KILL_POINTS (tests/services/kill_points.h says which place ends which life).
#pragma once

#include <string_view>

namespace pyrene::runtime {

#ifdef PYRENE_KILL_POINTS
void KillPoint(std::string_view name);
#else
constexpr void KillPoint(std::string_view) {}
#endif

}  // namespace pyrene::runtime
