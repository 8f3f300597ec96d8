// SPDX-License-Identifier: Apache-2.0
//
// What a fuzz target expects: unlike an assert it is there in every build.
#pragma once

#include <cstdlib>

namespace pyrene::fuzz {

inline void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace pyrene::fuzz
