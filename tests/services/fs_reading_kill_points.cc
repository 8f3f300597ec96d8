// SPDX-License-Identifier: Apache-2.0
//
// Those of fs that a request to read passes, in its order.
#include "tests/services/kill_points.h"

namespace pyrene::tests {

std::span<const KillPlace> KillPlaces() {
  static constexpr KillPlace kPlaces[] = {{"mounted", false},
                                          {"disk.asked"},
                                          {"disk.answered"},
                                          {"request.done"},
                                          {"request.answered"}};
  return kPlaces;
}

}  // namespace pyrene::tests
