// SPDX-License-Identifier: Apache-2.0
#include "services/xl/vif_spec.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/xl/plain_text.h"

namespace pyrene::xl {
namespace {

constexpr uint32_t kMaxDevid = 65535;
constexpr uint32_t kMinMtu = 68;  // RFC 791: what every IPv4 link must carry
constexpr uint32_t kMaxMtu = 65535;
constexpr uint32_t kDefaultIntervalUs = 50'000;

// Splits the digits off the beginning of `text`.  False when there are none or they do not fit.
bool TakeNumber(absl::string_view& text, uint64_t& number) {
  size_t length = 0;
  while (length < text.size() && absl::ascii_isdigit(text[length])) ++length;
  if (length == 0 || !absl::SimpleAtoi(text.substr(0, length), &number)) return false;
  text.remove_prefix(length);
  return true;
}

absl::Status ParseBounded(absl::string_view key, absl::string_view value, uint32_t min,
                          uint32_t max, std::optional<uint32_t>& slot) {
  absl::string_view rest = value;
  uint64_t number = 0;
  if (!TakeNumber(rest, number) || !rest.empty() || number < min || number > max) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, " is a number from ", min, " to ", max, ": '", value, "'"));
  }
  slot = static_cast<uint32_t>(number);
  return absl::OkStatus();
}

absl::Status Assign(absl::string_view key, absl::string_view value, VifSpec& spec) {
  struct TextKey {
    absl::string_view key;
    std::string VifSpec::*member;
  };
  static constexpr TextKey kTextKeys[] = {
      {"bridge", &VifSpec::bridge},
      {"gatewaydev", &VifSpec::gateway_device},
      {"netdev", &VifSpec::gateway_device},
      {"ip", &VifSpec::ip},
      {"script", &VifSpec::script},
      {"backend", &VifSpec::backend},
      {"vifname", &VifSpec::name},
      {"model", &VifSpec::model},
      {"vlan", &VifSpec::vlan},
  };
  for (const TextKey& text : kTextKeys) {
    if (text.key != key) continue;
    spec.*text.member = std::string(value);
    return absl::OkStatus();
  }
  if (key == "accel") return absl::OkStatus();
  if (key == "devid") return ParseBounded(key, value, 0, kMaxDevid, spec.devid);
  if (key == "mtu") return ParseBounded(key, value, kMinMtu, kMaxMtu, spec.mtu);
  if (key == "type") {
    if (value != "vif" && value != "ioemu")
      return absl::InvalidArgumentError(absl::StrCat("unknown type: '", value, "'"));
    spec.type = value == "vif" ? VifSpec::Type::kVif : VifSpec::Type::kIoemu;
    return absl::OkStatus();
  }
  if (key == "mac") {
    absl::StatusOr<MacAddress> mac = ParseMac(value);
    if (!mac.ok()) return mac.status();
    spec.mac = *mac;
    return absl::OkStatus();
  }
  if (key == "rate") {
    absl::StatusOr<VifRate> rate = ParseVifRate(value);
    if (!rate.ok()) return rate.status();
    spec.rate = *rate;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown parameter: '", key, "'"));
}

}  // namespace

absl::StatusOr<VifSpec> ParseVifSpec(absl::string_view text) {
  if (text.size() > kMaxVifSpecBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the vif specification is longer than ", kMaxVifSpecBytes, " bytes"));
  }
  if (!IsPlainText(text))
    return absl::InvalidArgumentError("the vif specification contains a control character");
  VifSpec spec;
  for (absl::string_view parameter : absl::StrSplit(text, ',')) {
    parameter = absl::StripAsciiWhitespace(parameter);
    if (parameter.empty()) continue;
    const size_t equals = parameter.find('=');
    absl::Status status;
    if (equals != absl::string_view::npos) {
      status = Assign(parameter.substr(0, equals), parameter.substr(equals + 1), spec);
    } else if (parameter == "trusted" || parameter == "untrusted") {
      spec.trusted = parameter == "trusted";
    } else {
      status = absl::InvalidArgumentError(absl::StrCat("unknown parameter: '", parameter, "'"));
    }
    if (!status.ok())
      return absl::InvalidArgumentError(absl::StrCat("vif '", text, "': ", status.message()));
  }
  return spec;
}

absl::StatusOr<MacAddress> ParseMac(absl::string_view text) {
  const auto error = [text](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' ", what));
  };
  MacAddress mac = {};
  size_t count = 0;
  for (const absl::string_view group : absl::StrSplit(text, ':')) {
    uint32_t byte = 0;
    const bool hex = !group.empty() && group.size() <= 2 &&
                     std::all_of(group.begin(), group.end(), absl::ascii_isxdigit);
    if (!hex || count == mac.size() || !absl::SimpleHexAtoi(group, &byte))
      return error("is no MAC address");
    mac[count++] = static_cast<uint8_t>(byte);
  }
  if (count != mac.size()) return error("is no MAC address");
  if ((mac[0] & 1) != 0) return error("is a group address, not one interface's");
  if (mac == MacAddress{}) return error("is not a usable MAC address");
  return mac;
}

std::string FormatMac(const MacAddress& mac) {
  return absl::StrFormat("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                         mac[5]);
}

absl::StatusOr<VifRate> ParseVifRate(absl::string_view text) {
  const auto error = [text](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " in the rate '", text, "' (10Mb/s, 1MB/s@20ms)"));
  };
  absl::string_view rest = text;
  uint64_t bytes_per_second = 0;
  if (!TakeNumber(rest, bytes_per_second)) return error("no number");
  // Within 32 bits as a count of its unit, it fits into 64 in every unit.
  if (bytes_per_second == 0 || bytes_per_second > std::numeric_limits<uint32_t>::max())
    return error("number out of range");
  if (absl::ConsumePrefix(&rest, "G")) {
    bytes_per_second *= 1'000'000'000;
  } else if (absl::ConsumePrefix(&rest, "M")) {
    bytes_per_second *= 1'000'000;
  } else if (absl::ConsumePrefix(&rest, "K")) {
    bytes_per_second *= 1'000;
  }
  if (absl::ConsumePrefix(&rest, "b")) {
    bytes_per_second /= 8;
  } else if (!absl::ConsumePrefix(&rest, "B")) {
    return error("no unit");
  }
  if (!absl::ConsumePrefix(&rest, "/s")) return error("no '/s'");

  uint64_t interval_us = kDefaultIntervalUs;
  if (absl::ConsumePrefix(&rest, "@")) {
    if (!TakeNumber(rest, interval_us) || interval_us == 0 ||
        interval_us > std::numeric_limits<uint32_t>::max()) {
      return error("interval out of range");
    }
    if (rest == "s" || rest.empty()) {
      interval_us *= 1'000'000;
    } else if (rest == "ms" || rest == "m") {
      interval_us *= 1'000;
    } else if (rest != "us" && rest != "u") {
      return error("unknown interval");
    }
    if (interval_us > std::numeric_limits<uint32_t>::max()) return error("interval out of range");
  } else if (!rest.empty()) {
    return error("unknown text");
  }
  if (bytes_per_second > std::numeric_limits<uint64_t>::max() / interval_us)
    return error("number out of range");
  return VifRate{bytes_per_second * interval_us / 1'000'000, static_cast<uint32_t>(interval_us)};
}

}  // namespace pyrene::xl
