// SPDX-License-Identifier: Apache-2.0
//
// fs's, in the order in which a request passes them.
#include "tests/services/kill_points.h"

namespace pyrene::tests {

std::span<const KillPlace> KillPlaces() {
  static constexpr KillPlace kPlaces[] = {{"mounted", false},          {"journal.begun", false},
                                          {"journal.written", false},  {"journal.committed", false},
                                          {"journal.replayed", false}, {"journal.applied", false},
                                          {"journal.emptied", false},  {"disk.asked"},
                                          {"disk.answered"},           {"request.done"},
                                          {"request.answered"}};
  return kPlaces;
}

}  // namespace pyrene::tests
