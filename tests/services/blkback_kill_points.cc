// SPDX-License-Identifier: Apache-2.0
//
// Blkback's: those of every block server, around those of its devices.
#include "tests/services/kill_points.h"

namespace pyrene::tests {

std::span<const KillPlace> KillPlaces() {
  static constexpr KillPlace kPlaces[] = {
      {"disk.opened", false}, {"block.taken"},   {"device.asked"},  {"device.answered"},
      {"block.ended"},        {"block.started"}, {"block.answered"}};
  return kPlaces;
}

}  // namespace pyrene::tests
