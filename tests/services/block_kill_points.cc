// SPDX-License-Identifier: Apache-2.0
//
// Those of each driver of a disk, in the order in which a request passes them.
#include "tests/services/kill_points.h"

namespace pyrene::tests {

std::span<const KillPlace> KillPlaces() {
  static constexpr KillPlace kPlaces[] = {
      {"block.taken"}, {"block.started"}, {"block.ended"}, {"block.answered"}};
  return kPlaces;
}

}  // namespace pyrene::tests
