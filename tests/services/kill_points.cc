// SPDX-License-Identifier: Apache-2.0
#include "tests/services/kill_points.h"

#include <string>

#include "runtime/kill_point.h"
#include "runtime/log.h"
#include "runtime/service.h"

namespace pyrene::runtime {
namespace {

constexpr unsigned kMostPasses = 8;

struct Plan {
  tests::KillPlace place;
  unsigned passes;  // of the place, before it ends the life
};

// Spreads a counter over all bits.
constexpr uint32_t Scatter(uint32_t number) { return number * 2654435761u >> 16; }

Plan MakePlan() {
  const std::span<const tests::KillPlace> places = tests::KillPlaces();
  const uint32_t life = Service().generation;
  const tests::KillPlace place = places[(life - 1) % places.size()];
  return {place, place.often ? Scatter(life) % kMostPasses : 0};
}

}  // namespace

void KillPoint(std::string_view name) {
  static Plan plan = MakePlan();
  if (name != plan.place.name || plan.passes-- != 0) return;
  LogInfo("dies at ", std::string(name));
  __builtin_trap();
}

}  // namespace pyrene::runtime
