// SPDX-License-Identifier: Apache-2.0
//
// Which kill point (runtime/kill_point.h) ends which life of a service: each life ends at one, the
// next life at the next, and so on in a circle. So the life's number says where it will end, and a
// place that is never reached is seen as a life that does not end.
#pragma once

#include <span>
#include <string_view>

namespace pyrene::tests {

struct KillPlace {
  std::string_view name;
  // It is passed often in a life, so it is not always the first time that ends it.
  bool often = true;
};

// All of the service's, defined by its variant.
std::span<const KillPlace> KillPlaces();

}  // namespace pyrene::tests
