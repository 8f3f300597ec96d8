// SPDX-License-Identifier: Apache-2.0
//
// An element of `vif = [ ... ]`.
#include "services/xl/vif_spec.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  const auto vif = xl::ParseVifSpec(absl::string_view(reinterpret_cast<const char*>(data), bytes));
  if (!vif.ok()) return 0;
  if (vif->mac.has_value()) {
    const auto again = xl::ParseMac(xl::FormatMac(*vif->mac));
    fuzz::Require(again.ok() && *again == *vif->mac && ((*vif->mac)[0] & 1) == 0);
  }
  fuzz::Require(!vif->mtu.has_value() || (*vif->mtu >= 68 && *vif->mtu <= 65535));
  fuzz::Require(!vif->rate.has_value() || vif->rate->interval_us != 0);
  return 0;
}
