// SPDX-License-Identifier: Apache-2.0
// One element of `vif = [ ... ]` (also the arguments of `xl network-attach`): key=value pairs and
// flags, separated by commas, all optional.  The empty string is a network interface with every
// default.  A key given again replaces.
//
//   mac=00:16:3e:xx:xx:xx    bridge=NAME    backend=NAME    vifname=NAME    model=NAME    ip=TEXT
//   gatewaydev=NAME, netdev=NAME (its old name)    script=PATH    type=vif|ioemu    devid=NUMBER
//   mtu=NUMBER    vlan=LIST    trusted, untrusted    accel=TEXT (no effect)
//   rate=<n>{GB,MB,KB,B,Gb,Mb,Kb,b}/s[@<n>{s,ms,us}]
//
// K, M and G of a rate are powers of 1000; its interval is 50 ms unless given, without a unit in s.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pyrene::xl {

inline constexpr size_t kMaxVifSpecBytes = 4096;

using MacAddress = std::array<uint8_t, 6>;

// A transmission credit of `bytes` every `interval_us` microseconds.
struct VifRate {
  uint64_t bytes = 0;
  uint32_t interval_us = 0;
};

struct VifSpec {
  enum class Type { kVif, kIoemu };

  // Absent: one of 00:16:3e, by chance.  Never a group address nor all zero.
  std::optional<MacAddress> mac;
  std::string bridge = "xenbr0";
  std::string gateway_device;
  std::string ip;
  std::string script;
  std::string backend;  // the back-end's name; empty: the default one
  std::string name;     // vifname; empty: vif<domid>.<devid>
  std::string model;
  std::string vlan;
  Type type = Type::kVif;
  std::optional<uint32_t> devid;  // absent: its place in the list
  std::optional<uint32_t> mtu;    // 68..65535
  std::optional<VifRate> rate;
  bool trusted = true;
};

absl::StatusOr<VifSpec> ParseVifSpec(absl::string_view text);

absl::StatusOr<MacAddress> ParseMac(absl::string_view text);
std::string FormatMac(const MacAddress& mac);  // "00:16:3e:00:00:02"

absl::StatusOr<VifRate> ParseVifRate(absl::string_view text);

}  // namespace pyrene::xl
