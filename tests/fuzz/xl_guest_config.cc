// SPDX-License-Identifier: Apache-2.0
//
// A guest's configuration file: refused with a line that names the place, or within its ranges.
#include <string>

#include "absl/strings/match.h"
#include "services/xl/config_syntax.h"
#include "services/xl/guest_config.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  const absl::string_view text(reinterpret_cast<const char*>(data), bytes);
  const size_t end = text.find('\0');  // behind it: a setting of the command line
  auto entries = xl::ParseConfig("guest.cfg", text.substr(0, end));
  if (!entries.ok()) {
    fuzz::Require(absl::StartsWith(entries.status().message(), "guest.cfg"));
    return 0;
  }
  if (end != absl::string_view::npos)
    static_cast<void>(xl::AddConfigOverride(text.substr(end + 1), *entries));
  std::vector<std::string> warnings;
  const auto config = xl::ParseGuestConfig("guest.cfg", *entries, {}, warnings);
  if (!config.ok()) return 0;
  fuzz::Require(config->max_vcpus >= 1 && config->max_vcpus <= xl::kMaxVcpus &&
                config->vcpus >= 1 && config->vcpus <= config->max_vcpus);
  fuzz::Require(config->memory_mib >= 1 && config->memory_mib <= config->max_memory_mib &&
                config->max_memory_mib <= xl::kMaxMemoryMib);
  fuzz::Require(config->cmdline.size() <= xl::kMaxCmdlineBytes && !config->name.empty() &&
                config->name.size() <= xl::kMaxNameBytes);
  return 0;
}
