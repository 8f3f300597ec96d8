// SPDX-License-Identifier: Apache-2.0
//
// XenStore's, in the order of docs/decisions/xenstore-journal.md.
#include "tests/services/kill_points.h"

namespace pyrene::tests {

std::span<const KillPlace> KillPlaces() {
  static constexpr KillPlace kPlaces[] = {
      {"ring.request-read"},    {"ring.executed"},           {"ring.reply-written"},
      {"journal.appended"},     {"journal.state-stored"},    {"journal.committed"},
      {"ring.consumer-stored"}, {"ring.indices-stored"},     {"ring.told"},
      {"message.executed"},     {"message.answered"},        {"restore.done", false},
      {"ring.resumed", false},  {"compaction.begun", false}, {"compaction.written", false},
  };
  return kPlaces;
}

}  // namespace pyrene::tests
